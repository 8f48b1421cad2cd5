"""The tables of a recipe file: found by name, laid over those of its base, and overridden by --set.

A recipe may build on another, `base = "any/best"`, and then says only what differs: its keys go over those of the base,
table by table, and [tasks.item] goes over the task of that name. A table with another name replaces the base's. Which
tasks there are, and their order, are changed as a whole: `replace_tasks = true`, and [[tasks]] for each of them.

Recipes lie in recipes/ as DATASET/NAME.toml, and so they do in the packages that installed distributions name in the
group of entry points "hiersrec.recipes". A name of hiersrec's own comes first.

The table [search] says what `hiersrec tune` may change. It is no part of what is built, and no run folder keeps it.
"""

import tomllib
from pathlib import Path
from typing import Any

from hiersrec import plugins
from hiersrec.errors import BadPlugin, BadRecipe, UnknownName, did_you_mean
from hiersrec.plugins import Plugin
from hiersrec.registry import RECIPES as KIND

RECIPES = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """All recipes, hiersrec's own and those of installed distributions, as "dataset/name"."""
    return sorted({*own_recipes(), *installed_recipes()})


def own_recipes() -> dict[str, Path]:
    """Hiersrec's own recipes: name -> file."""
    return _recipes_in(RECIPES)


def installed_recipes() -> dict[str, list[tuple[Plugin, Path]]]:
    """Name -> the recipes of that name in installed distributions."""
    recipes: dict[str, list[tuple[Plugin, Path]]] = {}
    for plugin in (plugin for group in plugins.installed(KIND).values() for plugin in group):
        for name, path in recipes_of(plugin).items():
            recipes.setdefault(name, []).append((plugin, path))
    return recipes


def recipes_of(plugin: Plugin) -> dict[str, Path]:
    """Name -> file of the recipes in the package that a distribution names. Raises BadPlugin if it is not there."""
    spec = plugins.find_spec(plugin.module)
    if spec is None or not spec.submodule_search_locations:
        raise BadPlugin(
            f"{plugin.origin} names the package '{plugin.module}' for recipes, which is not there. Install it again, "
            "or correct the entry point in its pyproject.toml."
        )
    folders = map(Path, spec.submodule_search_locations)
    return {name: path for folder in folders for name, path in _recipes_in(folder).items()}


def _recipes_in(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.glob("*/*.toml"))}


def recipe_path(name: str) -> Path | None:
    """The file of a recipe "dataset/name"; None if there is none. Raises BadPlugin if two distributions have it."""
    if (own := RECIPES / f"{name}.toml").is_file():
        return own
    matches = installed_recipes().get(name, [])
    if len(matches) > 1:
        origins = " and in ".join(plugin.origin for plugin, _ in matches)
        raise BadPlugin(f"The recipe '{name}' is in {origins}. Uninstall one of them, or give the path of the file.")
    return matches[0][1] if matches else None


def find_recipe(name: str, dataset: str) -> Path:
    """Where a recipe lies: a path to a TOML file, or a name: the dataset's own recipe, else the one in recipes/any/.

    Recipes of installed distributions come after those of hiersrec.
    """
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise UnknownName(f"There is no recipe file {name}.")
        return Path(name)
    for folder in (dataset, "any"):
        if (own := RECIPES / folder / f"{name}.toml").is_file():
            return own
    for folder in (dataset, "any"):
        if path := recipe_path(f"{folder}/{name}"):
            return path
    known = {known.split("/")[1] for known in recipe_names() if known.split("/")[0] in (dataset, "any")}
    raise UnknownName(f"No recipe '{name}' for {dataset}. {did_you_mean(name, known)} A path must end in .toml.")


def read_search(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table [search] of a recipe, as TOML has it: what it says itself, and what only its base says.

    Keys are places as in overrides, such as "training.learning_rate". Raises BadRecipe if it is no table.
    """
    whole = table_of(path).get("search", {})
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


def table_of(path: Path) -> dict[str, Any]:
    """The keys of a recipe file, laid over those of its base."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path} is not TOML: {error}.") from error
    if "search" in table:
        table["search"] = _by_place(table["search"])
    base, replace_tasks = table.pop("base", None), table.pop("replace_tasks", None)
    merged: dict[str, Any] = {}
    if base is not None:
        base_path = recipe_path(str(base))
        if base_path is None:
            raise UnknownName(
                f"{path.name} has the base {base!r}, which is no recipe. {did_you_mean(str(base), recipe_names())}"
            )
        merged = table_of(base_path)
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
    names = list(map(_name, tasks))
    if name not in names:
        raise BadRecipe(
            f"{where}: there is no task '{name}'. {did_you_mean(name, set(names))} To add a task, write "
            "replace_tasks = true above the first table of a recipe with a base, and [[tasks]] for each task."
        )
    return [_laid_over(task, settings) if names[row] == name else task for row, task in enumerate(tasks)]


def _name(task: Any) -> str:
    return str(task.get("name")) if isinstance(task, dict) else ""


def _laid_over(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The keys of `new` over those of `old`; another name is another thing, to which the old settings mean nothing."""
    return {**old, **new} if new.get("name", old.get("name")) == old.get("name") else new


def override(table: dict[str, Any], setting: str) -> None:
    """Change the tables of a recipe by a setting such as "training.epochs=3"."""
    path, equals, text = setting.partition("=")
    if not equals:
        raise BadRecipe(f"--set needs KEY=VALUE, such as training.epochs=3, got {setting!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *place, key = path.strip().split(".")
    match place:
        case []:
            table[key] = value
        case ["tasks", name] if isinstance(table.get("tasks"), list):
            table["tasks"] = _task_over(table["tasks"], name, {key: value}, f"--set {setting}")
        case ["tasks", *module] if (name := ".".join(module)) in map(_name, table.get("tasks", [])):
            table["tasks"] = _task_over(table["tasks"], name, {key: value}, f"--set {setting}")
        case [name] if isinstance(inner := table.get(name, {}), dict):
            table[name] = _laid_over(inner, {key: value})
        case _:
            raise BadRecipe(f"--set {setting}: {path.strip()} is no place of a recipe, such as training.epochs.")
