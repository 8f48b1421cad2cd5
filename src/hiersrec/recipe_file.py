"""Recipe: a TOML file -> config.py's dataclasses, and back. An unknown key is an error that names the nearest one.

`name` in a table names a member of a registry, whose Config the rest of the table fills (registry.py).
"""

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import TypeAdapter, ValidationError

from hiersrec import plugins, registry
from hiersrec.config import (
    MEMBER,
    REGISTRY,
    BaselineRecipe,
    Component,
    ModelRecipe,
    Recipe,
    RecipeHeader,
    TaskTable,
    Training,
)
from hiersrec.errors import BadPlugin, BadRecipe, did_you_mean
from hiersrec.former_settings import drop_former
from hiersrec.recipe_tables import RECIPES, find_recipe, override, read_search, recipe_names, table_of

__all__ = [
    "RECIPES",
    "RUN_RECIPE",
    "find_recipe",
    "members_of",
    "parse",
    "read_recipe",
    "read_search",
    "recipe_names",
    "settings_of",
    "write_recipe",
]
T = TypeVar("T")
RUN_RECIPE = "recipe.toml"
"""File of the recipe in a run folder."""


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe. Overrides look like "training.epochs=3" or "tasks.item.head=linear" (by task name).

    A run folder's recipe.toml takes no module that lies in that folder.
    """
    with plugins.no_code_from(path.parent) if path.name == RUN_RECIPE else nullcontext():
        return _read(path, overrides)


def _read(path: Path, overrides: Sequence[str]) -> Recipe:
    table = {"name": path.stem, **table_of(path)}
    table.pop("search", None)
    for setting in overrides:
        override(table, setting)
    drop_former(table)
    if "baseline" in table:
        _only(table, ["name", "description", "baseline", "training"], f"{path.name}: a recipe with [baseline]")
    heads = [field.name for field in dataclasses.fields(RecipeHeader)]
    _only(table, [*heads, "baseline", "inputs", "encoder", "tasks", "training"], path.name)
    head = parse(RecipeHeader, {key: table[key] for key in heads if key in table}, path.name)
    if "baseline" in table:
        baseline = _choice("baselines", table["baseline"], "[baseline]")
        training = None
        if hasattr(registry.load("baselines", baseline.name), "build"):
            training = parse(Training, table.get("training", {}), "[training]")
        elif "training" in table:
            raise BadRecipe(
                f"{path.name} has [training], but {baseline.name} only counts. Remove that table, "
                "or leave out --seed and --set training."
            )
        return BaselineRecipe(name=head.name, description=head.description, baseline=baseline, training=training)
    if isinstance(table.get("tasks"), dict):
        raise BadRecipe(
            f"{path.name} has no [[tasks]]: [tasks.NAME] changes a task of the base, and there is none. Name a base, "
            'or write [[tasks]] with name = "item".'
        )
    if not isinstance(table.get("tasks"), list) or not table["tasks"]:
        raise BadRecipe(f'{path.name} has no [[tasks]]. Give at least [[tasks]] with name = "item".')
    # Loaded by name like the members of registries: its file imports torch.
    inputs = registry.load("model", "inputs").Config
    return ModelRecipe(
        **dataclasses.asdict(head),
        inputs=parse(inputs, table.get("inputs", {}), "[inputs]"),
        encoder=_choice("model.encoders", table.get("encoder", {"name": "transformer"}), "[encoder]"),
        tasks=tuple(map(_task, table["tasks"])),
        training=parse(Training, table.get("training", {}), "[training]"),
    )


def write_recipe(recipe: Recipe) -> str:
    """The recipe as TOML with every setting spelled out; reading it back gives an equal recipe."""
    return tomli_w.dumps(_plain(dataclasses.asdict(recipe)))


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Every setting by its place, as --set spells it: "tasks.item.head". Values are as TOML has them."""
    settings: dict[str, Any] = {}
    for key, value in tomllib.loads(write_recipe(recipe)).items():
        tables = {key: value} if isinstance(value, dict) else {}
        if isinstance(value, list):
            tables = {f"{key}.{table['name']}": table for table in value}
        elif not tables:
            settings[key] = value
        for place, table in tables.items():
            settings |= {f"{place}.{name}": inner for name, inner in table.items()}
    return settings


def parse(cls: type[T], table: Any, where: str) -> T:
    """Fill a settings dataclass from a table, strictly. `where` names the table in errors."""
    if not isinstance(table, dict):
        raise BadRecipe(f"{where} must be a table of settings, got {table!r}.")
    _only(table, [field.name for field in dataclasses.fields(cls)], where)  # type: ignore[arg-type]
    try:
        # Through JSON, where strict reading still takes lists for tuples; a date of TOML goes as text.
        reader = _reader(cls)  # type: ignore[arg-type]
        settings: T = reader.validate_json(json.dumps(table, allow_nan=False, default=str), strict=True)
    except ValidationError as invalid:
        errors = invalid.errors()
        key = errors[0]["loc"][0] if errors[0]["loc"] else "?"
        # A setting of several types has an error for each of them.
        rules = " or ".join(error["msg"] for error in errors if error["loc"][:1] == (key,))
        raise BadRecipe(f"{where} {key}: {rules}, got {table.get(str(key))!r}.") from invalid
    except ValueError as error:
        raise BadRecipe(f"{where}: every number must be finite, got {table!r}.") from error
    return settings


