"""Numbers -> cells: percent, names of the papers, and which number of a column is the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

METRICS = {"mrr@20": "MRR@20", "hits@20": "HITS@20", "recall@20": "Recall@20", "any_hit@20": "Any hit@20"}
"""Metric -> heading. The paper's Recall@20 is most likely "any hit" (docs/lookup/metrics.md), so tables have both."""
NAMES = {
    "narm": "NARM",
    "stamp": "STAMP",
    "csrm": "CSRM",
    "tagnn": "TAGNN",
    "cotrec": "COTREC",
    "popularity": "Popularity",
    "session_popularity": "Session popularity",
    "cooccurrence": "Co-occurrence",
    "sknn": "S-KNN",
    "vsknn": "VS-KNN",
    "stan": "STAN",
    "vstan": "V-STAN",
    "gru4rec": "GRU4Rec",
    "sasrec": "SASRec, full cross-entropy",
    "m2trec": "M2TRec",
    "last_category": "Heuristic: last category",
    "single_task": "Single task",
    "multi_task": "Multi-task, no hierarchy",
    "hiersrec": "HierSRec",
    "best": "HierSRec, default recipe",
}
"""Recipe -> name in the literature."""
HEADINGS = tuple(f"{heading} %" for heading in METRICS.values())
PAPER = "Paper, Diginetica: MRR / HITS / Recall"


@dataclass(frozen=True)
class Marks:
    """Cells (row, column) of the best and the second best numbers."""

    best: set[tuple[int, int]] = field(default_factory=set)
    second: set[tuple[int, int]] = field(default_factory=set)

    def add(self, rows: Sequence[Mapping[str, float | None]], first_column: int, first_row: int = 0) -> None:
        """Mark a block of a table with a column per metric: equal numbers alike, None and a lone number never."""
        for column, metric in enumerate(METRICS, start=first_column):
            values = sorted({value for row in rows if (value := row[metric]) is not None}, reverse=True)
            for number, row in enumerate(rows, start=first_row):
                if len(values) > 1 and row[metric] in values[:2]:
                    (self.best if row[metric] == values[0] else self.second).add((number, column))


def percents(values: Mapping[str, float | None]) -> list[str]:
    """A cell per metric."""
    return [percent(values[metric]) for metric in METRICS]


def percent(value: float | None) -> str:
    """0.09904 -> "9.90"; "" for none."""
    return "" if value is None else f"{100 * value:.2f}"


def change(ours: float, best: float) -> str:
    """How much better ours is than the best other: 0.110, 0.100 -> "+10.0 %"; "" where that is 0."""
    return "" if best == 0 else f"{100 * (ours - best) / best:+.1f} %"
