"""An evaluated run, read for comparison: what it is, what it was measured on, and a value for every prefix.

`hiersrec evaluate` wrote metrics.json and ranks.parquet with its default options; other options have files of other
names, which are not read here.
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
from hiersrec.errors import BadFolder, UnknownName, did_you_mean
from hiersrec.evaluation import metrics
from hiersrec.recipe_file import read_recipe, write_recipe
from hiersrec.store.folder import open_seal
from hiersrec.types import Bool, Float64

METRICS, RANKS = "metrics.json", "ranks.parquet"
IDENTITY = ("session_id", "position", "item_id")
"""Columns that say which prefix a row of the ranks is; item_id is null where the run doesn't know the target."""


@dataclass(frozen=True)
class Measured:
    """One run. recipe: without seed and description, every setting spelled out; seed: None if nothing is drawn."""

    folder: Path
    recipe: dict[str, Any]
    seed: int | None
    versions: dict[str, str]
    document: dict[str, Any]
    ranks: pa.Table

    def names(self) -> list[str]:
        """The metrics that can be compared: "mrr@20", "category_1/hits@20"."""
        k = self.document["options"]["k"]
        tasks = [name.removesuffix("_rank") + "/" for name in self.ranks.column_names if name.endswith("_rank")]
        found = [f"{task}{name}@{k}" for task in ["", *tasks] for name in ("mrr", "hits", "recall", "any_hit")]
        return [name for name in found if name in self.document["metrics"]]  # a task without labels has none

    def values(self, metric: str) -> tuple[Float64, Bool]:
        """A metric's value of each prefix (P,) float64, and which prefixes count (P,) bool; 0 where they don't.

        Raises UnknownName for a metric that the run lacks, BadFolder if the mean is not the one in metrics.json.
        """
        if metric not in self.names():
            raise UnknownName(f"{self.folder} has no metric '{metric}'. {did_you_mean(metric, self.names())}")
        task, _, name = metric.rpartition("/")
        column = f"{task}_" if task else ""
        counts = np.ones(len(self.ranks), bool)
        if task:  # prefixes whose next event has a known class there
            counts = self.ranks[task].is_valid().to_numpy()
        kind, _, k = name.partition("@")
        if kind in ("mrr", "hits"):
            ranks = self.ranks[f"{column}rank"].fill_null(0).to_numpy()
            found = (metrics.mrr if kind == "mrr" else metrics.hits)(ranks, int(k))
        else:
            found = self.ranks[f"{column}{name}"].fill_null(0.0).to_numpy()
        said = self.document["metrics"][metric]
        if not np.isclose(found.sum(), said * counts.sum(), rtol=1e-9):
            raise BadFolder(
                f"{self.folder / RANKS} gives {metric} {found.sum() / counts.sum()}, {METRICS} says {said}: "
                f"they are of two evaluations. {_evaluate(self.folder)}"
            )
        return found, counts


def read_measured(folder: Path) -> Measured:
    """Read a run folder with its evaluation. Raises BadFolder, saying what to do."""
    run = open_seal(folder, "run")
    for name in (METRICS, RANKS):
        if not (folder / name).is_file():
            raise BadFolder(f"{folder} is not evaluated yet: it has no {name}. {_evaluate(folder)}")
    try:
        document: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        ranks = pq.read_table(folder / RANKS)
        needed = [document["metrics"]["prefixes"], document["options"]["k"], document["dataset"]["fingerprint"]]
        ranks.select([*IDENTITY, "rank"])
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise BadFolder(f"The evaluation in {folder} is damaged ({error}). {_evaluate(folder)}") from error
    if len(ranks) != needed[0]:
        raise BadFolder(
            f"{folder / RANKS} has {len(ranks)} rows, {METRICS} says {needed[0]}: they are of two evaluations. "
            f"{_evaluate(folder)}"
        )
    # Read and written again, so that runs of before and after a new setting with a default are of one recipe.
    recipe = tomllib.loads(write_recipe(read_recipe(folder / RECIPE)))
    recipe.pop("description", None)
    seed = recipe.get("training", {}).pop("seed", None)
    return Measured(folder, recipe, seed, run["versions"], document, ranks)


def _evaluate(folder: Path) -> str:
    return f"Run `hiersrec evaluate {folder}`."
