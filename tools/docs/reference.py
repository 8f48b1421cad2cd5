"""Pages that the code itself writes: commands, recipe keys, members of the registries, the public Python names."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
import typer

import hiersrec
from hiersrec import registry
from hiersrec.cli.app import app
from hiersrec.config import MEMBER, REGISTRY, SHAPES, RecipeHeader, TaskTable, Training

RANGES = {annotated_types.Ge: ("≥", "ge"), annotated_types.Gt: (">", "gt"), annotated_types.Le: ("≤", "le")}
RANGES |= {annotated_types.Lt: ("<", "lt")}
KINDS = {
    "encoders": "A sequence of items becomes a state at each position: `[encoder] name`.",
    "tasks": "What is predicted of the next event: `[[tasks]] name`.",
    "softmaxes": "How the item task is trained: `tasks.item.softmax`.",
    "score_terms": "What is added to an item's score: keys of `[tasks.item]`.",
    "soft_targets": "How a part of the target is shared with other items: keys of `[tasks.item]`.",
    "baselines": "Models with code of their own: `[baseline] name`, or a recipe of that name.",
    "metadata": "Kinds of item columns: options of `prepare`, such as `--text title`.",
    "metrics": "`evaluate --metrics NAME`, `compare --metrics NAME@K`, `tune --metric NAME@K`.",
    "loggers": "Trackers of a training: `train --log NAME`.",
    "datasets": "Public datasets: `prepare FOLDER --dataset NAME`.",
    "recipes": "`train --recipe NAME`.",
}
"""Kind -> where a name of it is used."""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown; cells may hold anything."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def commands() -> str:
    """Every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():
        arguments = [parameter for parameter in command.params if not _is_option(parameter)]
        usage = " ".join([f"hiersrec {name}", *map(_argument, arguments), "[OPTIONS]"])
        about = [(f"`{_argument(parameter).strip('[]')}`", parameter.help or "") for parameter in arguments]
        rows = [
            (_spelled(parameter), _default(parameter), parameter.help or "")
            for parameter in command.params
            if _is_option(parameter) and not parameter.hidden
        ]
        parts += [f"## {name}\n", command.help + "\n", f"```text\n{usage}\n```\n"]
        parts += [table(("argument", "meaning"), about)] if about else []
        parts += [table(("option", "default", "meaning"), rows)] if rows else []
    return "\n".join(parts)


def _is_option(parameter: Any) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.opts[0]).upper()
    return name if parameter.required else f"[{name}]"


def _spelled(parameter: Any) -> str:
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    return " ".join(f"`{option}{value}`" for option in [*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return "required"
    return "" if value in (None, False, "", ()) or parameter.is_flag or callable(value) else f"`{value}`"


def recipe_keys() -> str:
    """Every key of a recipe, from the dataclasses that it fills."""
    parts = ["## Top of the file\n", _settings(RecipeHeader, skip=("name",))]
    parts += ["## [inputs]\n", _settings(registry.load("model", "inputs").Config)]
    parts += ["## [encoder]\n", "`name` chooses one; the other keys are its own.\n"]
    parts += _members("model.encoders", "[encoder] name")
    parts += [
        "## [[tasks]]\n",
        "`name` says which; the other keys here are those of every task, and each has its own.\n",
    ]
    parts += [_settings(TaskTable, skip=("name", "config"))]
    for name in registry.own_names("model.tasks"):
        config = registry.load("model.tasks", name).Config
        own = [_settings(config), *_terms(config)]
        parts += [f'### [[tasks]] name = "{name}"\n', _about("model.tasks", name), *filter(None, own)]
    parts += ["## [training]\n", _settings(Training)]
    parts += ["## [baseline]\n", "A recipe of a baseline has this table in place of inputs, encoder and tasks.\n"]
    parts += _members("baselines", "[baseline] name")
    return "\n".join(parts)


def _members(folder: str, where: str) -> Iterator[str]:
    for name in registry.own_names(folder):
        yield f'### {where} = "{name}"\n'
        yield _about(folder, name)
        yield _settings(registry.load(folder, name).Config) or "No settings.\n"


def _terms(config: type) -> Iterator[str]:
    """Settings that members of other registries add to the keys of a task."""
    for field in dataclasses.fields(config):
        for name in registry.own_names(field.metadata[REGISTRY]) if REGISTRY in field.metadata else ():
            settings = _settings(registry.load(field.metadata[REGISTRY], name).Config)
            if settings:
                yield f"Of `{name}`: {_about(field.metadata[REGISTRY], name)}"
                yield settings


def _about(folder: str, name: str) -> str:
    """The first sentence, or line, of a member's documentation."""
    text = inspect.getdoc(registry.load(folder, name)) or ""
    return text.split("\n\n")[0].replace("\n", " ") + "\n"


def _settings(config: type, skip: tuple[str, ...] = ()) -> str:
    """A table of the fields of a dataclass; empty if there are none to show."""
    hints, about = get_type_hints(config, include_extras=True), _documented(config)
    rows = []
    for field in dataclasses.fields(config):
        if field.name in skip or REGISTRY in field.metadata:
            continue
        shapes = " Decides shapes of weights." if SHAPES in getattr(hints[field.name], "__metadata__", ()) else ""
        names = registry.own_names(field.metadata[MEMBER]) if MEMBER in field.metadata else ()
        values = ", ".join(f'`"{name}"`' for name in names) or _values(hints[field.name])
        rows.append((f"`{field.name}`", values, _value(field), about.get(field.name, "") + shapes))
    return table(("key", "values", "default", "meaning"), rows) if rows else ""


def _value(field: "dataclasses.Field[Any]") -> str:
    if field.default is dataclasses.MISSING:
        return "required"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return f'`"{value}"`' if isinstance(value, str) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(hint: Any) -> str:
    """A type and its range, in words of TOML."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = [
            f"{sign} {getattr(one, key)}"
            for one in args[1:]
            for kind, (sign, key) in RANGES.items()
            if type(one) is kind
        ]
        return ", ".join([_values(args[0]), *limits])
    if origin is Literal:
        return ", ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in args)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_values, args))
    if origin in (tuple, list):
        return f"list of {_values(args[0])}"
    names = {bool: "`true`, `false`", int: "integer", float: "number", str: "text", type(None): "nothing"}
    return names.get(hint, str(hint))


def _documented(config: type) -> dict[str, str]:
    """Field -> the string under it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    pairs = itertools.pairwise(body)
    return {
        field.target.id: text.value.value
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def members() -> str:
    """All names that a recipe or an option can use."""
    parts = []
    for kind, use in KINDS.items():
        rows = [(f"`{one.name}`", one.description) for one in hiersrec.members(kind) if one.origin == "hiersrec"]
        parts += [f"## {kind.replace('_', ' ').capitalize()}\n", use + "\n", table(("name", "what it is"), rows)]
    return "\n".join(parts)


def python_names() -> str:
    """The public names, for mkdocstrings to describe."""
    verbs = [name for name in hiersrec.MODULES if name[0].islower()]
    classes = [name for name in hiersrec.MODULES if name[0].isupper()]
    parts = []
    for title, names in (("Functions", verbs), ("Classes", classes)):
        parts.append(f"## {title}\n")
        for name in names:
            parts.append(f"::: hiersrec.{hiersrec.MODULES[name]}.{name}\n    options:\n      heading_level: 3\n")
    return "\n".join(parts)


def root() -> Path:
    """The checkout."""
    return Path(__file__).parents[2]
