"""Episodes: the experiment made small, with its validation span begun at some date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nextbar.auditing.futures import FUTURES, keeping
from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.config import ExperimentConfig
from nextbar.data.closed_bars import reach
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.roles import Roles, within_dates
from nextbar.data.splits import Cuts
from nextbar.errors import DataError

BEFORE, AFTER = 1200, 400
"""bars of a series before the cut and after it, at most, with windows up to some hundred bars"""
MOST_SERIES = 4
"""of an episode, since all of them are trained on"""
MOST_CONTEXT = 4
"""longer bars of each context resolution beside its windows"""
EARLIEST, LATEST = 0.35, 0.9
"""share of the scored bars before a cut that is drawn"""


@dataclass(frozen=True, eq=False)
class Episode:
    """The experiment at one date."""

    config: ExperimentConfig
    """small: two epochs of a tiny model"""
    bars: tuple[Bars, ...]
    cuts: Cuts
    late: int
    """a closing time within the test span"""
    seed: int
    """of what comes after a cut"""
    _datasets: dict[tuple[str, int], Dataset] = field(default_factory=dict)

    def bars_of(self, kind: str = "", cut: int = 0) -> list[Bars]:
        """Its bars, or those with another future from a date on, see ``FUTURES``."""
        if not kind:
            return list(self.bars)
        rng = np.random.default_rng([self.seed, cut, len(kind)])
        return [keeping(FUTURES[kind](b, cut, rng), b, self.config.dataset_config.known_ahead or ()) for b in self.bars]

    def dataset(self, kind: str = "", cut: int = 0) -> Dataset:
        """The windows of these bars."""
        if (kind, cut) not in self._datasets:
            self._datasets[kind, cut] = build_dataset(self.config, self.bars_of(kind, cut), self.cuts)
        return self._datasets[kind, cut]


def draw_episodes(
    config: ExperimentConfig, bars: Sequence[Bars], number: int, rng: np.random.Generator
) -> Iterator[Episode]:
    """Episodes whose validation begins where the configuration's validation and test do, and then at random dates.

    Raises:
        DataError: the bars are too few for the experiment at any of these dates, or cannot be used.
    """
    small = _small(config)
    kept = [within_dates(b, config.dataset_config) for b in bars]
    own = Roles.of(config, kept).cuts
    build_dataset(config, kept)  # bars that cannot be used as they are say so first
    scored = [b for b in kept if b.ticker in config.scored_tickers]
    pooled = np.unique(np.concatenate([b.close_time_N for b in scored]))
    drawn = pooled[(rng.uniform(EARLIEST, LATEST, number) * len(pooled)).astype(int)]
    refusal: DataError | None = None
    count = 0
    for cut in [own.validation, own.test, *drawn.tolist()][:number]:
        try:
            episode = _episode(small, kept, int(cut), rng)
            episode.dataset()
        except DataError as error:
            refusal = refusal or error
            continue
        count += 1
        yield episode
    if not count and refusal is not None:
        raise refusal


def _episode(config: ExperimentConfig, bars: Sequence[Bars], cut: int, rng: np.random.Generator) -> Episode:
    """The episode whose validation begins at a date."""
    dataset = config.dataset_config
    window = dataset.seq_len + dataset.horizon
    contexts = [reach(c, r, dataset.context_len or 0) for c in dataset.context_resolutions for r in dataset.resolutions]
    before, after = max(BEFORE, 4 * window, *contexts), max(AFTER, 8 * dataset.horizon)
    candidates = [b for b in bars if np.searchsorted(b.close_time_N, cut) >= window and b.close_time_N[-1] >= cut]
    tickers = _tickers(config, candidates, rng)
    parts = []
    for b in (b for b in candidates if b.ticker in tickers):
        at = int(np.searchsorted(b.close_time_N, cut))
        parts.append(b.first(at + after).last(min(at, before) + min(after, len(b) - at)))
    scored = [b for b in parts if b.ticker in config.scored_tickers]
    if not scored:
        raise DataError(f"no scored ticker has {window} bars before {iso(cut)} and one after it")
    ahead = np.unique(np.concatenate([b.close_time_N[b.close_time_N >= cut] for b in scored]))
    if len(ahead) < 4 * dataset.horizon + 4:
        raise DataError(
            f"{len(ahead)} bars after {iso(cut)}; an audit needs {4 * dataset.horizon + 4}: use more bars or a larger "
            "test_split"
        )
    test = int(ahead[len(ahead) // 2])
    late = int(ahead[3 * len(ahead) // 4])
    shown = replace(
        config,
        dataset_config=replace(dataset, tickers=tuple(t for t in dataset.tickers if t in tickers)),
        test_tickers=tuple(t for t in config.scored_tickers if t in tickers),
    )
    return Episode(shown, tuple(parts), Cuts(cut, test), late, int(rng.integers(2**32)))


def _tickers(config: ExperimentConfig, bars: Sequence[Bars], rng: np.random.Generator) -> set[str]:
    """Some tickers, among them one that is trained on and one that is scored."""
    existing = {b.ticker for b in bars}
    trained = [t for t in config.dataset_config.tickers if t in existing]
    scored = [t for t in config.scored_tickers if t in existing]
    if not trained or not scored:
        raise DataError("no ticker that is trained on, or none that is scored, has enough bars before the cut")
    first = {trained[int(rng.integers(len(trained)))], scored[int(rng.integers(len(scored)))]}
    others = [t for t in dict.fromkeys((*trained, *scored)) if t not in first]
    return first | set(rng.permutation(others)[: MOST_SERIES - len(first)].tolist() if others else [])


def _small(config: ExperimentConfig) -> ExperimentConfig:
    """The same question, asked of a tiny model."""
    model = replace(
        config.model_config,
        d_model=8,
        n_heads=2,
        num_layers=1,
        head_layers=min(config.model_config.head_layers, 1),
        dim_feedforward=16,
        fe_blocks=min(config.model_config.fe_blocks, 1),
        precision="fp32",
    )
    dataset = config.dataset_config
    return replace(
        config,
        model_config=model,
        dataset_config=replace(dataset, context_len=dataset.context_len and min(dataset.context_len, MOST_CONTEXT)),
        experiment_name="audit",
        num_epochs=2,
        batch_size=64,
        warmup_epochs=1.0,
        seeds=1,
        early_stopper=0,
        save_weights=False,
        final_fit=False,
    )
