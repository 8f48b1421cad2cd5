"""Runs -> groups that differ in seed alone, after making sure that all were measured on the same prefixes alike."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from hiersrec.comparison.measured import IDENTITY, Measured
from hiersrec.errors import BadInput


@dataclass(frozen=True)
class Group:
    """Runs of one recipe, in the order they were named; name: what tables call them."""

    name: str
    runs: list[Measured]


def grouped(runs: Sequence[Measured]) -> list[Group]:
    """Groups in the order of their first runs.

    Raises BadInput if there is only one, if a run is there twice, or if the runs were not measured alike.
    """
    _check_once(runs)
    for run in runs[1:]:
        _check_alike(runs[0], run)
    found: list[list[Measured]] = []
    for run in runs:
        same = next((group for group in found if group[0].recipe == run.recipe), None)
        if same is None:
            found.append([run])
            continue
        if twin := next((one for one in same if one.seed == run.seed), None):
            seed, other = f", and so is the seed, {run.seed}", ", or train it with another --seed"
            raise BadInput(
                "Runs of one recipe must differ in their seed. "
                f"{twin.folder} and {run.folder} are of the same recipe{'' if run.seed is None else seed}. "
                f"Leave one of them out{'' if run.seed is None else other}."
            )
        same.append(run)
    if len(found) < 2:
        raise BadInput(
            f"There is nothing to compare: all runs are of one recipe, {runs[0].recipe['name']}. "
            "Name a run of another one too."
        )
    return [Group(name, group) for name, group in zip(_names(found), found, strict=True)]


def _names(groups: list[list[Measured]]) -> list[str]:
    """The recipe's name; the run's folder beside it, or its whole path, where two recipes have one name."""
    plain = [group[0].recipe["name"] for group in groups]
    longer = [f"{name} ({_name(group[0].folder)})" for name, group in zip(plain, groups, strict=True)]
    longest = [f"{name} ({group[0].folder})" for name, group in zip(plain, groups, strict=True)]
    found = [long if Counter(plain)[name] > 1 else name for name, long in zip(plain, longer, strict=True)]
    return [long if Counter(found)[name] > 1 else name for name, long in zip(found, longest, strict=True)]


def _name(folder: Path) -> str:
    return folder.resolve().name


def _check_once(runs: Sequence[Measured]) -> None:
    places = Counter(run.folder.resolve() for run in runs)
    if twice := [run.folder for run in runs if places[run.folder.resolve()] > 1]:
        raise BadInput(f"{twice[-1]} is named {places[twice[-1].resolve()]} times. Name each run once.")


def _check_alike(first: Measured, other: Measured) -> None:
    """Raises BadInput unless both were measured on the same prefixes of the same dataset with the same options."""
    pair = f"{first.folder} and {other.folder}"
    for what, ours, theirs in (
        ("datasets", _dataset(first), _dataset(other)),
        ("splits", first.document["split"], other.document["split"]),
        ("options", _options(first), _options(other)),
    ):
        if ours != theirs:
            raise BadInput(
                f"Runs are compared on the same prefixes, measured alike; {pair} differ in their {what}: "
                f"{ours} and {theirs}. Evaluate both alike, or leave one of them out."
            )
    same = len(first.ranks) == len(other.ranks)
    for name in IDENTITY if same else ():
        ours, theirs = first.ranks[name], other.ranks[name]
        # A null is a target outside a run's catalogue; a run that has grown knows more of them.
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
