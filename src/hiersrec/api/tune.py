"""`tune(dataset, recipe)`: a recipe's [search] -> the settings that are best on the validation sessions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hiersrec.api.folders import dataset_of, target
from hiersrec.api.recipes import Overrides, as_texts
from hiersrec.api.reporting import reporting
from hiersrec.api.result import Result, transposed
from hiersrec.arguments import FLAG, PATH, TEXT, WHOLE
from hiersrec.errors import DEFAULT_RECIPE, BadInput, named_extras, repr_of
from hiersrec.store.dataset import Dataset
from hiersrec.writing.tables import Table


class Search(Result):
    """A search of settings: its trials, and the best recipe, ready for `train`."""

    def __init__(self, document: dict[str, Any], folder: Path) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def best(self) -> Path:
        """The best recipe, as a .toml file."""
        return self.folder / "best.toml"

    def parts(self) -> Iterator[str | Table]:
        """The trials, best first, those that failed, and what the search gained."""
        from hiersrec.tuning.goal import Goal
        from hiersrec.tuning.progress import shown
        from hiersrec.tuning.record import goal_of

        goal = goal_of(self.document["study"])
        study, trials = self.document["study"], self.document["trials"]
        searched = list(study["search"])
        title = f"{study['recipe']['name']} on {study['dataset']['name']}, validation sessions"
        finished = [trial for trial in trials if trial["state"] == "finished"]
        finished.sort(key=lambda trial: -goal.score(trial["valid"]))
        rows = [
            (
                str(trial["number"]),
                *(shown(trial["settings"][name]) for name in searched),
                *(Goal(metric).text(trial["valid"][metric]) for metric in goal.reported),
                str(trial["epochs"]),
                f"{trial['seconds']:,.0f}",
            )
            for trial in finished
        ]
        headings = [name.replace(".", ".\n") for name in searched]  # long names would leave no room for the numbers
        yield Table(title, ("trial", *headings, *goal.reported, "epochs", "seconds"), tuple(rows))
        for trial in trials:
            if trial["state"] == "failed":
                yield f"Trial {trial['number']} failed: {trial['reason']}"
        number, best = self.document["best"], finished[0]["valid"][goal.metric]
        told = f"{goal.metric} {goal.text(best)}"
        if self.document["gain"] is None:
            yield f"Trial {number} is best, {told}; the unchanged recipe, trial 1, failed."
        elif number == 1:
            yield f"The unchanged recipe, trial 1, is best: {told}."
        else:
            before = goal.text(best - self.document["gain"][goal.metric])
            yield f"Trial {number} is best: {told}; the unchanged recipe, trial 1, has {before}."

    def columns(self) -> dict[str, list[Any]]:
        """A row for each trial: number, state, its settings, validation metrics, epochs, seconds."""
        return transposed(
            [
                {
                    "number": trial["number"],
                    "state": trial["state"],
                    **trial["settings"],
                    **(trial["valid"] or {}),
                    "epochs": trial["epochs"],
                    "seconds": trial["seconds"],
                }
                for trial in self.document["trials"]
            ]
        )


def tune(
    dataset: Dataset | str | Path,
    recipe: str | Path = DEFAULT_RECIPE,
    *,
    out: str | Path | None = None,
    trials: int = 20,
    seed: int = 0,
    metric: str = "mrr@20",
    overrides: Overrides = (),
    progress: bool = True,
) -> Search:
    """Search the settings that a recipe's table [search] names, on the validation sessions only.

    Args:
        dataset: A dataset, or its folder.
        recipe: Name of a recipe with a [search], or a .toml file.
        out: The folder of the search; an unfinished one there is continued. If left out, a temporary one that is
            removed with the returned object.
        trials: Trials in total; the first is the recipe unchanged.
        seed: Seed of the search.
        metric: What is best on the validation sessions, as a report names it: "ndcg@10", "category_1/mrr@20".
        overrides: Settings to change, and to fix there.
        progress: Show a bar on standard error.

    Raises:
        BadRecipe: The [search] is missing or wrong, or every trial failed.
        BadFolder: `out` is something else.
        BadInput: The metric can't be optimised.
        MissingExtra: Optuna is not installed.

    """
    with named_extras():
        from hiersrec.recipe_file import find_recipe
        from hiersrec.tuning.study import tune as tune_recipe

    WHOLE.check(trials=trials, seed=seed)
    TEXT.check(metric=metric)
    FLAG.check(progress=progress)
    if not PATH.fits(recipe):
        raise BadInput(f"recipe must be the name of a recipe with a [search], or a .toml file, got {repr_of(recipe)}.")
    opened = dataset_of(dataset)
    path = find_recipe(str(recipe), opened.name)
    with target(out, "search") as place:
        with reporting(progress) as reporter:
            document = tune_recipe(
                opened, path, as_texts(overrides), place.path, reporter, trials=trials, seed=seed, metric=metric
            )
        search = Search(document, place.path)
        place.held_by(search)
    return search
