"""The members of every registry and the recipes, with what they are and where they come from."""

import ast
import importlib.util
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from hiersrec import plugins, recipe_tables, registry
from hiersrec.errors import BadPlugin, UnknownName, did_you_mean
from hiersrec.plugins import Plugin

OWN = "hiersrec"
KINDS = (*registry.KINDS, registry.RECIPES)


@dataclass(frozen=True)
class Member:
    """One name that a recipe, or an option, can use."""

    kind: str
    name: str
    description: str
    """The first line of its documentation."""
    origin: str
    """"hiersrec", or distribution and version, such as "my-shop 1.2"; several where distributions clash."""
    problem: str = field(default="")
    """Why it, or another of its name, can't be used; empty if all is well."""


def members(kind: str | None = None) -> list[Member]:
    """The members of a kind, or of all, by name; no member's code runs. Raises UnknownName for another kind."""
    if kind is None:
        return [member for each in KINDS for member in members(each)]
    if kind not in KINDS:
        raise UnknownName(f"There is no list of '{kind}'. {did_you_mean(kind, KINDS)}")
    own, installed = _recipes() if kind == registry.RECIPES else _modules(kind)
    both: list[Member] = []
    for name in sorted({*own, *installed}):
        others = installed.get(name, [])
        origins = ", ".join(plugin.origin for plugin, _ in others)
        if name in own:
            problem = f"hides the one of {origins}: a name of hiersrec is always its own" if others else ""
            both.append(Member(kind, name, own[name], OWN, problem))
        elif len(others) > 1:
            both.append(Member(kind, name, "", origins, "a name must stand for one thing: uninstall one of them"))
        else:
            both.append(_described(kind, name, *others[0]))
    return both


Installed = dict[str, list[tuple[Plugin, Path | None]]]
"""Name -> plug-ins, with the file of a recipe."""


def _modules(kind: str) -> tuple[dict[str, str], Installed]:
    folder = registry.KINDS[kind].folder
    own = {}
    for name in registry.own_names(folder):
        spec = importlib.util.find_spec(f"hiersrec.{folder}.{name}")
        assert spec is not None
        assert spec.origin is not None
        own[name] = _told(kind, ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    return own, {name: [(plugin, None) for plugin in group] for name, group in plugins.installed(kind).items()}


def _recipes() -> tuple[dict[str, str], Installed]:
    own = {name: _about(path) for name, path in recipe_tables.own_recipes().items()}
    installed: Installed = {}
    for plugin in (plugin for group in plugins.installed(registry.RECIPES).values() for plugin in group):
        try:
            for name, path in recipe_tables.recipes_of(plugin).items():
                installed.setdefault(name, []).append((plugin, path))
        except BadPlugin:
            installed.setdefault(plugin.name, []).append((plugin, None))  # told when it is described
    return own, installed


def _described(kind: str, name: str, plugin: Plugin, recipe: Path | None) -> Member:
    """One of another distribution; what is wrong with it is told, since a list must not fail on it."""
    try:
        if kind == registry.RECIPES:
            about = _about(recipe or next(iter(recipe_tables.recipes_of(plugin).values())))
        else:
            about = _told(kind, plugins.checked(kind, plugin, registry.KINDS[kind].required))
        return Member(kind, name, about, plugin.origin)
    except (BadPlugin, tomllib.TOMLDecodeError) as error:
        return Member(kind, name, "", plugin.origin, str(error))


def _about(path: Path) -> str:
    return str(tomllib.loads(path.read_text(encoding="utf-8")).get("description", ""))


def _told(kind: str, tree: ast.Module) -> str:
    """The first line of the documentation; of a metric also which values are better, where these are not the higher."""
    line = next(iter((ast.get_docstring(tree) or "").splitlines()), "")
    values = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "BETTER"
    ]
    if kind != "metrics" or not values:
        return line
    better = {"'lower'": "lower is better", "None": "neither is better"}.get(ast.unparse(values[0]), "higher is better")
    return f"{line.rstrip('.')} ({better})."
