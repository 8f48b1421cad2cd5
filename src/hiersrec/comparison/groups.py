"""Runs -> groups that differ only in seed, after checking that all were evaluated on the same prefixes and options."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from hiersrec.comparison.measured import IDENTITY, Measured
from hiersrec.errors import BadInput


@dataclass(frozen=True)
class Group:
    """Runs of one recipe, in the order they were named; name: as in tables."""

    name: str
    runs: list[Measured]


def grouped(runs: Sequence[Measured]) -> list[Group]:
    """Groups in the order of their first runs.

    Raises BadInput if there is only one group, if a run is named twice, or if the runs were not evaluated alike.
    """
    times = Counter(run.folder.resolve() for run in runs)
    if repeated := [run.folder for run in runs if times[run.folder.resolve()] > 1]:
        raise BadInput(f"{repeated[-1]} is named {times[repeated[-1].resolve()]} times. Name each run once.")
    for run in runs[1:]:
        _check_alike(runs[0], run)
    groups: list[list[Measured]] = []
    for run in runs:
        same = next((group for group in groups if group[0].recipe == run.recipe), None)
        if same is None:
            groups.append([run])
            continue
        if twin := next((other for other in same if other.seed == run.seed), None):
            raise BadInput(
                f"Runs of one recipe must differ in their seed; {twin.folder} and {run.folder} have the same recipe "
                f"and seed ({'none' if run.seed is None else run.seed}). Leave one of them out."
            )
        same.append(run)
    if len(groups) < 2:
        raise BadInput(
            f"There is nothing to compare: all runs are of one recipe, {runs[0].recipe['name']}. "
            "Name a run of another recipe too."
        )
    return [Group(name, group) for name, group in zip(_names(groups), groups, strict=True)]


def _names(groups: list[list[Measured]]) -> list[str]:
    """The recipe's name; where two recipes share it, with the name of the run's folder, or else with its path."""
    plain = [group[0].recipe["name"] for group in groups]
    names = plain
    for folders in ([group[0].folder.resolve().name for group in groups], [group[0].folder for group in groups]):
        longer = [f"{name} ({folder})" for name, folder in zip(plain, folders, strict=True)]
        names = [long if names.count(name) > 1 else name for name, long in zip(names, longer, strict=True)]
    return names


def _check_alike(first: Measured, other: Measured) -> None:
    """Raise BadInput unless both were evaluated on the same prefixes of the same dataset with the same options."""
    pair = f"{first.folder} and {other.folder}"
    for label, ours, theirs in (
        ("datasets", _dataset(first), _dataset(other)),
        ("splits", first.document["split"], other.document["split"]),
        ("options", _options(first), _options(other)),
    ):
        if ours != theirs:
            raise BadInput(
                f"Runs are compared on the same prefixes and options; {pair} differ in their {label}: {ours} and "
                f"{theirs}. Evaluate both alike, or leave one of them out."
            )
    same = len(first.ranks) == len(other.ranks)
    for name in IDENTITY if same else ():
        ours, theirs = first.ranks[name], other.ranks[name]
        # A null is a target outside a run's catalogue; a run with added items has fewer of them.
        same = same and ours.type == theirs.type and pc.all(pc.equal(ours, theirs), min_count=0).as_py()
    if not same:
        raise BadInput(
            f"Runs are compared on the same prefixes; {pair} have others, in {len(first.ranks)} and "
            f"{len(other.ranks)} rows. Evaluate both on one dataset folder (--data), or leave one of them out."
        )


def _dataset(run: Measured) -> str:
    dataset = run.document["dataset"]
    return f"{dataset['name']} ({dataset['fingerprint'][:12]})"


def _options(run: Measured) -> dict[str, Any]:
    """The options that change numbers."""
    options = run.document["options"]
    return {name: options.get(name) for name in ("k", "last_only", "exclude_seen")}
