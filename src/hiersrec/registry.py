"""Registries: `encoder = "narm"` names the file `encoders/narm.py`, or a member that another distribution brings.

There is no table of members and no decorator: a new file in a folder of KINDS is found, listed and tested at once.
Names that begin with an underscore are shared helpers, not members. From outside come

    entry points   of installed distributions, in the group "hiersrec.KIND": a name, and the module that it stands for
    modules        that a recipe names as "package.module"

A name of hiersrec's own always means hiersrec's own member, so that installing something changes no recipe; `hiersrec
list` shows what is shadowed so. Two distributions with one name are an error where that name is used.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from hiersrec import plugins
from hiersrec.errors import BadFolder, UnknownName, did_you_mean
from hiersrec.plugins import Plugin


@dataclass(frozen=True)
class Kind:
    """A kind of members."""

    folder: str
    """Of the package, such as "model.encoders"."""
    required: tuple[tuple[str, ...], ...]
    """What a member defines: all names of one of these."""


KINDS = {
    "encoders": Kind("model.encoders", (("Config", "build"),)),
    "tasks": Kind("model.tasks", (("Config", "members", "build"),)),
    "softmaxes": Kind("model.softmax", (("build",),)),
    "score_terms": Kind("model.score_terms", (("Config", "build"),)),
    "soft_targets": Kind("model.soft_targets", (("Config", "build"),)),
    "baselines": Kind("baselines", (("Config", "fit", "load"), ("Config", "build"))),
    "metadata": Kind("preparation.features", (("NEEDS", "fits", "fit", "apply"),)),
    "metrics": Kind("evaluation.metrics", (("USES", "values"), ("USES", "value"))),
    "loggers": Kind("training.loggers", (("build",),)),
    "datasets": Kind("datasets", (("SOURCE", "SETTINGS", "source"),)),
}
RECIPES = "recipes"
"""The kind whose members are no modules but TOML files (recipe_file.py)."""
_KIND_OF_FOLDER = {kind.folder: name for name, kind in KINDS.items()}


def own_names(folder: str) -> list[str]:
    """Sorted names of the members that lie in a folder of the package, such as "datasets" or "model.encoders"."""
    return list(_names_in(tuple(importlib.import_module(f"hiersrec.{folder}").__path__)))


@cache
def _names_in(folders: tuple[str, ...]) -> list[str]:
    """Read once: a name is looked up hundreds of times in an evaluation."""
    return sorted(module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_"))


def names(folder: str) -> list[str]:
    """Sorted names of all members, hiersrec's own and those of installed distributions."""
    return sorted({*own_names(folder), *_installed(folder)})


def load(folder: str, name: str) -> ModuleType:
    """The module of the member `name` of a folder.

    Raises UnknownName, naming the nearest one, if there is none, and BadPlugin for one of another distribution that
    can't be used.
    """
    if name in own_names(folder):
        return importlib.import_module(f"hiersrec.{folder}.{name}")
    plugin = find(folder, name)
    if plugin is None:
        raise UnknownName(f"No '{name}' in hiersrec/{folder.replace('.', '/')}/. {did_you_mean(name, names(folder))}")
    kind = _KIND_OF_FOLDER[folder]
    return plugins.import_plugin(kind, plugin, KINDS[kind].required)


def find(folder: str, name: str) -> Plugin | None:
    """The member `name` of another distribution; None if it is hiersrec's own, or if there is none."""
    kind = _KIND_OF_FOLDER.get(folder)
    if kind is None or name in own_names(folder):
        return None
    return plugins.of_module(name) if plugins.is_dotted(name) else plugins.chosen(kind, name)


def short(name: str) -> str:
    """What tensors and reasons call a member: its name, or the last part of "package.module"."""
    return name.rpartition(".")[2]


def _installed(folder: str) -> Mapping[str, tuple[Plugin, ...]]:
    kind = _KIND_OF_FOLDER.get(folder)
    return {} if kind is None else plugins.installed(kind)


def installed_names(folder: str) -> list[str]:
    """Names of the members of installed distributions, without those that hiersrec has itself."""
    return sorted(set(_installed(folder)).difference(own_names(folder)))


def record(members: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """What a run writes of the members (folder, name) that are not hiersrec's own: kind, name, module, distribution."""
    records = []
    for folder, name in dict.fromkeys(members):
        if plugin := find(folder, name):
            origin = {"module": plugin.module, "distribution": plugin.distribution, "version": plugin.version}
            records.append({"kind": _KIND_OF_FOLDER[folder], "name": name, **origin})
    return records


def check_recorded(records: Iterable[Mapping[str, Any]], folder: Path) -> None:
    """Raise BadFolder for the first recorded member that is not here, saying what to install.

    Another version than the recorded one is used as it is: tensors that no longer fit are an error of their own.
    """
    for member in records:
        if not _is_here(member):
            raise BadFolder(f"{folder} was made with {missing(member)}")


def missing(member: Mapping[str, Any]) -> str:
    """A recorded member that is not here, and what to install: the end of a sentence."""
    origin, module = member["distribution"], member["module"]
    where, way_out = "no installed distribution", f"Put the folder of '{module.partition('.')[0]}' on PYTHONPATH."
    if origin:
        where, way_out = f"{origin} {member['version']}", f"Run: pip install '{origin}=={member['version']}'"
    return f"'{member['name']}' of {member['kind']}, the module {module} of {where}, which is not installed. {way_out}"


def _is_here(member: Mapping[str, Any]) -> bool:
    """Whether the name still stands for a module of the same distribution."""
    kind, name = member["kind"], member["name"]
    if kind not in KINDS or name in own_names(KINDS[kind].folder):
        return False
    if plugins.is_dotted(name):
        return plugins.find_spec(name) is not None
    return any(plugin.distribution == member["distribution"] for plugin in plugins.installed(kind).get(name, ()))
