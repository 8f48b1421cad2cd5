"""`recipe(name)`: a recipe by name, file or object, with settings changed."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec import arguments
from hiersrec.arguments import TEXT
from hiersrec.errors import BadRecipe, named_extras, repr_of

if TYPE_CHECKING:
    from hiersrec.config import Recipe

Overrides = Mapping[str, Any] | Sequence[str]
"""Settings by place, such as {"training.epochs": 3}, or as --set takes them: ["training.epochs=3"]."""


def recipe(name: "str | Path | Recipe", overrides: Overrides = (), *, dataset: str = "any") -> "Recipe":
    """A recipe: settings of inputs, encoder, tasks and training, as frozen dataclasses.

    Args:
        name: Name of a recipe (see `members("recipes")`), a .toml file, or a recipe.
        overrides: Settings to change, such as {"training.epochs": 3, "tasks.item.head": "linear"}.
        dataset: Name of the dataset whose own recipes come before those for all datasets.

    Raises:
        UnknownName: There is no such recipe.
        BadRecipe: It has an unknown key, a wrong type or an impossible value.

    """
    with named_extras():
        from hiersrec import recipe_file
        from hiersrec.config import BaselineRecipe, ModelRecipe

    TEXT.check(dataset=dataset)
    changes = as_texts(overrides)
    if not isinstance(name, str | Path | BaselineRecipe | ModelRecipe):
        raise BadRecipe(f"A recipe is a name, a .toml file, or an object of hr.recipe, got {repr_of(name)}.")
    if isinstance(name, str | Path):
        return recipe_file.read_recipe(recipe_file.find_recipe(str(name), dataset), changes)
    if not changes:
        return name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name.name}.toml"
        path.write_text(recipe_file.write_recipe(name), encoding="utf-8")
        return recipe_file.read_recipe(path, changes)


def as_texts(overrides: Overrides) -> list[str]:
    """Overrides as --set takes them. Raises BadRecipe for a value that TOML lacks."""
    if not isinstance(overrides, Mapping):
        return list(arguments.texts(overrides=overrides))
    return [f"{place}={_as_toml(place, value)}" for place, value in overrides.items()]


def _as_toml(place: str, value: Any) -> str:
    """A value as TOML spells it; for text, numbers, lists and true and false that is as in JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError):
        raise BadRecipe(f"{place} must be a number, text, a list or true or false, got {value!r}.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a number of numpy
        return value.item()
    raise TypeError
