"""`Report`: the result of an evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiersrec import arguments
from hiersrec.api import report_page, report_parts
from hiersrec.api.result import Result
from hiersrec.errors import BadInput, UnknownName, did_you_mean
from hiersrec.evaluation import report_table
from hiersrec.store.folder import write_text
from hiersrec.writing import figures, reliability, tables
from hiersrec.writing.tables import Table


class Report(Result):
    """Metrics of the next item and of each other task, counts, and the same metrics for slices of the split."""

    @property
    def metrics(self) -> dict[str, float]:
        """Name -> value, such as "mrr@20", "category_1/hits@20", "prefixes"; see docs/lookup/metrics.md."""
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
        """Task ("item", "category_1") -> "ece", "accuracy", "confidence", "prefixes", "bins"; see docs/do/evaluate.md.

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

    def save_html(self, file: str | Path) -> Path:
        """Write the whole report as one page that needs nothing else: all tables, bars of the slices, reliability.

        Raises BadFolder if the file can't be there, MissingExtra without Matplotlib.
        """
        path = tables.file(arguments.path(file=file))
        write_text(path, report_page.page(self.document, dict(report_page.pictures(self.document))))
        return path

    def headline(self) -> Iterator[str | Table]:
        """Metrics and counts; the slices are named only."""
        yield from self._overview()
        yield f"Slices, for slices(name): {', '.join(self.document['slices'])}."

    def parts(self) -> Iterator[str | Table]:
        """The next item, the other tasks, and the slices that matter most: about one screen."""
        yield from self._overview()
        for name, table in report_parts.slices(self.document):
            yield table
            if name == "cold_start" and (chance := report_parts.chance(self.document)):
                yield chance
        yield report_parts.others(self.document)

    def _overview(self) -> Iterator[str | Table]:
        document = self.document
        yield report_parts.headline(document)
        yield report_parts.counts(document)
        if candidates := report_parts.candidates(document):
            yield candidates
        yield from report_parts.levels(document)
