"""Types of arguments, checked where they come in: a wrong one is a BadInput with its name, the rule and the value."""

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hiersrec.errors import BadInput, repr_of


@dataclass(frozen=True)
class Kind:
    """What an argument may be."""

    rule: str
    """As a message says it: "a whole number"."""
    fits: Callable[[object], bool]

    def check(self, **values: object) -> None:
        """Raise BadInput for the first argument that is something else."""
        for name, value in values.items():
            if not self.fits(value):
                raise BadInput(f"{name} must be {self.rule}, got {repr_of(value)}.")

    def check_given(self, **values: object) -> None:
        """The same, where None stands for an argument that was left out."""
        self.check(**{name: value for name, value in values.items() if value is not None})


def _is_whole(value: object) -> bool:
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return not isinstance(value, bool)


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool | str | bytes) and math.isfinite(value)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return False


def _is_path(value: object) -> bool:
    return isinstance(value, os.PathLike) or (isinstance(value, str) and bool(value) and "\0" not in value)


def _is_list(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    """Whether a value is a list, or another collection that can be read twice, of what fits."""

    def check(value: object) -> bool:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable) or iter(value) is value:
            return False
        return all(map(fits, value))

    return check


def _either(*kinds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: any(fits(value) for fits in kinds)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


WHOLE = Kind("a whole number", _is_whole)
WHOLES = Kind("a whole number or a list of them", _either(_is_whole, _is_list(_is_whole)))
NUMBER = Kind("a number", _is_number)
NUMBERS = Kind("a number or a list of them", _either(_is_number, _is_list(_is_number)))
FLAG = Kind("True or False", lambda value: isinstance(value, bool))
TEXT = Kind("text", _is_text)
TEXTS = Kind("text or a list of texts", _either(_is_text, _is_list(_is_text)))
PATH = Kind("a path", _is_path)


def texts(**names: object) -> tuple[str, ...]:
    """One text, or a list of them, as a tuple; takes one argument by its name. Raises BadInput for anything else."""
    TEXTS.check(**names)
    (value,) = names.values()
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


def path(**paths: object) -> Path:
    """A path as a Path; takes one argument by its name. Raises BadInput for anything else."""
    PATH.check(**paths)
    (value,) = paths.values()
    return Path(value)  # type: ignore[arg-type]