@cache
def _reader(cls: Any) -> TypeAdapter[Any]:
    """Made once for each class, which takes milliseconds."""
    return TypeAdapter(cls)


def _only(table: dict[str, Any], known: Iterable[str], where: str) -> None:
    for key in table:
        if key not in (names := list(known)):
            raise BadRecipe(f"{where} has no key '{key}'. {did_you_mean(key, names)}")


def _named(table: Any, where: str) -> str:
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise BadRecipe(f'{where} needs a name, such as name = "item", got {table!r}.')
    return str(table["name"])


def _choice(folder: str, table: Any, where: str) -> Component:
    name = _named(table, where)
    module = registry.load(folder, name)
    rest = {key: value for key, value in table.items() if key != "name"}
    return Component(name=name, config=parse(module.Config, rest, f"{where} {name}"))


def _task(table: Any) -> TaskTable:
    name = _named(table, "[[tasks]]")
    where = f"[[tasks]] {name}"
    config = registry.load("model.tasks", name).Config
    extended = _fields(config, REGISTRY)  # field -> folder
    known: set[str] = set()

    def fill(cls: Any, *left_out: str) -> Any:
        keys = {field.name for field in dataclasses.fields(cls)}.difference(left_out)
        known.update(keys)
        return parse(cls, {key: table[key] for key in table if key in keys}, where)

    own = dataclasses.replace(fill(config, *extended), **{field: {} for field in extended})
    task: TaskTable = fill(TaskTable, "config")
    configs: dict[str, dict[str, Any]] = {
        field: {member: fill(registry.load(folder, member).Config) for member in registry.own_names(folder)}
        for field, folder in extended.items()
    }
    for field, folder, member in _members_of_others(table, extended, known, where):
        cls = registry.load(folder, member).Config
        if twice := known.intersection(setting.name for setting in dataclasses.fields(cls)):
            raise BadPlugin(
                f"{where}: '{member}' of {field} has the setting {min(twice)}, which is there already. Ask the "
                "author of one of them to rename it."
            )
        configs[field][member] = fill(cls)
    _only(table, [*known, *(field for field in extended if field in table)], where)
    return dataclasses.replace(task, config=dataclasses.replace(own, **configs))


def _members_of_others(
    table: dict[str, Any], extended: dict[str, str], known: set[str], where: str
) -> Iterator[tuple[str, str, str]]:
    """Field, folder and name of the score terms and soft targets of other distributions that a table names.

    First by their modules, under the key `field`; then, if keys are left that are not `known`, which grows meanwhile,
    by one of their settings. Others are left out, so that a recipe means the same wherever it is read.
    """
    for field, folder in extended.items():
        modules = table.get(field, [])
        if not isinstance(modules, list) or not all(isinstance(name, str) and "." in name for name in modules):
            raise BadRecipe(f'{where} {field}: must list modules, such as ["my_shop.terms.sale"], got {modules!r}.')
        yield from ((field, folder, name) for name in modules)
    unknown = set(table).difference(known, ["name"], extended)
    if not unknown:
        return
    for field, folder in extended.items():
        for name in registry.installed_names(folder):
            settings = {setting.name for setting in dataclasses.fields(registry.load(folder, name).Config)}
            if not unknown.isdisjoint(settings):
                yield field, folder, name


def _fields(config: Any, mark: str) -> dict[str, str]:
    """The fields of a Config that have a mark in their metadata -> the folder of the registry."""
    return {field.name: field.metadata[mark] for field in dataclasses.fields(config) if mark in field.metadata}


def members_of(recipe: Recipe) -> list[tuple[str, str]]:
    """(folder of the registry, name) of each member that a recipe uses."""
    if isinstance(recipe, BaselineRecipe):
        return [("baselines", recipe.baseline.name)]
    members = [("model.encoders", recipe.encoder.name)]
    for table in recipe.tasks:
        members.append(("model.tasks", table.name))
        members += [(folder, getattr(table.config, key)) for key, folder in _fields(table.config, MEMBER).items()]
        for key, folder in _fields(table.config, REGISTRY).items():
            members += [(folder, name) for name in getattr(table.config, key)]
    return members


def _plain(value: Any) -> Any:
    """Settings as TOML tables: each Config is laid into the table that names it, and so are those of its members."""
    if isinstance(value, dict):
        config = value.pop("config", {})
        for extension in [key for key, inner in config.items() if isinstance(inner, dict)]:
            members = config.pop(extension)
            for settings in members.values():
                config |= settings
            if modules := [name for name in members if "." in name]:
                config[extension] = modules
        return {key: _plain(inner) for key, inner in {**value, **config}.items() if inner is not None}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
