"""Names of exchanges: what a configuration takes, with the package and without, and what it says of others."""

from __future__ import annotations

import subprocess
import sys

import pytest
from builders import make_config

from nextbar.config import exchanges
from nextbar.config.exchanges import exchange_names, exchange_package, is_exchange, require_calendar
from nextbar.errors import ConfigError


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "find_spec", lambda name: None)


def test_which_calendars_are_exchanges() -> None:
    names = ["auto", "24/7", "sessions", "XNYS", "24/5"]
    assert list(map(is_exchange, names)) == [False, False, False, True, True]


def test_a_name_that_does_not_exist_is_refused_with_near_ones() -> None:
    pytest.importorskip("exchange_calendars", reason="needs exchange_calendars: pip install exchange_calendars")
    assert {"XNYS", "NYSE", "24/5", "us_futures"} <= set(exchange_names()) and "24/7" not in exchange_names()
    for name in exchange_names():
        require_calendar(name)
    for wrong, near in {"XNYE": "'XNYS'", "nyse": "'NYSE'", "sesions": "'sessions'", "24/6": "'24/7'"}.items():
        with pytest.raises(
            ConfigError, match=rf"calendar: found '{wrong}', should be auto, 24/7, .*did you mean .*{near}"
        ):
            make_config(calendar=wrong)
    with pytest.raises(ConfigError, match=r"such as 'XNYS'$"):
        make_config(calendar="somewhere else")


def test_without_the_package_names_pass_and_their_use_says_what_to_install(without: None) -> None:
    """A run that keeps its sessions can still be read."""
    assert exchange_names() == ()
    for name in ("XNYS", "24/5", "us_futures"):
        assert make_config(calendar=name).dataset_config.calendar == name
    for wrong in ("xnys", "sesions", "X"):
        with pytest.raises(ConfigError, match=r"exchange_calendars \(which is not installed: pip install exchange_cal"):
            make_config(calendar=wrong)
    with pytest.raises(ConfigError, match=r"'XNYS', whose sessions.*not installed: pip install exchange_calendars"):
        exchange_package("XNYS")


def test_a_configuration_without_an_exchange_does_not_load_the_package() -> None:
    code = "import sys; from builders import make_config; make_config(); print('exchange_calendars' in sys.modules)"
    path = [*filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
