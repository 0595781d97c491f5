"""The final fit: a run trained anew on training and validation, for as many epochs as validation chose."""

from __future__ import annotations

from typing import Any

from nextbar.baselines.rivals import Rival
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.folders import writing
from nextbar.machine.hosts import by_first, from_first
from nextbar.train.earlier_run import rival_in
from nextbar.train.result import Plan
from nextbar.train.scored_spans import Report
from nextbar.train.training import Training


def final_dataset(training: Training, dataset: Dataset, plan: Plan) -> Dataset:
    """The dataset of final fits: its training span is training and validation together, held to the same checks.

    The bars are those that the run is named by, and the test span begins where it did.

    Args:
        training: one of the first fits on ``dataset``, whose normalisations were checked on fewer bars.
        dataset: the windows of the first fits.
        plan: of these.
    """
    return build_dataset(training.config, dataset.used, dataset.cuts.without_validation(), plan.layout)


class FinalFit(Training):
    """The training after a first fit, from the untrained state on, in a folder inside the run's.

    It has the first fit's seed and the number of its best epoch, on the schedule compressed to them (see
    ``ExperimentConfig.compressed``). Nothing is validated, so nothing is chosen; test is scored when it has ended.

    Args:
        first: the first fit, which ``awaits_final``.
        dataset: the windows of ``final_dataset``.
    """

    def __init__(self, first: Training, dataset: Dataset) -> None:
        config = first.config.compressed(first.summary["best_epoch"])
        super().__init__(first.run.final(config), len(dataset.origins["training"]))
        self.first = first

    def begin(self, dataset: Dataset) -> None:
        """Write what is known before the first epoch; the run is under way again."""

        def begin() -> None:
            self.run.path.mkdir(exist_ok=True)
            self.first.run.update(status="running", message="")

        with writing(self.first.run.path):
            by_first(begin)
        super().begin(dataset)

    def title(self, among_others: bool) -> str:
        """What its log lines begin with."""
        return f"{self.first.run.path.name} final fit" if among_others else "final fit"

    @property
    def chosen_rival(self) -> Rival | None:
        """That of the first fit, which its validation span chose; to be fitted on this training span."""
        return rival_in(self.first.run.path, self.config)

    def conclude(self, status: str, message: str, report: Report) -> None:
        """Write down the end, here and in the run's own folder."""
        super().conclude(status, message, report)
        self.hand_over()

    def hand_over(self) -> None:
        """Write the final fit's result in the run's folder: with this the run has ended."""
        outcome = self._outcome()
        with writing(self.first.run.path):
            self.first.summary = from_first(lambda: self.first.run.update(**outcome))

    def _outcome(self) -> dict[str, Any]:
        """The end of the run. Validation has the first fit's scores, test has this one's."""
        first, final = self.first.summary["first_fit"], self.summary
        facts = {"epochs": final["epochs"], "training_windows": self.n_windows}
        if final["status"] == "diverged":
            return {"status": "diverged", "message": f"the final fit: {final['message']}", "final_fit": facts}
        return {
            "status": first["status"],
            "message": first["message"],
            "metrics": first["metrics"] | final["metrics"],
            "final_fit": facts,
        }

    def interrupt(self) -> str:
        """Write down that Ctrl-C was pressed; returns what that means for the run."""
        message = f"final fit {super().interrupt()}"
        self.first.note("interrupted", message)
        return message

    def fail(self, error: BaseException) -> None:
        """Write down what went wrong."""
        super().fail(error)
        self.first.fail(error)
