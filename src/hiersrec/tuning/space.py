"""The table [search] of a recipe, checked: what a search may change, and within which bounds.

    [search]
    training.learning_rate = { low = 1e-4, high = 1e-2, log = true }    # a number between, on a logarithmic scale
    encoder.layers = { low = 1, high = 4 }                              # whole numbers stay whole
    pooling = ["average", "last"]                                       # one of a list

Keys are places as in --set. A place that --set gives is held there, and not searched. The recipe as it stands is tried
first, so its own value must lie in the space. Settings that a recipe has from its base's [search] but not as a place
(a task or an encoder that it replaced) take no part.
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
    """Numbers from low to high, both included; whole if both are."""

    low: int | float
    high: int | float
    log: bool = False
    """Evenly by factors rather than by differences."""


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: tuple[Any, ...]


Axis = Range | Choices
Settings = dict[str, Any]
"""Place -> value."""


@dataclass(frozen=True)
class Space:
    """What is searched: place -> axis, in order of place; the recipe's own values; places that take no part."""

    axes: dict[str, Axis]
    own: Settings
    passed_over: list[str] = field(default_factory=list)


def with_settings(path: Path, settings: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a file with overrides, and then settings, over its own. Raises BadRecipe, UnknownName."""
    places = sorted(settings, key=lambda place: not place.endswith(".name"))  # another name drops what came before it
    return read_recipe(path, [*overrides, *(f"{one}={json.dumps(settings[one], default=str)}" for one in places)])


def read_space(path: Path, overrides: Sequence[str] = ()) -> Space:
    """Read and check the [search] of a recipe file; every bound and choice must be one that the recipe takes.

    Raises BadRecipe if there is nothing to search, or naming the place that is wrong.
    """
    own, inherited = read_search(path)
    here, alone = _spelled_out(path, overrides), _spelled_out(path, [])
    if here.get("training", {}).get("refit"):
        raise BadRecipe(
            f"{path.name} has [training] refit, which trains on the validation sessions that a search measures on. "
            "Tune with --set training.refit=false, and refit the best settings."
        )
    fixed = {override.partition("=")[0].strip() for override in overrides}
    axes: dict[str, Axis] = {}
    values: Settings = {}
    passed_over = []
    for place, asked in sorted({**inherited, **own}.items()):
        found = _at(here, place)
        if place in fixed:
            continue
        if not found and (place in inherited or _at(alone, place)):
            passed_over.append(place)
            continue
        axes[place] = _axis(place, asked, path, overrides)
        if not found or any(one != found[0] for one in found):
            raise BadRecipe(
                f"[search] {place} needs one value in the recipe as it stands, which is tried first, and it has "
                f"{len(found)}. Give it one, or take {place} out of [search]."
            )
        values[place] = found[0]
        axes[place] = _around(place, axes[place], found[0])
    if not axes and "training" not in here and list(here["baseline"]) == ["name"]:
        raise BadRecipe(f"{path.name} has no setting that a search could change. Tune another recipe.")
    if not axes:
        held = f", save what --set holds ({', '.join(sorted(fixed))})" if own or inherited else ""
        raise BadRecipe(
            f"{path.name} has no [search] that says what may change{held}. Write one, in a .toml file of your own with "
            'base = "any/NAME" for a recipe of the package; under [search], a line such as '
            "training.learning_rate = { low = 1e-4, high = 1e-2, log = true }"
        )
    return Space(axes, values, passed_over)


def _spelled_out(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    return tomllib.loads(write_recipe(read_recipe(path, overrides)))


def _at(table: dict[str, Any], place: str) -> list[Any]:
    """The values at a place of a recipe with every setting spelled out: none, one, or one for each task of a name."""
    *above, key = place.split(".")
    match above:
        case []:
            tables = [table]
        case ["tasks", name]:
            tasks = table.get("tasks", [])
            tables = [one for one in tasks if one["name"] == name]
        case [name] if isinstance(inner := table.get(name), dict):
            tables = [inner]
        case _:
            tables = []
    return [one[key] for one in tables if key in one]


def _axis(place: str, asked: Any, path: Path, overrides: Sequence[str]) -> Axis:
    """The axis that one key of [search] asks for; the recipe must take its choices, or both its bounds."""
    where = f"[search] {place}"
    axis: Axis
    match asked:
        case list():
            if len({json.dumps(one, default=str) for one in asked}) < max(2, len(asked)):
                raise BadRecipe(f"{where} must list two choices or more, all different, got {asked!r}.")
            axis = Choices(tuple(asked))
        case dict():
            axis = parse(Range, asked, where)
            if not axis.low < axis.high:
                raise BadRecipe(f"{where}: low must be less than high, got {axis.low} and {axis.high}.")
            if axis.log and axis.low <= 0:
                raise BadRecipe(f"{where}: with log, low must be greater than 0, got {axis.low}.")
        case _:
            raise BadRecipe(f"{where} must be a list of choices or {{ low = ..., high = ... }}, got {asked!r}.")
    for value in axis.values if isinstance(axis, Choices) else (axis.low, axis.high):
        try:
            with_settings(path, {place: value}, overrides)
        except HiersrecError as error:
            raise BadRecipe(f"{where} = {value!r}: {error}") from error
    return axis


def _around(place: str, axis: Axis, own: Any) -> Axis:
    """The axis, of numbers with a point where the recipe's own value is one; that value must lie on it."""
    is_number = isinstance(own, int | float) and not isinstance(own, bool)
    inside = own in axis.values if isinstance(axis, Choices) else is_number and axis.low <= own <= axis.high
    if not inside:
        raise BadRecipe(
            f"[search] {place} leaves out {own!r}, which the recipe has as it stands and which is tried first. Widen "
            f"it, change the recipe, or hold the setting with --set {place}={json.dumps(own)}."
        )
    if isinstance(axis, Choices) or all(isinstance(one, int) for one in (axis.low, axis.high, own)):
        return axis
    return Range(low=float(axis.low), high=float(axis.high), log=axis.log)
