"""Weights of a run -> weights of the same model on newer data: rows follow what they stand for, not their numbers."""

import numpy as np
import torch
from torch import Tensor

from hiersrec.build import LoadedRun
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.store.dataset import Dataset
from hiersrec.store.labels import COLUMN, EVENT_TYPE
from hiersrec.training.warm_start import vocabulary
from hiersrec.types import CATEGORY, Float64, Int64

AxisMap = tuple[int, Int64 | Float64]
"""An axis of a tensor, and the older index of each index along it (or NEW), or a matrix (older, newer)."""


def match_all(run: LoadedRun, dataset: Dataset) -> dict[str, Int64]:
    """By the name of the task that predicts them: the run's numbers of items, categories, ... (see vocabulary.py).

    Raises BadFolder if the run or the dataset does not say what its tokens stand for.
    """
    older, newer = run.catalog, dataset.catalog
    matches = {"item": vocabulary.items(older, newer), EVENT_TYPE: vocabulary.event_types(older, newer)}
    for level in range(1, min(len(older.levels), len(newer.levels)) + 1):
        if dataset.document.get("implicit"):
            matches[f"{CATEGORY}{level}"] = vocabulary.nodes_by_items(older, newer, level, matches["item"])
        else:
            matches[f"{CATEGORY}{level}"] = vocabulary.nodes(older, newer, level)
    kinds = {feature.name: feature.kind for feature in older.features}
    for feature in newer.features:
        if not feature.is_vector and kinds.get(feature.name) == feature.kind:
            tokens = vocabulary.tokens(run.folder / "catalog", dataset.folder / "catalog", feature, newer.items)
            matches[f"{COLUMN}{feature.name}"] = tokens
    return matches


def axis_maps(
    run: LoadedRun, dataset: Dataset, model: HierarchicalModel, matches: dict[str, Int64]
) -> dict[str, AxisMap]:
    """The map of each tensor that depends on the catalogue, by name; the others are copied whole.

    Not all of these names need be tensors of the model.
    """
    maps: dict[str, AxisMap] = {"inputs.item_table.weight": (0, matches["item"])}
    for level in range(len(dataset.catalog.levels)):
        if (nodes := matches.get(f"{CATEGORY}{level + 1}")) is not None:
            maps[f"inputs.level_tables.{level}.weight"] = (0, nodes)
    for index, feature in enumerate(dataset.catalog.features):
        table = f"inputs.feature_tables.{index}.weight"
        if (tokens := matches.get(f"{COLUMN}{feature.name}")) is not None:
            maps[table] = (0, tokens)
        elif feature.kind == "tfidf":
            rotation = vocabulary.directions(run.folder / "catalog", dataset.folder / "catalog", feature.name)
            maps |= {} if rotation is None else {table: (1, rotation)}
    classes = {name: _classes(matches[name], model.task(name).num_classes) for name in model.wiring if name in matches}
    for name, wires in model.wiring.items():
        if name in classes:
            maps |= {f"tasks.{name}.fc.{part}": (0, classes[name]) for part in ("weight", "bias")}
        edges = {source: f"projections.{source}_to_{name}.weight" for source in wires.reads}
        maps |= {edge: (1, classes[source]) for source, edge in edges.items() if source in classes}
    return maps


def match_positions(before: int, after: int) -> Int64:
    """(after,): for a parameter with a row for each position of a session, the same position, or NEW."""
    position = np.arange(after)
    return np.where(position < before, position, vocabulary.NEW)


def fits(before: Tensor, after: Tensor, axis_map: AxisMap | None) -> bool:
    """Whether shapes agree, except along the axis of the map."""
    mapped = None if axis_map is None else axis_map[0]
    return before.ndim == after.ndim and all(
        before.shape[axis] == after.shape[axis] for axis in range(after.ndim) if axis != mapped
    )


def remap(before: Tensor, after: Tensor, axis_map: AxisMap | None) -> Tensor:
    """The tensor `after` with the values of `before` where they stand for the same; `before` itself without a map."""
    if axis_map is None:
        return before
    axis, older = axis_map
    if older.dtype.kind == "f":
        return (before.double() @ torch.from_numpy(older)).to(after.dtype)  # (width, W older) -> (width, W newer)
    known = np.flatnonzero(older != vocabulary.NEW)
    values = before.index_select(axis, torch.from_numpy(older[known]))
    return after.index_copy(axis, torch.from_numpy(known), values)


def _classes(numbers: Int64, count: int) -> Int64:
    """Numbers with padding at 0 -> classes (count,) from 0; unknown nodes, numbered after the known, are no class."""
    known = numbers[1 : count + 1]
    return np.where(known == vocabulary.NEW, vocabulary.NEW, known - 1)
