"""`Report`: the result of an evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiersrec import arguments
from hiersrec.api.result import Result
from hiersrec.errors import BadInput, UnknownName, did_you_mean
from hiersrec.evaluation import report_table
from hiersrec.evaluation.report_table import Rows
from hiersrec.writing import figures, reliability
from hiersrec.writing.tables import Table


class Report(Result):
    """Metrics of the next item and of each other task, counts, and the same metrics for slices of the split."""

    @property
    def metrics(self) -> dict[str, float]:
        """Name -> value, such as "mrr@20", "category_1/hits@20", "prefixes"; see docs/evaluation.md."""
        values: dict[str, float] = self.document["metrics"]
        return values

    def columns(self) -> dict[str, list[Any]]:
        """A row for each task: its name, the prefixes it was measured on, a column for each metric."""
        return report_table.rows(self.document).columns()

    def slices(self, name: str) -> dict[str, list[Any]]:
        """The columns of a slice, such as "prefix_length": a row for each of its values. Raises UnknownName."""
        groups = report_table.slice_rows(self.document)
        if name not in groups:
            raise UnknownName(f"There is no slice '{name}'. {did_you_mean(name, groups)}")
        return groups[name].columns()

    @property
    def calibration(self) -> dict[str, Any]:
        """Task ("item", "category_1") -> "ece", "accuracy", "confidence", "prefixes", "bins"; see docs/evaluation.md.

        Empty for baselines whose scores are not logits.
        """
        results: dict[str, Any] = self.document.get("calibration", {})
        return results

    def save_reliability(self, out: str | Path) -> list[Path]:
        """Write reliability.png and .svg, a panel for the items and each category level, into a folder.

        Raises BadInput for a run whose scores are not logits, MissingExtra without Matplotlib.
        """
        if not self.calibration:
            raise BadInput(
                f"{self.document['run']} has no calibration: only a trained model gives probabilities, and a baseline "
                "that counts gives an order. Evaluate a run of a recipe that is trained."
            )
        return figures.save(reliability.picture(self.document), arguments.path(out=out), "reliability")

    def headline(self) -> Iterator[str | Table]:
        """Metrics and counts; the slices are named only."""
        yield from self._overview()
        yield f"Slices, for slices(name): {', '.join(self.document['slices'])}."

    def parts(self) -> Iterator[str | Table]:
        """Metrics of items and of the other tasks, counts, and slices of one evaluation; of several k a table each."""
        yield from self._overview()
        numbers = self.metrics
        for group, rows in report_table.slice_rows(self.document).items():
            yield from self._by_k(f"By {group.replace('_', ' ')}", rows)
            if group == "cold_start" and any(name.startswith("random_within") for name in numbers) and self._is_whole:
                yield _chance(numbers, report_table.names(self.document))

    @property
    def _is_whole(self) -> bool:
        """Whether all items were ranked."""
        return bool(self.document["options"]["candidates"]["policy"] == "all")

    def _overview(self) -> Iterator[str | Table]:
        document, numbers = self.document, self.metrics
        title = f"{document['run']} on {document['dataset']['name']}, {document['split']} split"
        yield from self._by_k(title, report_table.rows(document))
        yield (
            f"{numbers['unseen_targets']} targets are not in the catalogue and count as misses; "
            f"{numbers['empty_prefixes']} prefixes hold no known item and are answered by popularity; "
            f"{numbers['tied_targets']:.2%} of the targets tie with another item."
        )
        if not self._is_whole:
            yield _candidates(document)
        headings, calibrated = report_table.calibration_rows(document)
        if calibrated:
            yield Table(
                "Calibration: how often the likeliest is right, and how likely it was said to be",
                (*headings[:-1], "ECE"),
                tuple(
                    (task, f"{size:,}", _share(right), _share(told), f"{ece:.3f}")
                    for task, size, right, told, ece in calibrated
                ),
            )
        headings, bounds = report_table.bound_rows(document)
        if bounds:
            yield Table(
                "Bounds over the order of ties", tuple(headings), tuple((name, _share(value)) for name, value in bounds)
            )

    def _by_k(self, title: str, rows: Rows) -> Iterator[Table]:
        """A table for each k, so that all fit into a terminal."""
        ks = report_table.ks_of(self.document)
        for k in ks:
            columns = [column for column, heading in enumerate(rows.headings) if heading.endswith(f"@{k}")]
            yield Table(
                title if len(ks) == 1 else f"{title}, k = {k}",
                (*rows.headings[:2], *(rows.headings[column] for column in columns)),
                tuple((row[0], f"{row[1]:,}", *(_share(row[column]) for column in columns)) for row in rows.rows),
            )


def _candidates(document: dict[str, Any]) -> str:
    options, numbers = document["options"], document["metrics"]
    candidates = options["candidates"]
    name = next(name for name in ("top", "mass", "share") if candidates.get(name) is not None)
    size = f"{name} {candidates[name]}" if name == "top" else f"{name} {candidates[name]:.5g}"
    text = (
        f"Only candidates were ranked ({candidates['policy']}, {size}): {_share(numbers['candidates/share'])} of the "
        f"catalogue, with {_share(numbers['candidates/target'])} of the targets among them."
    )
    if (chosen := document.get("chosen")) and name == "mass":
        text += (
            f" The mass was chosen on validation sessions, for a promise of {_share(chosen['promise'])}: there "
            f"{_share(chosen['validation']['kept'])} of the targets are candidates."
        )
    elif chosen:
        share, kept = chosen["validation"]["share"], chosen["validation"]["kept"]
        text += (
            f" Top {candidates['top']} was chosen on validation sessions: there candidates by category are "
            f"{_share(share)} of the catalogue and keep {_share(kept)} of the full "
            f"mrr@{report_table.ks_of(document)[-1]}."
        )
        if chosen["share"] is not None and share > chosen["share"]:
            text += f" Even one category per level holds more than {_share(chosen['share'])}, the goal."
    return text


def _chance(numbers: dict[str, float], names: list[str]) -> str:
    """What random order within a category reaches on new targets, and this run (evaluation.random_baseline)."""
    names = [name for name in names if f"within_category/{name}" in numbers]
    orders = []
    for prefix, about in (("random_within_category", "target's"), ("random_within_predicted_category", "likeliest")):
        if values := [f"{name} {numbers[f'{prefix}/{name}']:.2%}" for name in names if f"{prefix}/{name}" in numbers]:
            orders.append(f"the {about} category: {', '.join(values)}")
    own = ", ".join(f"{name} {numbers[f'within_category/{name}']:.2%}" for name in names)
    return (
        f"New targets, with the items in random order within {'; '.join(orders)}. In this run's own order of the "
        f"items of the target's category: {own}."
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
