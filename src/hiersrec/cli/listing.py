"""`hiersrec list`: the names that a recipe can use, read from the folders of the package."""

import ast
import importlib.util
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from hiersrec import registry
from hiersrec.cli import printing
from hiersrec.errors import UnknownName, did_you_mean
from hiersrec.writing.tables import Table

FOLDERS = {
    "encoders": "model.encoders",
    "tasks": "model.tasks",
    "softmaxes": "model.softmax",
    "score_terms": "model.score_terms",
    "soft_targets": "model.soft_targets",
    "baselines": "baselines",
    "datasets": "datasets",
}


def command(
    kind: Annotated[str | None, typer.Argument(help=f"{', '.join(FOLDERS)} or recipes; all if left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print kind -> name -> description.")] = False,
) -> None:
    """List what a recipe can name, and the recipes."""
    kinds = [*FOLDERS, "recipes"]
    if kind is not None and kind not in kinds:
        raise UnknownName(f"There is no list of '{kind}'. {did_you_mean(kind, kinds)}")
    lists = {name: _recipes() if name == "recipes" else _members(FOLDERS[name]) for name in ([kind] if kind else kinds)}
    headings = ("name", "description")
    tables = [Table(name, headings, tuple(members.items())) for name, members in lists.items()]
    printing.result(lists, json, *tables)


def _members(folder: str) -> dict[str, str]:
    """Name -> first line of the docstring, read without running the module."""
    about = {}
    for name in registry.names(folder):
        spec = importlib.util.find_spec(f"hiersrec.{folder}.{name}")
        assert spec is not None
        assert spec.origin is not None
        text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
        assert text, f"{folder}.{name} has no docstring"
        about[name] = text.splitlines()[0]
    return about


def _recipes() -> dict[str, str]:
    from hiersrec.recipe_file import RECIPES, recipe_names

    tables = {name: tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8")) for name in recipe_names()}
    return {name: table["description"] for name, table in tables.items()}
