"""What `import hiersrec` offers, and what it must not cost."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import hiersrec

HEAVY = ("torch", "ibis", "duckdb", "pandas", "scipy", "typer")


def test_all_is_sorted_and_every_name_is_there() -> None:
    assert hiersrec.__all__ == sorted({*hiersrec.MODULES, "__version__"}) == dir(hiersrec)
    for name in hiersrec.__all__:
        value = getattr(hiersrec, name)
        assert value.__doc__
        assert not isinstance(value, ModuleType), "a folder of that name would take the place of the function"


def test_the_names_for_type_checkers_are_those_that_are_imported() -> None:
    tree = ast.parse(Path(hiersrec.__file__).read_text(encoding="utf-8"))
    [checked] = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        alias.name: str(node.module).removeprefix("hiersrec.")
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == hiersrec.MODULES


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'hiersrec' has no attribute 'fit'"):
        _ = hiersrec.fit


def test_arguments_are_those_of_the_command_line() -> None:
    """Every flag is a parameter of the same name; what differs is named here, with its counterpart."""
    from hiersrec.cli import check, compare, prepare, recommend, serve, train, tune, verify

    renamed = {
        "train": {"folder": "dataset", "set_": "overrides", "teacher": "teachers"},
        "tune": {"folder": "dataset", "set_": "overrides"},
        "recommend": {
            **{"run": "model", "category": "categories", "boost_category": "boost_categories"},
            **dict.fromkeys(("allow_file", "deny_file", "boost_file")),  # what they hold is an argument
            **dict.fromkeys(("session", "top", "share", "mass")),  # of live sessions; Candidates
        },
        "serve": {"allowed_host": "allowed_hosts", "cors_origin": "cors_origins"},
        "compare": {"out": None},  # Comparison.save
    }
    for command in (check, compare, prepare, recommend, serve, train, tune, verify):
        verb = command.__name__.rpartition(".")[2]
        flags = set(inspect.signature(command.command).parameters) - {"json"}
        flags = {renamed.get(verb, {}).get(flag, flag) for flag in flags} - {None}
        parameters = set(inspect.signature(getattr(hiersrec, verb)).parameters)
        assert parameters - {"progress", "callbacks"} == flags, verb


@pytest.mark.parametrize("module", ["hiersrec", "hiersrec.serving.recommender"])
def test_the_import_is_light(module: str) -> None:
    # A fresh process: this one has imported everything long ago.
    code = f"import sys, {module}; sys.stdout.write(' '.join(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
