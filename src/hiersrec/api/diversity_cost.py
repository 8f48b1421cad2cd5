"""`diversity_cost(run)`: what a list that is spread over the category tree loses in accuracy, before it is served."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec import __version__
from hiersrec.api.folders import folder_of, run_folder_of
from hiersrec.api.reporting import reporting
from hiersrec.api.result import Result, transposed
from hiersrec.api.run import Run
from hiersrec.arguments import FLAG, NUMBERS, WHOLE, WHOLES
from hiersrec.errors import BadInput, named_extras
from hiersrec.writing.tables import Table

if TYPE_CHECKING:
    from hiersrec.store.dataset import Dataset


class DiversityCost(Result):
    """HITS, MRR and distance of lists in the order of scores, and of each setting."""

    def parts(self) -> Iterator[str | Table]:
        facts, k = self.document, self.document["k"]
        first = facts["rows"][0]
        rows = [
            (
                _words(row),
                f"{row[f'hits@{k}']:.2%}",
                f"{row[f'hits@{k}'] - first[f'hits@{k}']:+.2%}",
                f"{row[f'mrr@{k}']:.2%}",
                f"{row[f'tree_diversity@{k}']:.3f}",
            )
            for row in facts["rows"]
        ]
        yield Table(
            f"{facts['run']}: {facts['split']} sessions, {facts['prefixes']:,} prefixes",
            ("lists", f"HITS@{k}", "difference", f"MRR@{k}", f"tree diversity@{k}"),
            tuple(rows),
            notes=("tree diversity: mean distance of two listed items, 0 in one path, 1 in other top categories.",),
        )

    def columns(self) -> dict[str, list[Any]]:
        """A row for each setting, the first for lists in the order of scores."""
        return transposed(self.document["rows"])


def _words(row: dict[str, Any]) -> str:
    words = [f"{name} {row[name]:g}" for name in ("diversity", "per_category") if row[name]]
    return ", ".join(words) or "by score"


def diversity_cost(
    run: Run | str | Path,
    *,
    diversity: float | Sequence[float] = (0.1, 0.2, 0.3, 0.5),
    per_category: int | Sequence[int] = (),
    split: str = "test",
    data: "Dataset | str | Path | None" = None,
    k: int = 20,
    last_only: bool = False,
    progress: bool = True,
) -> DiversityCost:
    """Measure lists that are spread over the category tree, for each `diversity` and each `per_category`.

    Args:
        run: A run whose items have categories.
        diversity: Values of the argument of `recommend`, from 0 to 1.
        per_category: Values of the argument of `recommend`, from 1.
        split: "test", "valid" or "train".
        data: A dataset, or its folder, in place of the one that the run was trained on.
        k: Length of the lists.
        last_only: Only the last item of a session is a target.
        progress: Show a bar on standard error.

    Raises:
        BadInput: An argument is wrong, the items have no categories, or the dataset has other items.
        BadFolder: The run or its dataset is gone.

    """
    with named_extras():
        from hiersrec.evaluate_run import opened, sessions_of
        from hiersrec.evaluation.diversity_cost import Setting
        from hiersrec.evaluation.diversity_cost import diversity_cost as measured
        from hiersrec.evaluation.evaluate import EvaluationOptions
        from hiersrec.training.progress import progress_stage

    folder = run_folder_of(run)
    NUMBERS.check(diversity=diversity)
    WHOLES.check(per_category=per_category)
    WHOLE.check(k=k)
    FLAG.check(last_only=last_only, progress=progress)
    values, caps = _several(diversity), _several(per_category)
    for name, given, least, most in (("diversity", values, 0, 1), ("per_category", caps, 1, float("inf"))):
        for value in given:
            if not least <= value <= most:
                rule = "from 0 to 1" if name == "diversity" else "at least 1"
                raise BadInput(f"{name} must be {rule}, got {value:g}.")
    where = None if data is None else folder_of(data, "data")
    loaded, dataset = opened(folder, where, split == "valid")
    if not loaded.catalog.levels:
        raise BadInput(f"The items of {folder} have no categories, so lists can't be spread over them.")
    settings = [*(Setting(diversity=value) for value in values), *(Setting(per_category=int(cap)) for cap in caps)]
    sessions = sessions_of(loaded, dataset, split)
    options = EvaluationOptions(k=int(k), last_only=last_only or sessions.last_only)
    with reporting(progress) as reporter, progress_stage(reporter, "measure") as report:
        prefixes, rows = measured(loaded.scorer, loaded.catalog, sessions, settings, options, report)
    facts = {
        "hiersrec": __version__,
        "run": folder.resolve().name,
        "dataset": dataset.name,
        "split": split,
        "k": int(k),
    }
    return DiversityCost({**facts, "last_only": options.last_only, "prefixes": prefixes, "rows": rows})


def _several(values: float | Sequence[float]) -> list[float]:
    return [values] if isinstance(values, int | float) else list(values)
