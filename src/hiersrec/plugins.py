"""Members of registries that other distributions bring: found by entry points, or named as "package.module".

Where a module lies, and what it defines, is read without running it. Only then is it imported, and never out of a
folder that is being opened.
"""

import ast
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from hiersrec.errors import BadPlugin, UnknownName

PREFIX = "hiersrec."
"""What the groups of entry points begin with: hiersrec.encoders, hiersrec.recipes, ..."""

_closed_folder: ContextVar[Path | None] = ContextVar("closed_folder", default=None)


@dataclass(frozen=True)
class Plugin:
    """A member from elsewhere."""

    name: str
    """As a recipe calls it."""
    module: str
    distribution: str | None
    """None for a module that belongs to no installed distribution, such as a file of the user's project."""
    version: str | None

    @property
    def origin(self) -> str:
        """Such as "my-shop 1.2", or "module my_shop.encoders.tiny"."""
        return f"{self.distribution} {self.version}" if self.distribution else f"module {self.module}"


@contextmanager
def no_code_from(folder: Path) -> Iterator[None]:
    """While a run folder is opened: a module that lies in it is refused, even if Python's path leads there."""
    token = _closed_folder.set(folder.resolve())
    try:
        yield
    finally:
        _closed_folder.reset(token)


def installed(kind: str) -> dict[str, tuple[Plugin, ...]]:
    """Name -> what the installed distributions have under it; more than one where they clash."""
    return dict(_entry_points().get(kind, {}))


@cache
def _entry_points() -> Mapping[str, Mapping[str, tuple[Plugin, ...]]]:
    """Kind -> name -> plug-ins. Reading the metadata of all distributions takes time, so it is done once a process."""
    from importlib.metadata import distributions

    kinds: dict[str, dict[str, tuple[Plugin, ...]]] = {}
    seen: set[str] = set()
    for distribution in distributions():
        entries = [entry for entry in distribution.entry_points if entry.group.startswith(PREFIX)]
        if (
            not entries or (name := distribution.metadata["Name"]) in seen
        ):  # hidden by one that Python's path has earlier
            continue
        seen.add(name)
        for entry in entries:
            plugin = Plugin(entry.name, entry.value.strip(), name, distribution.version)
            members = kinds.setdefault(entry.group.removeprefix(PREFIX), {})
            group = (*members.get(entry.name, ()), plugin)
            members[entry.name] = tuple(sorted(group, key=lambda member: member.origin))  # folders have no order
    return kinds


def chosen(kind: str, name: str) -> Plugin | None:
    """The plug-in of that name, None if there is none. Raises BadPlugin if several distributions have one."""
    plugins = installed(kind).get(name, ())
    if len(plugins) > 1:
        raise BadPlugin(
            f"'{name}' of {kind} is in {' and in '.join(plugin.origin for plugin in plugins)}. A name must stand for "
            f'one thing: uninstall one of them, or name the module in the recipe, such as "{plugins[0].module}".'
        )
    return plugins[0] if plugins else None


def is_dotted(name: str) -> bool:
    """Whether a name has the form of a module, "package.module"."""
    return "." in name and all(part.isidentifier() for part in name.split("."))


def of_module(module: str) -> Plugin:
    """The plug-in of a module that a recipe names; raises UnknownName if Python's path leads to none."""
    if find_spec(module) is None:
        invalidate_caches()  # a notebook may have written the file a moment ago
    if find_spec(module) is None:
        raise UnknownName(
            f"There is no module '{module}' on Python's path. Install the distribution that has it, or put the folder "
            f"of '{module.partition('.')[0]}' on PYTHONPATH."
        )
    distribution = _distribution_of(module.partition(".")[0])
    return Plugin(module, module, *(distribution or (None, None)))


@cache
def _distribution_of(package: str) -> tuple[str, str] | None:
    from importlib.metadata import packages_distributions, version

    names = packages_distributions().get(package, ())
    return (names[0], version(names[0])) if names else None


