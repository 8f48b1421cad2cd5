"""Weights of a run -> weights of the same model on newer data: rows follow what they stand for, not their numbers."""

import numpy as np
import torch
from torch import Tensor

from hiersrec.build import Run
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.store.dataset import Dataset
from hiersrec.store.labels import COLUMN, EVENT_TYPE
from hiersrec.training.warm_start import vocabulary
from hiersrec.types import CATEGORY, Float64, Int64

Way = tuple[int, Int64 | Float64]
"""An axis of a tensor, and where its places come from: the older place of each, or a matrix (older, newer)."""


def same_things(run: Run, dataset: Dataset) -> dict[str, Int64]:
    """By the name of the task that predicts them: the run's number of each thing of the dataset, as in store/meanings.

    Raises BadFolder if the run or the dataset does not say what its tokens stand for.
    """
    older, newer = run.catalog, dataset.catalog
    same = {"item": vocabulary.items(older, newer), EVENT_TYPE: vocabulary.event_types(older, newer)}
    for level in range(1, min(len(older.levels), len(newer.levels)) + 1):
        if dataset.document.get("implicit"):
            same[f"{CATEGORY}{level}"] = vocabulary.nodes_by_items(older, newer, level, same["item"])
        else:
            same[f"{CATEGORY}{level}"] = vocabulary.nodes(older, newer, level)
    kinds = {feature.name: feature.kind for feature in older.features}
    for feature in newer.features:
        if not feature.is_vector and kinds.get(feature.name) == feature.kind:
            tokens = vocabulary.tokens(run.folder / "catalog", dataset.folder / "catalog", feature, newer.items)
            same[f"{COLUMN}{feature.name}"] = tokens
    return same


def ways(run: Run, dataset: Dataset, model: HierarchicalModel, same: dict[str, Int64]) -> dict[str, Way]:
    """Of each tensor that depends on the catalogue, by name, where its places come from; the others go as they are.

    Not all of these names need be tensors of the model.
    """
    found: dict[str, Way] = {"inputs.item_table.weight": (0, same["item"])}
    for at in range(len(dataset.catalog.levels)):
        if (nodes := same.get(f"{CATEGORY}{at + 1}")) is not None:
            found[f"inputs.level_tables.{at}.weight"] = (0, nodes)
    for at, feature in enumerate(dataset.catalog.features):
        table = f"inputs.feature_tables.{at}.weight"
        if (tokens := same.get(f"{COLUMN}{feature.name}")) is not None:
            found[table] = (0, tokens)
        elif feature.kind == "tfidf":
            turn = vocabulary.directions(run.folder / "catalog", dataset.folder / "catalog", feature.name)
            found |= {} if turn is None else {table: (1, turn)}
    classes = {name: _classes(same[name], model.task(name).num_classes) for name in model.wiring if name in same}
    for name, wires in model.wiring.items():
        if name in classes:
            found |= {f"tasks.{name}.fc.{part}": (0, classes[name]) for part in ("weight", "bias")}
        edges = {source: f"projections.{source}_to_{name}.weight" for source in wires.reads}
        found |= {edge: (1, classes[source]) for source, edge in edges.items() if source in classes}
    return found


def positions(before: int, after: int) -> Int64:
    """The way of a parameter with a row for each position of a session: the same position, or NEW."""
    position = np.arange(after)
    return np.where(position < before, position, vocabulary.NEW)


def fits(before: Tensor, after: Tensor, way: Way | None) -> bool:
    """Whether `carried` can be: shapes agree but for the axis of the way."""
    axis = None if way is None else way[0]
    return before.ndim == after.ndim and all(
        before.shape[at] == after.shape[at] for at in range(after.ndim) if at != axis
    )


def carried(before: Tensor, after: Tensor, way: Way | None) -> Tensor:
    """The tensor `after` with all that `before` holds of the same things; `before` itself if none of it moves."""
    if way is None:
        return before
    axis, source = way
    if source.dtype.kind == "f":
        return (before.double() @ torch.from_numpy(source)).to(after.dtype)  # (width, W older) -> (width, W newer)
    known = np.flatnonzero(source != vocabulary.NEW)
    kept = before.index_select(axis, torch.from_numpy(source[known]))
    return after.index_copy(axis, torch.from_numpy(known), kept)


def _classes(numbers: Int64, count: int) -> Int64:
    """Numbers from 0, padding -> classes (count,) from 0; unknown nodes, which stand behind the known, are no class."""
    known = numbers[1 : count + 1]
    return np.where(known == vocabulary.NEW, vocabulary.NEW, known - 1)
