"""What a search optimises: a metric of the validation sessions, such as mrr@20 or category_1/ndcg@10."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hiersrec.errors import BadInput, UnknownName, did_you_mean
from hiersrec.evaluation.metrics import about, is_of_lists

OF_EPOCHS = ("mrr@20", "hits@20")
"""What every epoch of a training is validated with; the first decides when it stops, whatever the goal is."""


@dataclass(frozen=True)
class Goal:
    """A metric by its reported name. Raises BadInput for another form or a metric without a direction, UnknownName."""

    metric: str = OF_EPOCHS[0]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"([^/@]+/)?[^/@]+@[1-9][0-9]*", self.metric):
            raise BadInput(f"--metric is a name and k, such as ndcg@10 or category_1/mrr@20, got '{self.metric}'.")
        if about(self.kind).better is None:
            raise BadInput(
                f"--metric {self.metric}: neither higher nor lower values are better. Choose another metric."
            )
        if self.task and is_of_lists(self.kind):
            raise BadInput(f"--metric {self.metric}: {self.kind} is of lists of items. Leave out {self.task}/.")

    @property
    def task(self) -> str:
        """The task that is measured, "" for the next item."""
        return self.metric.rpartition("/")[0]

    @property
    def kind(self) -> str:
        """Name of the metric in the registry."""
        return self.metric.rpartition("/")[2].partition("@")[0]

    @property
    def k(self) -> int:
        return int(self.metric.rpartition("@")[2])

    @property
    def reported(self) -> tuple[str, ...]:
        """The metrics that are recorded of each trial, this one first."""
        return tuple(dict.fromkeys([self.metric, *OF_EPOCHS]))

    def score(self, values: Mapping[str, float]) -> float:
        """Higher is better."""
        return values[self.metric] if about(self.kind).better == "higher" else -values[self.metric]

    def text(self, value: float) -> str:
        """A value of it as tables show it."""
        return about(self.kind).text(value)

    def not_predicted(self) -> BadInput:
        """What to raise for a recipe that doesn't predict the task."""
        return BadInput(f"--metric {self.metric}: this recipe does not predict {self.task}. Choose another metric.")

    def check_task(self, tasks: Collection[str]) -> None:
        """Raise UnknownName if the dataset has no labels for the task."""
        if self.task and self.task not in tasks:
            raise UnknownName(
                f"--metric {self.metric}: there is no task '{self.task}'. {did_you_mean(self.task, tasks)}"
            )
