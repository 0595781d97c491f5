"""``backtest``: checks its arguments, goes on with an unfinished backtest, and writes the results to its folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

from nextbar.arguments import strict_arguments
from nextbar.backtesting.fold_work import FoldWork, PlannedFold
from nextbar.backtesting.folder import BacktestFolder
from nextbar.backtesting.model import ModelPredictor
from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import Participant, taking_part, with_ranges
from nextbar.backtesting.positions import PositionJudge
from nextbar.backtesting.result import Backtest
from nextbar.backtesting.tried import Tried
from nextbar.backtesting.walk_forward import WalkForward, plan_folds
from nextbar.bars.bars import fingerprint
from nextbar.bars.columns import FrameNames
from nextbar.bars.naming import Naming
from nextbar.bars.record import SeriesRecord
from nextbar.bars.series import series_of
from nextbar.baselines import Predictor
from nextbar.config import ExperimentConfig
from nextbar.config.experiment import Experiment
from nextbar.data.features import FeatureSet
from nextbar.errors import ConfigError, DataError
from nextbar.folders import writing
from nextbar.forecasts import levels_of
from nextbar.logger import get_logger
from nextbar.machine.clusters import LOCAL, joined, require_place
from nextbar.machine.hosts import require_alone
from nextbar.metrics.conformal import require_distribution
from nextbar.metrics.task import Task
from nextbar.positions.options import PositionOptions
from nextbar.runs.records import write_bars_record
from nextbar.storage.address import require_local


@strict_arguments
def backtest(
    config: Experiment,
    bars: Any = None,
    *,
    folds: int = 5,
    window: Literal["expanding", "sliding"] = "expanding",
    refit_every: int = 1,
    embargo: int = 0,
    predictors: Sequence[Predictor] = (),
    baselines: bool | Sequence[str] = True,
    rivals: Sequence[str] = (),
    conformal: bool = False,
    levels: Sequence[float] | None = None,
    positions: PositionOptions | Mapping[str, Any] | None = None,
    on: str = LOCAL,
    overwrite: bool = False,
    show: bool | None = None,
    **names: Unpack[FrameNames],
) -> Backtest:
    """Forecast the experiment's test span fold by fold, each time knowing only what came before, and score it all.

    For every fold the model is trained in a run of its own on the bars before it (the last share ``validation_split``
    of them is validation, which chooses the epoch), beside all baselines, which are fitted on the same bars. Everybody
    is scored on the same windows. The forecasts of a fold have a ``cutoff``: the fold in which their model was fitted
    starts there, less the embargo, and all that was learnt or chosen comes from bars that close before it.

    The same call once more goes on where it stood; a finished backtest is reported from its folder. With other
    ``baselines``, ``levels`` or ``conformal`` the trained models are taken over and the results written anew; with
    ``predictors`` too, because their code may have changed. With other ``positions`` only those are computed again.
    What an earlier version cut into other folds, or counted by other rules, is done anew.

    Args:
        config: the experiment, as for ``Trainer``; ``test_split`` says how long the out-of-sample period is.
        bars: a pandas or polars frame, or a list of ``Bars``, instead of the files under ``datapath``.
        folds: parts of the out-of-sample period, cut by wall clock so that each holds as many scored bars.
        window: ``expanding``: all bars before a fold are its history; ``sliding``: as long a stretch as the first has.
        refit_every: fit anew in every n-th fold only; in between the last fit forecasts on.
        embargo: bars of every scored series left out between what is learnt from and what is forecast.
        predictors: objects with ``fit(frame)`` and ``predict(frame)``, see :class:`nextbar.baselines.Predictor`.
        baselines: all that apply, none, or those of these names. The one that was best on the validation span of the
            first fold is what the verdict holds the model against.
        rivals: forecasters of other libraries by name, such as ``statsforecast:AutoETS(season_length=24)`` or
            ``chronos:FOLDER``, see :func:`nextbar.rivals.rival_called`; as objects they are ``predictors``.
        conformal: adjust the model's intervals by the validation residuals of each fit.
        levels: central intervals in the forecasts of a ``distribution``, shares in (0, 1); None: 0.5, 0.8 and 0.95.
        positions: rule, costs and tries of the positions that forecasts are judged by, as
            :class:`nextbar.positions.options.PositionOptions` or a mapping of its fields. No order is ever sent.
        on: ``local``, or the cluster whose workers fit and forecast the folds, see :func:`nextbar.search`. There a
            predictor of one's own is a copy of the one that is given, in every fold that is fitted.
        overwrite: throw an earlier backtest of the same folder away and train anew.
        show: progress bars and tables; None: where ``nextbar`` logs at INFO.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Returns:
        The backtest; it lies in ``log_dir/experiment_name/backtest-<digest>``.

    Raises:
        ConfigError: an option or a predictor that cannot be used.
        DataError: bars that cannot be used, too few for so many folds, a predictor that looks ahead or whose table is
            wrong; ``levels`` or ``conformal`` of forecasts that are no laws.
        RunError: a folder that cannot be written, a predictor that fails, a training that diverges, a cluster that
            cannot be reached or is gone.
        TrainingInterrupted: Ctrl-C; trained folds are kept.
    """
    require_alone("a backtest")
    require_place(on)
    config = ExperimentConfig.of(config)
    rule: Any = {} if positions is None else positions  # a mapping is checked as the options are
    options = BacktestOptions(
        folds=folds, window=window, refit_every=refit_every, embargo=embargo, baselines=baselines, conformal=conformal,
        levels=levels_of(Task.of(config), levels), rivals=rivals, positions=rule,
    )  # fmt: skip
    _require_usable(config, options)
    others = taking_part(config, options, predictors)
    # own code may have changed since, and so may the weights in a folder
    may_differ = bool(predictors) or any(hasattr(other.predictor, "folder") for other in others)
    panel = _panel(config, bars, **names)
    # a feature that some series lack may be used in a fold that does not know those yet
    used = list(map(FeatureSet.of(config.dataset_config).of_source, panel.bars))
    planned = plan_folds(panel, config, options)
    first = planned[0].fold
    if options.baselines is True:
        others = with_ranges(others, panel.frame(first.begin, first.cutoff), first)
    folder = BacktestFolder.of(config, options.question, fingerprint(used))
    tried = Tried.of(options.positions, folder.path.parent)
    facts: dict[str, Any] = {
        "model": ModelPredictor.name,
        "options": _plain_options(options, others),
        "folds": [fold.describe() for fold in planned],
        "datapath": os.path.abspath(config.dataset_config.datapath),
    }
    with folder.claimed(overwrite):
        former = folder.read()
        if not _is_answered(former, facts["options"], planned, may_differ, folder.path):
            with writing(folder.path):
                write_bars_record(folder.path, [SeriesRecord.of(b) for b in used])
            if former.get("status") != "finished":
                folder.begin(config, facts)
            with folder.failures_noted(), joined(on) as cluster:
                work = FoldWork(config, options, panel, others, folder.folds, show)
                forecasts, results = WalkForward(work, planned, predictors, cluster).run()
                folder.begin(config, facts)  # finished results stay until there are others
                folder.finish(forecasts, **results)
        judge = PositionJudge(panel, config, options.positions, tried, first.cutoff)
        with folder.failures_noted():
            _judge_positions(folder, judge)
    result = Backtest.load(folder.path)
    if get_logger().isEnabledFor(logging.INFO) if show is None else show:
        result.show()
    return result


def _require_usable(config: ExperimentConfig, options: BacktestOptions) -> None:
    """Raises ConfigError or DataError: the experiment cannot be backtested with these options."""
    require_local(
        config.log_dir,
        "log_dir: a backtest keeps the runs of its folds there, and a lock",
        "its folder can be copied into a bucket afterwards",
    )
    task = Task.of(config)
    if options.conformal:
        require_distribution(task)
    options.positions.require(task)
    if not config.save_weights:
        raise ConfigError("save_weights is False, but a backtest forecasts with the weights of each fold; set it True")


def _plain_options(options: BacktestOptions, others: Sequence[Participant]) -> dict[str, Any]:
    """The options that forecasts depend on, with the names of those that take part."""
    return options.of_forecasts | {
        "baselines": [other.name for other in others if other.kind == "baseline"],
        "predictors": [other.name for other in others if other.kind == "own"],
    }


def _is_answered(
    former: Mapping[str, Any], options: Mapping[str, Any], planned: Sequence[PlannedFold], may_differ: bool, path: Path
) -> bool:
    """Whether a summary is of a finished backtest with these options and folds; the log says so.

    Args:
        former: the summary; empty where there is none.
        options: plain values, as in the summary.
        planned: the folds.
        may_differ: whether its participants may have changed since.
        path: its folder.
    """
    if former.get("status") != "finished":
        return False
    if not _same_folds(former.get("folds", []), planned):
        get_logger().info("%s was cut into other folds by an earlier version: done anew", path)
        return False
    before = {"rivals": []} | former.get("options", {})  # earlier versions had no rivals
    if may_differ or before != options:
        return False
    get_logger().info("%s has been finished before: reported, not done anew (overwrite=True does)", path)
    return True


def _same_folds(former: Sequence[dict[str, Any]], planned: Sequence[PlannedFold]) -> bool:
    """Whether the folds of a summary are those of the plan; where none was written down, training ended where
    validation begins."""
    earlier = [{"training_until": fold["validation_from"]} | fold for fold in former]
    return len(former) == len(planned) and all(
        before.get(name) == value
        for before, fold in zip(earlier, planned, strict=True)
        for name, value in fold.describe().items()
    )


def _judge_positions(folder: BacktestFolder, judge: PositionJudge) -> None:
    """Judge the forecasts in the folder by positions, unless that has been done or is not wanted."""
    former = folder.read().get("positions")
    if judge.options.rule == "none":
        if former is not None:
            folder.set_positions(None)
    elif former is None or any(former.get(name) != value for name, value in judge.terms.items()):
        get_logger().info("positions, for judging the forecasts only: %s", judge.options.in_words)
        folder.set_positions(*judge.judge(folder.read_forecasts(), ModelPredictor.name))


def _panel(config: ExperimentConfig, bars: Any, **names: Unpack[FrameNames]) -> BacktestPanel:
    dataset = config.dataset_config
    series = [b.between(dataset.initial_date, dataset.final_date) for b in series_of(config, bars, **names)]
    kept = tuple(b for b in series if len(b))
    lacking = [b.name for b in series if not len(b)]
    if lacking:
        raise DataError(
            f"{', '.join(lacking)}: no bars from initial_date {dataset.initial_date} to final_date {dataset.final_date}"
        )
    return BacktestPanel(kept, dataset.horizon, Naming.of(dataset))
