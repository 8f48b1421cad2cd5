"""`compare(runs)`: evaluated runs -> means, differences and tests, session by session."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hiersrec import arguments
from hiersrec.api.folders import run_folder_of
from hiersrec.api.reporting import reporting
from hiersrec.api.result import Result, transposed
from hiersrec.api.run import Run
from hiersrec.arguments import FLAG, WHOLE
from hiersrec.errors import BadInput, named_extras, repr_of
from hiersrec.writing import figures, tables
from hiersrec.writing.tables import Table


class Comparison(Result):
    """Systems (runs of one recipe that differ only in their seed) against the first one."""

    def parts(self) -> Iterator[str | Table]:
        from hiersrec.comparison import render

        yield render.table(self.document)

    def columns(self) -> dict[str, list[Any]]:
        """A row for each metric and system: mean, interval, and for others than the first the lead of the first."""
        rows = []
        for metric in self.document["settings"]["metrics"]:
            for system in self.document["systems"]:
                result = system["metrics"][metric]
                lead = result.get("ours_better_by", {})
                row = {"metric": metric, "system": system["name"], "runs": len(system["runs"]), "mean": result["mean"]}
                row |= dict(zip(("low", "high"), result["interval"], strict=True))
                row |= {"ours_better_by": lead.get("mean")}
                row |= {name: lead.get(f"{name}_holm") for name in ("p_sessions", "p_seeds")}
                rows.append(row)
        return transposed(rows)

    def save(self, out: str | Path) -> list[Path]:
        """Write compare.md, .tex, .json, .png and .svg into a folder. Raises MissingExtra without Matplotlib."""
        from hiersrec.comparison import render

        folder = arguments.path(out=out)
        picture = figures.save(render.picture(self.document), folder, "compare")
        return tables.write(render.table(self.document), self.document, folder, "compare") + picture


def compare(
    runs: Sequence[Run | str | Path],
    *,
    metrics: str | Sequence[str] | None = None,
    bootstrap: int = 10_000,
    seed: int = 0,
    progress: bool = True,
) -> Comparison:
    """Compare evaluated runs session by session, with confidence intervals and tests.

    Args:
        runs: Evaluated runs. The first, with its other seeds, is ours.
        metrics: Names as in a report: "mrr@20", "category_1/hits@20". Default: MRR, HITS and Recall at 20.
        bootstrap: Resamples of the test sessions.
        seed: Seed of the resamples.
        progress: Show a bar on standard error.

    Raises:
        BadFolder: A run is missing or not evaluated.
        BadInput: The runs can't be compared: they were evaluated on different sessions or with different options.
        UnknownName: A run lacks a metric.

    """
    with named_extras():
        from hiersrec.comparison.compare import ComparisonOptions
        from hiersrec.comparison.compare import compare as compare_folders
        from hiersrec.training.progress import progress_stage

    if isinstance(runs, str) or not isinstance(runs, Iterable):
        raise BadInput(f"runs must be a list of runs or of their folders, got {repr_of(runs)}.")
    folders = [run_folder_of(run, "each of the runs") for run in runs]
    names = ComparisonOptions().metrics if metrics is None else arguments.texts(metrics=metrics)
    WHOLE.check(bootstrap=bootstrap, seed=seed)
    FLAG.check(progress=progress)
    options = ComparisonOptions(metrics=names, bootstrap=bootstrap, seed=seed)
    with reporting(progress) as reporter, progress_stage(reporter, "resample") as report:
        return Comparison(compare_folders(folders, options, report))
