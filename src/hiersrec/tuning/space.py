"""Read and check the table [search] of a recipe: the settings that a search may change, and their bounds.

    [search]
    training.learning_rate = { low = 1e-4, high = 1e-2, log = true }    # float, on a logarithmic scale
    encoder.layers = { low = 1, high = 4 }                              # integers stay integers
    pooling = ["average", "last"]                                       # one of a list

Keys are dotted as in --set. A key that --set gives is fixed and not searched. The unchanged recipe is tried first, so
its own values must be inside the space. Keys that a recipe inherits from its base's [search] but has no setting for (of
a task or an encoder that it replaced) are skipped.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiersrec.config import Recipe
from hiersrec.errors import BadRecipe, HiersrecError
from hiersrec.recipe_file import parse, read_recipe, read_search, write_recipe


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from low to high, both included; integers if both are."""

    low: int | float
    high: int | float
    log: bool = False
    """Uniform on a logarithmic scale."""


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Any, ...]


Axis = Range | Choices
Settings = dict[str, Any]
"""Dotted key -> value."""


@dataclass(frozen=True)
class Space:
    """The search space: key -> axis, sorted by key; the recipe's own values; keys that are skipped."""

    axes: dict[str, Axis]
    own: Settings
    skipped: list[str] = field(default_factory=list)


def with_settings(path: Path, settings: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a file with overrides and then settings applied. Raises BadRecipe, UnknownName."""
    keys = sorted(settings, key=lambda key: not key.endswith(".name"))  # first, as a new name resets a whole table
    return read_recipe(path, [*overrides, *(f"{key}={json.dumps(settings[key], default=str)}" for key in keys)])


def read_space(path: Path, overrides: Sequence[str] = ()) -> Space:
    """Read and check the [search] of a recipe file; every bound and choice must be valid in the recipe.

    Raises BadRecipe with the key that is wrong, or if there is nothing to search.
    """
    own, inherited = read_search(path)
    recipe, without_overrides = _resolved(path, overrides), _resolved(path, [])
    if recipe.get("training", {}).get("refit"):
        raise BadRecipe(
            f"{path.name} has [training] refit, which trains on the validation sessions that a search measures on. "
            "Tune with --set training.refit=false, and refit the best settings."
        )
    fixed = {override.partition("=")[0].strip() for override in overrides}
    axes: dict[str, Axis] = {}
    values: Settings = {}
    skipped = []
    for key, spec in sorted({**inherited, **own}.items()):
        current = _values(recipe, key)
        if key in fixed:
            continue
        if not current and (key in inherited or _values(without_overrides, key)):
            skipped.append(key)
            continue
        axes[key] = _axis(key, spec, path, overrides)
        if not current or any(value != current[0] for value in current):
            raise BadRecipe(
                f"[search] {key} needs one value in the unchanged recipe, which is tried first; it has {len(current)}. "
                f"Give it one, or remove {key} from [search]."
            )
        values[key] = current[0]
        axes[key] = _around(key, axes[key], current[0])
    if not axes and "training" not in recipe and list(recipe["baseline"]) == ["name"]:
        raise BadRecipe(f"{path.name} has no setting that a search could change. Tune another recipe.")
    if not axes:
        except_fixed = f" except those fixed by --set ({', '.join(sorted(fixed))})" if own or inherited else ""
        raise BadRecipe(
            f"{path.name} has no settings to search in [search]{except_fixed}. Write a .toml file of your own with "
            'base = "any/NAME" for a recipe of the package, and under [search] a line such as '
            "training.learning_rate = { low = 1e-4, high = 1e-2, log = true }"
        )
    return Space(axes, values, skipped)


def _resolved(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    return tomllib.loads(write_recipe(read_recipe(path, overrides)))


def _values(recipe: dict[str, Any], key: str) -> list[Any]:
    """The values of a dotted key in a resolved recipe: none, one, or one for each task of the same name."""
    match key.split("."):
        case [name]:
            tables = [recipe]
        case ["tasks", *task, name] if task:
            tables = [table for table in recipe.get("tasks", []) if table["name"] == ".".join(task)]
        case [section, name] if isinstance(recipe.get(section), dict):
            tables = [recipe[section]]
        case _:
            return []
    return [table[name] for table in tables if name in table]


def _axis(key: str, spec: Any, path: Path, overrides: Sequence[str]) -> Axis:
    """The axis of one key of [search]; all its choices, or both its bounds, must be valid in the recipe."""
    where = f"[search] {key}"
    axis: Axis
    match spec:
        case list():
            if len({json.dumps(choice, default=str) for choice in spec}) < max(2, len(spec)):
                raise BadRecipe(f"{where} must list two choices or more, all different, got {spec!r}.")
            axis = Choices(tuple(spec))
        case dict():
            axis = parse(Range, spec, where)
            if not axis.low < axis.high:
                raise BadRecipe(f"{where}: low must be less than high, got {axis.low} and {axis.high}.")
            if axis.log and axis.low <= 0:
                raise BadRecipe(f"{where}: with log, low must be greater than 0, got {axis.low}.")
        case _:
            raise BadRecipe(f"{where} must be a list of choices or {{ low = ..., high = ... }}, got {spec!r}.")
    for value in axis.values if isinstance(axis, Choices) else (axis.low, axis.high):
        try:
            with_settings(path, {key: value}, overrides)
        except HiersrecError as error:
            raise BadRecipe(f"{where} = {value!r}: {error}") from error
    return axis


def _around(key: str, axis: Axis, own: Any) -> Axis:
    """The axis, of floats if the recipe's own value is one; that value must be inside."""
    is_number = isinstance(own, int | float) and not isinstance(own, bool)
    inside = own in axis.values if isinstance(axis, Choices) else is_number and axis.low <= own <= axis.high
    if not inside:
        raise BadRecipe(
            f"[search] {key} must include {own!r}, the value of the unchanged recipe, which is tried first. Widen it, "
            f"change the recipe, or fix the setting with --set {key}={json.dumps(own)}."
        )
    if isinstance(axis, Choices) or all(isinstance(value, int) for value in (axis.low, axis.high, own)):
        return axis
    return Range(low=float(axis.low), high=float(axis.high), log=axis.log)
