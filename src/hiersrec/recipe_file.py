"""Recipe: a TOML file -> config.py's dataclasses, and back. An unknown key is an error that names the nearest one.

`name` in a table names a file of the registry folder, whose Config the rest of the table fills.

A recipe may build on another, `base = "any/best"`, and then says only what differs: its keys go over those of the base,
table by table, and [tasks.item] goes over the task of that name. A table with another name replaces the base's. Which
tasks there are, and their order, are changed as a whole: `replace_tasks = true`, and [[tasks]] for each of them.

The table [search] says what `hiersrec tune` may change. It is no part of what is built, and no run folder keeps it.
"""

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import TypeAdapter, ValidationError

from hiersrec import registry
from hiersrec.config import REGISTRY, BaselineRecipe, Component, ModelRecipe, Recipe, RecipeHeader, TaskTable, Training
from hiersrec.errors import BadRecipe, UnknownName, did_you_mean
from hiersrec.former_settings import drop_former

RECIPES = Path(__file__).parent / "recipes"
T = TypeVar("T")


def recipe_names() -> list[str]:
    """All recipes of the package, as "dataset/name"."""
    return sorted(path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.toml"))


def find_recipe(name: str, dataset: str) -> Path:
    """Where a recipe lies: a path to a TOML file, or a name: the dataset's own recipe, else the one in recipes/any/."""
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise UnknownName(f"There is no recipe file {name}.")
        return Path(name)
    for folder in (dataset, "any"):
        if (path := RECIPES / folder / f"{name}.toml").is_file():
            return path
    known = {name.split("/")[1] for name in recipe_names() if name.split("/")[0] in (dataset, "any")}
    raise UnknownName(f"No recipe '{name}' for {dataset}. {did_you_mean(name, known)} A path must end in .toml.")


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe. Overrides look like "training.epochs=3" or "tasks.item.head=linear" (by task name)."""
    table = {"name": path.stem, **_table_of(path)}
    table.pop("search", None)
    for override in overrides:
        _override(table, override)
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


def read_search(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table [search] of a recipe, as TOML has it: what it says itself, and what only its base says.

    Keys are places as in overrides, such as "training.learning_rate". Raises BadRecipe if it is no table.
    """
    whole = _table_of(path).get("search", {})
    own = _by_place(tomllib.loads(path.read_text(encoding="utf-8")).get("search", {}))
    return own, {place: space for place, space in whole.items() if place not in own}


def _by_place(table: Any, above: str = "") -> dict[str, Any]:
    """[search] with one key a place, whether TOML has them in quotes or, without, as tables in tables."""
    if not isinstance(table, dict):
        raise BadRecipe(f"[search] must be a table of settings, got {table!r}.")
    spaces: dict[str, Any] = {}
    for key, value in table.items():
        is_range = isinstance(value, dict) and not value.keys().isdisjoint(("low", "high"))
        is_place = isinstance(value, dict) and value and not is_range
        spaces |= _by_place(value, f"{above}{key}.") if is_place else {f"{above}{key}": value}
    return spaces


def _table_of(path: Path) -> dict[str, Any]:
    """The keys of a recipe file, laid over those of its base."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path} is not TOML: {error}.") from error
    if "search" in table:
        table["search"] = _by_place(table["search"])
    base, replace_tasks = table.pop("base", None), table.pop("replace_tasks", None)
    if base is not None and base not in recipe_names():
        raise UnknownName(
            f"{path.name} has the base {base!r}, which is no recipe. {did_you_mean(str(base), recipe_names())}"
        )
    merged = {} if base is None else _table_of(RECIPES / f"{base}.toml")
    if "tasks" in merged:
        merged["tasks"] = _tasks_over(merged["tasks"], table.pop("tasks", {}), replace_tasks, path.name)
    elif replace_tasks is not None:
        raise BadRecipe(f"{path.name} has replace_tasks, and no base whose tasks it could replace. Remove that line.")
    for key, value in table.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _laid_over(merged[key], value) if both_tables else value
    return merged


def _tasks_over(base: list[Any], tasks: Any, replace: Any, where: str) -> list[Any]:
    """The tasks of a base with the tables [tasks.NAME] of a recipe laid over them, or replaced by its [[tasks]]."""
    if not isinstance(replace, bool | None):
        raise BadRecipe(f"{where} replace_tasks: must be true or false, got {replace!r}.")
    if replace:
        if not isinstance(tasks, list):
            raise BadRecipe(f"{where}: replace_tasks = true needs [[tasks]], a table for each task, got {tasks!r}.")
        return tasks
    if not isinstance(tasks, dict):
        raise BadRecipe(
            f"{where}: [[tasks]] under a base would drop the base's tasks with all their settings. To change a task, "
            "write [tasks.NAME] with the settings that differ; to add, drop or reorder tasks, write "
            "replace_tasks = true above the first table, and [[tasks]] for each task."
        )
    for name, settings in tasks.items():
        base = _task_over(base, name, settings, f"{where}, [tasks.{name}]")
    return base


def _task_over(tasks: list[Any], name: str, settings: Any, where: str) -> list[Any]:
    """The tasks, with settings laid over each one of that name."""
    if not isinstance(settings, dict):
        raise BadRecipe(f"{where} must be a table of settings, got {settings!r}.")
    names = [str(task.get("name")) if isinstance(task, dict) else "" for task in tasks]
    if name not in names:
        raise BadRecipe(
            f"{where}: there is no task '{name}'. {did_you_mean(name, set(names))} To add a task, write "
            "replace_tasks = true above the first table of a recipe with a base, and [[tasks]] for each task."
        )
    return [_laid_over(task, settings) if names[row] == name else task for row, task in enumerate(tasks)]


def _laid_over(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The keys of `new` over those of `old`; another name is another thing, to which the old settings mean nothing."""
    return {**old, **new} if new.get("name", old.get("name")) == old.get("name") else new


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
    extensions = {field.name: field.metadata.get(REGISTRY) for field in dataclasses.fields(config)}
    folders = {extension: folder for extension, folder in extensions.items() if folder is not None}
    known: set[str] = set()

    def fill(cls: Any, *left_out: str) -> Any:
        keys = {field.name for field in dataclasses.fields(cls)}.difference(left_out)
        known.update(keys)
        return parse(cls, {key: table[key] for key in table if key in keys}, where)

    members = {
        extension: {member: fill(registry.load(folder, member).Config) for member in registry.names(folder)}
        for extension, folder in folders.items()
    }
    settings = dataclasses.replace(fill(config, *folders), **members)
    task: TaskTable = dataclasses.replace(fill(TaskTable, "config"), config=settings)
    _only(table, known, where)
    return task


def _override(table: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals:
        raise BadRecipe(f"--set needs KEY=VALUE, such as training.epochs=3, got {override!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *place, key = path.strip().split(".")
    match place:
        case []:
            table[key] = value
        case ["tasks", name] if isinstance(table.get("tasks"), list):
            table["tasks"] = _task_over(table["tasks"], name, {key: value}, f"--set {override}")
        case [name] if isinstance(inner := table.get(name, {}), dict):
            table[name] = _laid_over(inner, {key: value})
        case _:
            raise BadRecipe(f"--set {override}: {path.strip()} is no place of a recipe, such as training.epochs.")


def _plain(value: Any) -> Any:
    """Settings as TOML tables: each Config is laid into the table that names it, and so are those of its members."""
    if isinstance(value, dict):
        config = value.pop("config", {})
        for extension in [key for key, inner in config.items() if isinstance(inner, dict)]:
            for settings in config.pop(extension).values():
                config |= settings
        return {key: _plain(inner) for key, inner in {**value, **config}.items() if inner is not None}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
