"""Several devices do what one does, up to rounding, and each of them its part."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from on_devices import ALONE, POPULATIONS, environment, folder_of, train_on
from trainings import assert_another_training, assert_same_training

from nextbar.engine.devices import Devices

LOOK = """
import json, sys
import jax
from dataclasses import replace
from experiments import make_dataset
from nextbar.engine.engine import Engine

def look(members, batch_size):
    config, dataset = make_dataset(dropout=0.1, d_model=32, batch_size=batch_size)
    configs = [replace(config, seed=i) for i in range(members)]
    engine = Engine(configs, dataset)
    state = engine.join([engine.start(None, i) for i in range(members)])
    call = next(engine.calls(engine.orders([1] * members)))
    compiled = engine.functions.train.lower(state, *call).compile()
    leaf = jax.tree.leaves(state.params)[0]
    return {
        "flops": compiled.cost_analysis()["flops"],
        "sums": compiled.as_text().count(" all-reduce("),
        "shards": [list(shard.data.shape) for shard in leaf.addressable_shards],
        "shape": list(leaf.shape),
    }

print(json.dumps([look(*program) for program in json.loads(sys.argv[1])]))
"""

LATE = """
import jax, numpy as np
from jax.sharding import PartitionSpec
from nextbar.engine.devices import MEMBERS, WINDOWS, Devices

def work(x):
    steps = jax.lax.axis_index((MEMBERS, WINDOWS)) * 3 * 10**7
    return jax.lax.fori_loop(0, steps, lambda i, y: y * 0.5 + 0.5, x)

devices = Devices.of()
everywhere = PartitionSpec()
work = jax.jit(jax.shard_map(work, mesh=devices.mesh, in_specs=everywhere, out_specs=everywhere, check_vma=False))

result = work(devices.place(np.float32(1)))
assert devices.fetch({"result": result})["result"] == 1
assert all(shard.data.is_ready() for shard in result.addressable_shards)
"""

PROGRAMS = {1: [(1, 16), (1, 30), (4, 16)], 4: [(1, 16), (1, 30), (4, 16)], 8: [(4, 16)]}
"""members and batch sizes whose compiled training is looked at, by devices"""


@cache
def looks(devices: int) -> list[dict[str, Any]]:
    """What the compiled trainings of an epoch are like."""
    command = [sys.executable, "-c", LOOK, json.dumps(PROGRAMS[devices])]
    done = subprocess.run(command, env=environment(devices), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All trainings on one device."""
    logs = tmp_path_factory.mktemp("single")
    train_on(1, logs, *ALONE, *POPULATIONS)
    return logs


@pytest.mark.parametrize("at_once", [1, 2, 4, 6, sys.maxsize])
def test_members_come_out_in_their_order_however_many_are_computed_at_once(at_once: int) -> None:
    """Six of them; four at once means three, which divides six."""
    shared, own = np.arange(3.0), {"a": np.arange(6.0), "b": np.arange(12.0).reshape(6, 2)}

    def function(shared: Any, own: Any, other: Any) -> Any:
        return {"sum": shared * own["a"] + own["b"].sum(), "other": other}

    each = Devices().each(function, (None, 0, 0), 6, at_once)
    found = jax.jit(each)(shared, own, np.arange(6))
    wanted = shared * own["a"][:, None] + own["b"].sum(axis=1)[:, None]
    np.testing.assert_allclose(found["sum"], wanted)
    np.testing.assert_array_equal(found["other"], np.arange(6))


@pytest.mark.slow
def test_what_is_fetched_every_device_has_done() -> None:
    """The second of two has thirty million steps more to do than the first, whose copy is read."""
    done = subprocess.run([sys.executable, "-c", LATE], env=environment(2), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "names"), [(4, (*ALONE,)), (8, ("distribution", "few"))])
def test_several_devices_train_as_one_does(devices: int, names: tuple[str, ...], single: Path, tmp_path: Path) -> None:
    train_on(devices, tmp_path, *names)
    for name in names:
        assert_same_training(folder_of(tmp_path, name), folder_of(single, name))


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "name"), [(4, "population"), (4, "uneven"), (8, "population")])
def test_a_population_on_several_devices_is_as_its_members_alone(
    devices: int, name: str, single: Path, tmp_path: Path
) -> None:
    """Four members on 4 devices, one each; six on 4, two groups of two devices; four on 8, a pair of devices each."""
    train_on(devices, tmp_path, name)
    for i in range(POPULATIONS[name]):
        assert_same_training(folder_of(tmp_path, name, i), folder_of(single, name, i))
    assert_another_training(folder_of(tmp_path, name, 0), folder_of(single, name, 1))


@pytest.mark.slow
def test_a_batch_is_shared_by_the_devices() -> None:
    """Each does its part of the arithmetic, and gradients are summed over all; one device has nobody to ask."""
    (one, one_ragged, _), (four, ragged, _) = looks(1), looks(4)
    assert one["sums"] == 0 and four["sums"] > 0 and ragged["sums"] > 0
    assert four["flops"] < 0.4 * one["flops"]
    assert ragged["flops"] < 0.4 * one_ragged["flops"]
    assert four["shards"] == [four["shape"]] * 4


@pytest.mark.slow
def test_members_lie_on_devices_of_their_own() -> None:
    """One of four devices does a member's work and asks nobody; of eight, two share a member."""
    one, four, eight = looks(1)[2], looks(4)[2], looks(8)[0]
    assert four["sums"] == 0 and four["flops"] < 0.3 * one["flops"]
    assert four["shards"] == [[1, *four["shape"][1:]]] * 4
    assert eight["sums"] > 0 and eight["flops"] < 0.2 * one["flops"]
    assert eight["shards"] == [[1, *eight["shape"][1:]]] * 8
