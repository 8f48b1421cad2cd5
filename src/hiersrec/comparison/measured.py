"""Read an evaluated run: its recipe, what it was evaluated on, and a value for every prefix.

These are metrics.json and ranks.parquet, which `hiersrec evaluate` writes with default options; the files of other
options are ignored.
"""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.build import RECIPE
from hiersrec.errors import BadFolder, BadInput, UnknownName, did_you_mean
from hiersrec.evaluation import metrics
from hiersrec.recipe_file import read_recipe, write_recipe
from hiersrec.store.folder import open_seal
from hiersrec.types import Bool, Float64

METRICS, RANKS = "metrics.json", "ranks.parquet"
IDENTITY = ("session_id", "position", "item_id")
"""Columns that identify the prefix of a row of the ranks; item_id is null where the run doesn't know the target."""


@dataclass(frozen=True)
class Measured:
    """One run. recipe: with all defaults, without seed and description; seed: None if nothing is random."""

    folder: Path
    recipe: dict[str, Any]
    seed: int | None
    versions: dict[str, str]
    document: dict[str, Any]
    ranks: pa.Table

    def names(self) -> list[str]:
        """The metrics that can be compared: "mrr@20", "category_1/hits@20"."""
        tasks = {"", *(name.removesuffix("_rank") for name in self.ranks.column_names if name.endswith("_rank"))}
        return [name for name in self.document["metrics"] if "@" in name and name.rpartition("/")[0] in tasks]

    def about(self, metric: str) -> metrics.About:
        """Direction and range of a metric, which need no plug-in. Raises BadInput for one without a direction."""
        facts = metrics.about_in(self.document, metric)
        if facts.better is None:
            raise BadInput(f"{metric}: neither higher nor lower values are better, so no run is. Leave it out.")
        return facts

    def values(self, metric: str) -> tuple[Float64, Bool]:
        """Values of a metric for each prefix (P,) float64, and which prefixes count (P,) bool; 0 where they don't.

        Raises UnknownName for a metric that the run or the registry of metrics lacks, BadInput for one of all lists,
        BadFolder if the mean is not the one in metrics.json.
        """
        if metric not in self.names():
            raise UnknownName(f"{self.folder} has no metric '{metric}'. {did_you_mean(metric, self.names())}")
        task, _, name = metric.rpartition("/")
        column = f"{task}_" if task else ""
        counts = np.ones(len(self.ranks), bool)
        if task:  # prefixes whose next event has a known class there
            counts = self.ranks[task].is_valid().to_numpy()
        kind, _, k = name.rpartition("@")
        if f"{column}{name}" in self.ranks.column_names:
            values = self.ranks[f"{column}{name}"].fill_null(0.0).to_numpy()
        elif metrics.is_of_all_lists(kind):
            raise BadInput(
                f"{metric} is one number for all lists of a run. It has no value for a session, and so neither an "
                f"interval nor a test: compare the values in {METRICS}, and leave it out here."
            )
        elif metrics.is_of_ranks(member := metrics.load(kind)):
            ranks = self.ranks[f"{column}rank"].fill_null(0).to_numpy()
            values = metrics.values(member, metrics.Results.of_ranks(ranks), int(k))
        else:
            raise BadFolder(
                f"{METRICS} in {self.folder} has {metric}, {RANKS} has no column {column}{name}: they are from two "
                f"evaluations. {_evaluate(self.folder)}"
            )
        reported = self.document["metrics"][metric]
        if not np.isclose(values.sum(), reported * counts.sum(), rtol=1e-9):
            raise BadFolder(
                f"{self.folder / RANKS} gives {metric} {values.sum() / counts.sum()}, {METRICS} says {reported}: they "
                f"are from two evaluations. {_evaluate(self.folder)}"
            )
        return values, counts


def read_measured(folder: Path) -> Measured:
    """Read a run folder with its evaluation. Raises BadFolder with what to do."""
    run = open_seal(folder, "run")
    for name in (METRICS, RANKS):
        if not (folder / name).is_file():
            raise BadFolder(f"{folder} is not evaluated yet: it has no {name}. {_evaluate(folder)}")
    try:
        document: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        ranks = pq.read_table(folder / RANKS)
        prefixes = document["metrics"]["prefixes"]
        _ = document["options"]["k"], document["dataset"]["fingerprint"], ranks.select([*IDENTITY, "rank"])
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise BadFolder(f"The evaluation in {folder} is damaged ({error}). {_evaluate(folder)}") from error
    if len(ranks) != prefixes:
        raise BadFolder(
            f"{folder / RANKS} has {len(ranks)} rows, {METRICS} says {prefixes}: they are from two evaluations. "
            f"{_evaluate(folder)}"
        )
    # Read and written again, so that a setting that is newer than a run has its default there.
    recipe = tomllib.loads(write_recipe(read_recipe(folder / RECIPE)))
    recipe.pop("description", None)
    seed = recipe.get("training", {}).pop("seed", None)
    return Measured(folder, recipe, seed, run["versions"], document, ranks)


def _evaluate(folder: Path) -> str:
    return f"Run `hiersrec evaluate {folder}`."
