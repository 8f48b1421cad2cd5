"""`hiersrec list`: what a recipe can name. The folders of the package are the lists."""

import ast
import importlib.util
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from hiersrec import registry
from hiersrec.cli import printing
from hiersrec.errors import UnknownName, did_you_mean

FOLDERS = {
    "encoders": "model.encoders",
    "tasks": "model.tasks",
    "baselines": "baselines",
    "datasets": "datasets",
}


def command(
    kind: Annotated[
        str | None, typer.Argument(help="encoders, tasks, baselines, datasets or recipes; all if left out.")
    ] = (None),
    json: Annotated[bool, typer.Option("--json", help="Print kind -> name -> what it is.")] = False,
) -> None:
    """List what is there to choose from."""
    kinds = [*FOLDERS, "recipes"]
    if kind is not None and kind not in kinds:
        raise UnknownName(f"There is no list of '{kind}'. {did_you_mean(kind, kinds)}")
    found = {one: _recipes() if one == "recipes" else _members(FOLDERS[one]) for one in ([kind] if kind else kinds)}
    if json:
        printing.show_json(found)
        return
    for one, members in found.items():
        printing.show(printing.table(one, ["name", "what it is"], members.items(), right=False))


def _members(folder: str) -> dict[str, str]:
    """Name -> first line of the docstring, read without running the module."""
    about = {}
    for name in registry.names(folder):
        found = importlib.util.find_spec(f"hiersrec.{folder}.{name}")
        assert found is not None
        assert found.origin is not None
        text = ast.get_docstring(ast.parse(Path(found.origin).read_text(encoding="utf-8")))
        assert text, f"{folder}.{name} has no docstring"
        about[name] = text.splitlines()[0]
    return about


def _recipes() -> dict[str, str]:
    from hiersrec.recipe_file import RECIPES, recipe_names

    tables = {name: tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8")) for name in recipe_names()}
    return {name: table["description"] for name, table in tables.items()}
