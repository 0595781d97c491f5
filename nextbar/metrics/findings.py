"""Statistical tests of a span's forecasts: each a sentence for a person, with its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nextbar.metrics import contests, coverage_tests, decomposition, pit_tests, qlike
from nextbar.metrics.density import quantile
from nextbar.metrics.examined import Examined, Finding
from nextbar.metrics.multiplicity import judged, listed
from nextbar.metrics.significance import diebold_mariano
from nextbar.metrics.spacing import sequences
from nextbar.metrics.superiority import SIGNIFICANT
from nextbar.metrics.timeline import per_timestamp


def findings(examined: Examined) -> dict[str, Finding]:
    """Every test that applies, by its key."""
    all_findings = {key: test(examined) for key, test in TESTS.items()}
    return {key: finding for key, finding in all_findings.items() if finding is not None}


def contest(examined: Examined) -> Finding | None:
    """Model confidence set, superior predictive ability and StepM; None for fewer than three participants."""
    title, benchmark = "Who may be the best", examined.benchmark
    if len(examined.forecasts) < contests.LEAST:
        return None
    result = contests.contest(examined.losses, benchmark, examined.task.horizon)
    if isinstance(result, str):
        return {"title": title, "sentence": f"No contest: {result}.", "figures": []}
    best, superior, n = result.best, result.superior, len(result.contestants)
    who = f"{listed(best)} may be the best of {n}"
    if len(best) == 1:
        who = f"{best[0]} is the best of {n} by more than luck"
    elif len(best) == n:
        who = f"None of the {n} can be told from the best"
    beats = f"{listed(superior)} beat{'' if len(superior) > 1 else 's'}" if superior else "nobody beats"
    sentence = f"{who}; {beats} {benchmark} by more than luck (superior predictive ability, p = {result.p_value:.2g})."
    figures = [
        {"forecast": contestant.name, "loss": contestant.loss, "confidence set, p": contestant.confidence,
         f"beats {benchmark}": "yes" if contestant.superior else "no"}
        for contestant in result.contestants
    ]  # fmt: skip
    return {"title": title, "sentence": sentence, "figures": figures}


def variance(examined: Examined) -> Finding | None:
    """QLIKE of the forecast variances; None without a law."""
    laws = examined.laws
    if examined.model not in laws:
        return None
    outcomes, task, model = examined.outcomes, examined.task, examined.model
    realised_NH, ranged = qlike.realised_variance(outcomes, task, examined.range_NH)
    losses = {
        name: per_timestamp(outcomes, qlike.qlike_losses(outcomes, forecast, task, realised_NH))
        for name, forecast in laws.items()
    }
    figures: list[dict[str, Any]] = []
    for name, loss_T in losses.items():
        test = None if name == model else diebold_mariano(losses[model], loss_T, task.horizon)
        figures.append({"forecast": name, "QLIKE": float(loss_T.mean()),
                        "Diebold-Mariano": test and test["statistic"], "p": test and test["p_value"]})  # fmt: skip
    means = f"realised variance is that of {'ranges and opening gaps' if ranged else 'squared changes'}"
    rival = next((row for row in figures if row["forecast"] == examined.benchmark), None)
    sentence = _variance_in_words(figures[0]["QLIKE"], rival, means)
    return {"title": "Forecast variance against realised variance", "sentence": sentence, "figures": figures}


def _variance_in_words(own: float, rival: Mapping[str, Any] | None, means: str) -> str:
    if rival is None:
        return f"QLIKE of the forecast variance {own:.4g} ({means})."
    how, luck = "nearer" if own < rival["QLIKE"] else "no nearer", ""
    if rival["p"] is not None:
        luck = f", {'by more than luck' if rival['p'] < SIGNIFICANT else 'which may be luck'} (p = {rival['p']:.2g})"
    return (
        f"The forecast variance is {how} to what came than that of {rival['forecast']}: QLIKE "
        f"{own:.4g} against {rival['QLIKE']:.4g}{luck}; {means}."
    )


def coverage(examined: Examined) -> Finding | None:
    """Tests of the hits of the 5 % and 95 % quantiles and of the 90 % interval; None without a law."""
    if examined.model not in examined.laws:
        return None
    forecast = examined.forecasts[examined.model]
    low_NH, high_NH = (quantile(forecast, share) for share in (0.05, 0.95))
    below_NH, above_NH = examined.pit_NH < 0.05, examined.pit_NH > 0.95
    sides = {
        "below the 5 % quantile": (below_NH, 0.05, low_NH),
        "above the 95 % quantile": (above_NH, 0.05, high_NH),
        "outside the 90 % interval": (below_NH | above_NH, 0.10, high_NH - low_NH),
    }
    figures: list[dict[str, Any]] = []
    fewest: list[tuple[int, int]] = []
    for series, step, row_M in sequences(examined.outcomes, examined.task.horizon):
        for side, (hit_NH, probability, quantile_NH) in sides.items():
            place = row_M, step - 1
            test = coverage_tests.coverage_test(hit_NH[place], probability, quantile_NH[place])
            if test is None:
                fewest.append((len(row_M), coverage_tests.least_windows(probability)))
                continue
            figures.append({
                "series": series, "step": step, "hits": side, "windows": test.windows, "share, %": 100 * test.share,
                "should be, %": 100 * probability, "Kupiec, p": test.unconditional,
                "independence, p": test.independence, "Christoffersen, p": test.conditional,
                "dynamic quantile, p": test.dynamic,
            })  # fmt: skip
    title = "Coverage: do outcomes fall outside as often as they should, and not in clusters?"
    return judged(title, figures, ("Christoffersen, p", "dynamic quantile, p"), fewest, _COVERAGE)


def dependence(examined: Examined) -> Finding | None:
    """Tests of the PIT; None without a law."""
    if examined.model not in examined.laws:
        return None
    figures: list[dict[str, Any]] = []
    fewest: list[tuple[int, int]] = []
    for series, step, row_M in sequences(examined.outcomes, examined.task.horizon):
        test = pit_tests.pit_test(examined.pit_NH[row_M, step - 1])
        if test is None:
            fewest.append((len(row_M), pit_tests.LEAST_WINDOWS))
            continue
        figures.append({
            "series": series, "step": step, "windows": test.windows, "mean": test.mean, "deviation": test.deviation,
            "autocorrelation": test.correlation, "Berkowitz, p": test.berkowitz, "direction, p": test.direction,
            "size, p": test.size,
        })  # fmt: skip
    title = "PIT: is the law right, and is nothing left to foretell?"
    return judged(title, figures, ("Berkowitz, p", "direction, p", "size, p"), fewest, _PIT)


def parts(examined: Examined) -> Finding | None:
    """Miscalibration, discrimination and uncertainty of model and benchmark; None without a law."""
    laws, model, benchmark = examined.laws, examined.model, examined.benchmark
    if model not in laws:
        return None
    figures, crps = [], {}
    for name in dict.fromkeys((model, benchmark)):
        if name in laws:
            made_of = decomposition.decompositions(examined.outcomes, laws[name], examined.task)
            crps[name] = made_of["crps"]
            figures += [
                {"forecast": name, "score": score, "value": part.score, "miscalibration": part.miscalibration,
                 "discrimination": part.discrimination, "uncertainty": part.uncertainty}
                for score, part in made_of.items()
            ]  # fmt: skip
    shares = {
        name: [f"{100 * amount / part.uncertainty:.1f} %" for amount in (part.discrimination, part.miscalibration)]
        for name, part in crps.items()
        if part.uncertainty > 0
    }
    if model not in shares:
        return None
    sentence = (
        f"Telling windows apart takes {shares[model][0]} off the CRPS that one law for all would have, and quantiles "
        f"that do not mean what they say give {shares[model][1]} back"
    )
    other = shares.get(benchmark) if benchmark != model else None
    sentence += f" ({benchmark}: {other[0]} and {other[1]})." if other else "."
    return {"title": "What the scores are made of", "sentence": sentence, "figures": figures}


TESTS: dict[str, Callable[[Examined], Finding | None]] = {
    "contest": contest, "variance": variance, "coverage": coverage, "pit": dependence, "parts": parts,
}  # fmt: skip
"""in the order of reports; a further one is a function and its place here"""

_COVERAGE = (
    "Outcomes fall outside as often as they should, and not in clusters",
    "Outcomes fall outside too often, too seldom, or in clusters",
)
_PIT = (
    "The law is right, and nothing is left to foretell",
    "The law is not quite right, or something is left to foretell",
)
