"""The document of an evaluation (metrics.json) -> plain rows: for printing, and for a frame. Numbers stay numbers."""

from typing import Any, NamedTuple

from hiersrec.evaluation.metrics import DEFAULT

SIDES = ("/optimistic", "/pessimistic")


class Rows(NamedTuple):
    """headings: of the columns. rows: as wide; a name, a count, then a number for each metric, None where it lacks."""

    headings: list[str]
    rows: list[list[Any]]

    def columns(self) -> dict[str, list[Any]]:
        """Heading -> the column under it."""
        return {heading: [row[column] for row in self.rows] for column, heading in enumerate(self.headings)}


def ks_of(document: dict[str, Any]) -> list[int]:
    """Every k of the evaluation, ascending."""
    k = document["options"]["k"]
    return list(k) if isinstance(k, list) else [k]


def names(document: dict[str, Any]) -> list[str]:
    """Reported names of the next-item metrics: mrr@5, mrr@20, hits@5, ..."""
    return [f"{name}@{k}" for name in document["options"].get("metrics", DEFAULT) for k in ks_of(document)]


def rows(document: dict[str, Any]) -> Rows:
    """A row for each target: "item", which is the next item, and the other tasks under their names ("category_1")."""
    numbers = document["metrics"]
    others = [name.removesuffix("/labelled") for name in numbers if name.endswith("/labelled")]
    tasks = [("item", "", "prefixes"), *((task, f"{task}/", f"{task}/labelled") for task in others)]
    return Rows(
        ["task", "prefixes", *names(document)],
        [
            [task, numbers[count], *(numbers.get(prefix + name) for name in names(document))]
            for task, prefix, count in tasks
        ],
    )


def slice_rows(document: dict[str, Any]) -> dict[str, Rows]:
    """Name of a group of slices ("prefix_length") -> a row for each of its slices, of the next-item metrics."""
    return {
        group: Rows(
            ["slice", "prefixes", *(shown := [name for name in names(document) if name in parts[0]["metrics"]])],
            [[part["slice"], part["prefixes"], *(part["metrics"][name] for name in shown)] for part in parts],
        )
        for group, parts in document["slices"].items()
    }


def calibration_rows(document: dict[str, Any]) -> Rows:
    """A row for the items and for each category level; none where scores are not logits, or in earlier versions."""
    names = ("prefixes", "accuracy", "confidence", "ece")
    tasks = document.get("calibration", {})
    return Rows(["likeliest", *names], [[task, *(result[name] for name in names)] for task, result in tasks.items()])


def metric_rows(document: dict[str, Any]) -> Rows:
    """A row for each next-item metric, a column for each k: "mrr", and its values at "@5", "@10", "@20"."""
    numbers, ks = document["metrics"], ks_of(document)
    kinds = document["options"].get("metrics", DEFAULT)
    rows = [[kind, *(numbers.get(f"{kind}@{k}") for k in ks)] for kind in kinds]
    return Rows(["metric", *(f"@{k}" for k in ks)], rows)


def task_rows(document: dict[str, Any]) -> Rows:
    """A row for each other task: its summary (evaluation/report.py); none in the documents of earlier versions."""
    names = ("classes", "prefixes", "first", "k", "hits", "mrr")
    tasks = document.get("tasks", {})
    return Rows(["task", *names], [[task, *(summary[name] for name in names)] for task, summary in tasks.items()])