def find_spec(module: str) -> ModuleSpec | None:
    """Where a module lies, found without importing it or the packages that it is in; None if there is none.

    Raises BadPlugin if it or one of its packages lies in the folder that is being opened.
    """
    top, *parts = module.split(".")
    finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
    spec = next((spec for finder in finders if (spec := finder.find_spec(top, None)) is not None), None)
    for part in parts:
        if spec is not None:
            _refuse_closed(module, spec)
            spec = _inside(spec, f"{spec.name}.{part}")
    if spec is not None:
        _refuse_closed(module, spec)
    return spec


def _inside(package: ModuleSpec, name: str) -> ModuleSpec | None:
    """Where a module of a package lies. Python's own search for it would need the package to be imported."""
    folders: list[str] = []
    for folder in package.submodule_search_locations or ():
        importer: Any = pkgutil.get_importer(folder)
        spec: ModuleSpec | None = importer.find_spec(name) if importer else None
        if spec is not None and spec.loader is not None:
            return spec
        folders += [] if spec is None else spec.submodule_search_locations or ()
    if not folders:
        return None
    namespace = ModuleSpec(name, None, is_package=True)
    namespace.submodule_search_locations = folders
    return namespace


def _refuse_closed(module: str, spec: ModuleSpec) -> None:
    folder = _closed_folder.get()
    if folder is None:
        return
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location and spec.origin else [])]
    for place in places:
        if Path(place).resolve().is_relative_to(folder):
            raise BadPlugin(
                f"{folder} names the module '{module}', which Python would take from that folder itself ({place}). "
                "Opening a folder runs no code from it. If you trust the code, install it somewhere else, and leave "
                "the folder out of the current directory and of PYTHONPATH."
            )


def checked(kind: str, plugin: Plugin, required: Sequence[Sequence[str]]) -> ast.Module:
    """The source of a plug-in, which defines what its kind needs, parsed and not run. Raises BadPlugin.

    required: sets of names; it must define all names of one set.
    """
    spec = find_spec(plugin.module)
    if spec is None:
        raise BadPlugin(
            f"{plugin.origin} has no module '{plugin.module}', which it names for '{plugin.name}'. Install it again, "
            "or correct the entry point in its pyproject.toml."
        )
    if not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
        raise BadPlugin(f"The module '{plugin.module}' of {plugin.origin} is no Python file. Name a file .py.")
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (SyntaxError, ValueError) as error:
        raise BadPlugin(f"The module '{plugin.module}' of {plugin.origin} is not Python: {error}.") from error
    _refuse_lack(kind, plugin, _defined(tree), required)
    return tree


def import_plugin(kind: str, plugin: Plugin, required: Sequence[Sequence[str]]) -> ModuleType:
    """The module of a plug-in, imported once its source is seen to define what its kind needs. Raises BadPlugin."""
    checked(kind, plugin, required)
    try:
        module = import_module(plugin.module)
    except Exception as error:  # code of others raises what it likes
        raise BadPlugin(
            f"The module '{plugin.module}' of {plugin.origin}, which has '{plugin.name}' of {kind}, can't be imported: "
            f"{type(error).__name__}: {error}. Install what it needs, or another version of it."
        ) from error
    _refuse_lack(kind, plugin, set(vars(module)), required)
    return module


def _refuse_lack(kind: str, plugin: Plugin, names: set[str], required: Sequence[Sequence[str]]) -> None:
    lacking: list[list[str]] = [[name for name in needed if name not in names] for needed in required]
    if all(lacking):
        least = min(lacking, key=len)
        needs = " or ".join(", ".join(needed) for needed in required)
        raise BadPlugin(
            f"The module '{plugin.module}' of {plugin.origin} can't be one of {kind}: it lacks "
            f"{', '.join(least)}. A member of {kind} defines {needs}; see docs/do/plugins.md."
        )


def _defined(tree: ast.Module) -> set[str]:
    """Names that the statements of a module bind."""
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name for alias in node.names}
            case ast.Assign():
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return names
