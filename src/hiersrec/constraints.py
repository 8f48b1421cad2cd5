"""Which settings go together. Each feature declares it next to its Config, as data, and `check` is the one reader.

A condition speaks of a setting, by its place in a recipe as --set spells it ("tasks.item.softmax"), or of a fact that
build.py knows of the dataset and the model ("encoder.causal").
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from hiersrec.errors import BadRecipe


class Condition(NamedTuple):
    """What a setting must be for something to hold."""

    setting: str
    rule: str
    """In words, such as `"full"` or `above 0`."""
    holds: Callable[[Any], bool]


class Constraint(NamedTuple):
    """Where `feature` holds, `other` must hold too, or must not."""

    feature: Condition | str
    """In words where it is no setting but a command, which always holds."""
    verb: str
    """"requires" or "excludes"."""
    other: Condition
    because: str
    way_out: str
    """Where it is not to change one of the two settings."""


def equals(setting: str, *values: Any) -> Condition:
    """The setting has one of these values."""
    return Condition(setting, " or ".join(map(_shown, values)), lambda value: value in values)


def above(setting: str, bound: float) -> Condition:
    """The setting is a number above the bound."""
    return Condition(setting, f"above {bound}", lambda value: value > bound)


def is_set(setting: str) -> Condition:
    """The setting is a list or text that is not empty."""
    return Condition(setting, "", bool)


def requires(feature: Condition | str, other: Condition, because: str, way_out: str = "") -> Constraint:
    """Where `feature` holds, `other` must."""
    return Constraint(feature, "requires", other, because, way_out)


def excludes(feature: Condition | str, other: Condition, because: str, way_out: str = "") -> Constraint:
    """Where `feature` holds, `other` must not."""
    return Constraint(feature, "excludes", other, because, way_out)


def check(constraints: Iterable[Constraint], settings: Mapping[str, Any]) -> None:
    """Raise BadRecipe for the first constraint that the settings, by place, break.

    A constraint on a setting that this recipe does not have is passed over.
    """
    for feature, verb, other, because, way_out in constraints:
        if other.setting not in settings or other.holds(got := settings[other.setting]) == (verb == "requires"):
            continue
        subject = feature
        if isinstance(feature, Condition):
            if feature.setting not in settings or not feature.holds(value := settings[feature.setting]):
                continue
            subject = f"{feature.setting} = {_shown(value)}"
            change = f"Set {other.setting} to {other.rule}" if verb == "requires" else f"Change {other.setting}"
            way_out = way_out or f"{change}, or change {feature.setting}."
        rule = f"{other.setting} {other.rule}".rstrip()
        raise BadRecipe(f"{subject} {verb} {rule}, since {because}; got {_shown(got)}. {way_out}")


def _shown(value: Any) -> str:
    """As TOML has it."""
    return json.dumps(value, default=str) if value not in ((), [], None) else "none"
