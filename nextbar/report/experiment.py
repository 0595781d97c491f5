"""The experiment in short: its configuration, its series, and the spans over the price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nextbar.config import DatasetConfig, ExperimentConfig
from nextbar.display.figure import Figure
from nextbar.display.markup import Html, element, facts, table
from nextbar.report.price import Band, price_figure, spans

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation

ROLES = {
    "training": "the model learns from training bars",
    "validation": "validation chooses the epoch",
    "test": "test is only reported",
}
BORDERS = "A window whose labels straddle a border belongs to neither side."


def trained_parts(config: ExperimentConfig, summary: Mapping[str, Any], evaluation: Evaluation | None) -> list[Any]:
    """Facts, a table of the series with notices on them, and the price where there are bars."""
    data = summary["data"]
    notices = [f"{series['name']}: {notice}" for series in data["series"] for notice in series["notices"]]
    notices += [f"{name} left out: not in {', '.join(lack)}" for name, lack in data["dropped_features"].items()]
    return [
        facts((*config_facts(config, data), *_training_facts(config, summary))),
        _series(data["series"]),
        element("ul", *(element("li", notice) for notice in notices)) if notices else None,
        _price(evaluation, data["series"]) if evaluation else None,
    ]


def config_facts(config: ExperimentConfig, data: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
    """Names and values of the fields that matter most.

    Args:
        config: the experiment.
        data: ``data`` of a run's summary, which lists the features in use; None: the configuration's own.
    """
    dataset, model = config.dataset_config, config.model_config
    law = f"{model.output_mode} ({model.tail})" if model.output_mode == "distribution" else model.output_mode
    features = ", ".join((*data["features"], *data["indicators"])) if data else dataset.features
    longer = [f"the last {dataset.context_len} closed bars of {name}" for name in dataset.context_resolutions]
    return [
        ("asked for", f"{law} of {dataset.target}, {dataset.horizon} bar{'s' * (dataset.horizon > 1)} ahead"),
        ("context", "; ".join((f"{dataset.seq_len} bars", *longer))),
        ("features", ", ".join((features, *_further(dataset)))),
        ("normalisation", dataset.norm_mode),
        ("model", f"{model.num_layers} blocks, width {model.d_model}, {model.n_heads} heads"),
        ("dropout, weight decay", f"{model.dropout:g}, {config.weight_decay:g}"),
        ("learning rate", f"{config.learning_rate:g}, {config.lr_mode}"),
        ("batch, seed", f"{config.batch_size}, {config.seed}"),
        *([("members", f"{config.seeds}, of equal weight")] if config.seeds > 1 else []),
    ]


def _further(dataset: DatasetConfig) -> Iterator[str]:
    """Features that are no columns of the bars."""
    if dataset.time_feature != "none":
        yield f"time ({dataset.time_feature})"
    if dataset.clock:
        yield "clock"


def date(iso: str) -> str:
    """A date, with the time of day where there is one."""
    return iso.replace("T", " ").removesuffix("Z").removesuffix(":00").removesuffix(" 00:00")


def _training_facts(config: ExperimentConfig, summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    data = summary["data"]
    return [
        ("epochs", _epochs(summary, config)),
        *_final_fit(summary),
        ("validation from", date(data["validation_from"])),
        ("test from", date(data["test_from"])),
        *((f"{span} windows", f"{n:,}") for span, n in data["windows"].items()),
    ]


def _final_fit(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The training once more on training and validation, where there was one."""
    if final := summary.get("final_fit"):
        yield "final fit", f"{final['epochs']} epochs, {final['training_windows']:,} training windows"


def _series(series: list[Mapping[str, Any]]) -> Html:
    rows = [
        (node["name"], date(node["first"]), date(node["last"]), _calendar(node), _role(node), f"{node['bars']:,}",
         f"{node['holes']:,}")
        for node in series
    ]  # fmt: skip
    head = ("series", "first bar", "last bar", "calendar", "used for", "bars", "holes")
    return table(head, rows, caption="Series (UTC)", text_columns=5)


def _calendar(series: Mapping[str, Any]) -> str:
    """Calendar and time zone; summaries of earlier runs lack the time zone, which was UTC."""
    return f"{series['calendar']}, {series.get('timezone', 'UTC')}"


def _role(series: Mapping[str, Any]) -> str:
    return " and ".join(role for role, used in (("training", series["trained"]), ("scores", series["scored"])) if used)


def _price(evaluation: Evaluation, series: Sequence[Mapping[str, Any]]) -> Figure:
    """The price of the scored series, which need not be those of the run."""
    names, cuts = evaluation.names, evaluation.cuts
    learnt = {node["name"] for node in series if node["trained"]}
    chose = {node["name"] for node in series if node["scored"]}
    bands = [spans(b, cuts.validation, cuts.test, name in learnt)
             for name, b in zip(names, evaluation.bars, strict=True)]  # fmt: skip
    without = [name for name in names if name not in learnt], [name for name in names if name not in chose]
    caption = _caption(bands, *without)
    if evaluation.summary.get("final_fit"):
        caption += " The final fit learns from training and validation."
    return price_figure(names, evaluation.bars, bands, caption)


def _caption(bands: Sequence[Sequence[Band]], not_learnt: Sequence[str], did_not_choose: Sequence[str]) -> str:
    """Roles of the spans that are drawn, and the series that took no part in them."""
    shown = {band.label for of_series in bands for band in of_series}
    if len(did_not_choose) == len(bands):
        shown.discard("validation")
    roles = ", ".join(role for span, role in ROLES.items() if span in shown)
    sentences = [f"{roles}.".capitalize(), BORDERS]
    if not_learnt:
        sentences.append(f"Nothing was learnt from {', '.join(not_learnt)}.")
    if did_not_choose:
        sentences.append(f"The epoch was chosen without {', '.join(did_not_choose)}.")
    return " ".join(sentences)


def _epochs(summary: Mapping[str, Any], config: ExperimentConfig) -> str:
    """Epochs done and planned; a refit has no plan of its own, but the length of its original's best epoch."""
    done, best = summary.get("epochs", "–"), summary.get("best_epoch") or "–"
    return f"{done}, best {best}" if summary.get("refit_of") else f"{done} of {config.num_epochs}, best {best}"
