"""The shape of the house, as data: who may import whom, what may come from outside, how long a file may be.

Every rule is a check of a mapping from path to source, so that planted violations prove that each check bites.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "hiersrec"

# A part is a folder or a file of the package. Each floor may import itself and the parts named here.
CELLAR = {"errors", "types", "arguments", "frames", "score_parts"}
STORE = {*CELLAR, "store"}
SETTINGS = {
    *("errors", "plugins", "registry", "constraints", "config"),
    *("former_settings", "recipe_tables", "recipe_file"),
}
BUILD = {*STORE, *SETTINGS, "model", "build"}
EVERYTHING = {
    *(
        *BUILD,
        "retrieval",
        "evaluation",
        "evaluate_run",
        "preparation",
        "datasets",
        "baselines",
        "training",
        "serving",
        "add_items",
        "batch",
    ),
    *("writing", "comparison", "tuning", "reproduction", "export_run"),
}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "types": set(),
    "score_parts": {"types"},
    "arguments": {"errors"},
    "frames": {"errors", "types"},
    "machine": {"errors"},
    "plugins": {"errors"},
    "registry": {"errors", "plugins"},
    "constraints": {"errors"},
    "former_settings": {"errors"},
    "config": {"constraints"},
    "recipe_tables": {"errors", "plugins", "registry"},
    "recipe_file": SETTINGS,
    "store": {*CELLAR, "machine"},
    "preparation": {*STORE, "plugins", "registry"},
    "retrieval": STORE,
    "evaluation": {*STORE, "registry", "retrieval"},
    "model": {*STORE, "registry", "constraints", "config"},
    "datasets": {*STORE, "preparation"},
    "baselines": {*STORE, "model"},
    "build": BUILD,
    "training": {*BUILD, "evaluation", "retrieval"},
    "add_items": {*STORE, *SETTINGS, "build", "preparation"},
    "serving": {*STORE, "registry", "build", "retrieval", "add_items", "writing"},
    "export_run": {*BUILD, "retrieval", "serving"},
    "evaluate_run": {*BUILD, "evaluation", "retrieval"},
    "http": {*STORE, "retrieval", "serving"},
    "batch": {*STORE, "retrieval", "serving", "preparation", "machine"},
    "writing": STORE,
    "comparison": {*BUILD, "evaluation", "writing"},
    "tuning": {*BUILD, "evaluation", "training"},
    "reproduction": EVERYTHING,
    "testing": EVERYTHING,
    "api": {*EVERYTHING, "http", "machine"},
    "demonstration": {*EVERYTHING, "api"},
    "cli": {"__init__", "api", "demonstration", "errors", "machine", "writing"},
    "__init__": {"errors"},  # the rest is imported when it is first used
    "__main__": {"cli"},
}

# Members of a registry folder stand alone; what two of them share is a file that begins with an underscore.
REGISTRIES = (
    *("datasets", "baselines", "reproduction", "model/encoders", "model/tasks", "model/softmax"),
    *("model/score_terms", "model/soft_targets", "preparation/features", "evaluation/metrics", "training/loggers"),
)

# Outside packages that only some parts may use, also inside functions. Nobody unpickles: opening a folder runs no code.
ONLY_IN: dict[str, set[str]] = {
    "torch": {"model", "training", "build", "baselines", "testing"},
    "ibis": {"preparation", "datasets"},
    "duckdb": {"preparation", "datasets"},
    "pyspark": {"preparation"},
    "py4j": {"preparation"},
    "sklearn": {"preparation"},
    "sknetwork": {"preparation"},
    "sentence_transformers": {"preparation"},
    "matplotlib": {"writing"},
    "onnx": {"model"},
    "onnxscript": {"model"},
    "onnxruntime": {"serving", "export_run"},
    "optuna": {"tuning"},
    "mlflow": {"training"},
    "tensorboard": {"training"},
    "simsimd": {"retrieval"},
    "typer": {"cli"},
    **{name: {"http"} for name in ("fastapi", "starlette", "uvicorn", "prometheus_client")},
    **{name: {"frames"} for name in ("pandas", "polars")},
    **{name: set() for name in ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")},
}

MOST_LINES = 300


@dataclass(frozen=True)
class Import:
    """One imported module, such as hiersrec.store.folder; late if it happens inside a function."""

    module: str
    line: int
    late: bool


def sources_of_package() -> dict[str, str]:
    return {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


def part_of(path: str) -> str:
    return path.split("/")[0].removesuffix(".py")


def module_of(path: str) -> str:
    return "hiersrec." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def imports(source: str, modules: set[str]) -> Iterator[Import]:
    """Imports of a file, without those for the type checker; `from a import b` is a.b where that is a module."""

    def walk(node: ast.AST, late: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from walk(other, late)
            return
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, late) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                longer = f"{base}.{alias.name}"
                # Every import runs hiersrec/__init__.py first and the version stands at its top: anyone may read it.
                if longer != "hiersrec.__version__":
                    whole = base == "hiersrec" or longer in modules
                    yield Import(longer if whole else base, node.lineno, late)
        inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    return walk(parsed(source), False)


def all_imports(sources: Mapping[str, str]) -> Iterator[tuple[str, Import]]:
    modules = {module_of(path) for path in sources}
    for path in sorted(sources):
        yield from ((path, one) for one in imports(sources[path], modules))


def wrong_floors(sources: Mapping[str, str]) -> list[str]:
    """Imports that run up a floor, and parts that nobody has put on a floor."""
    parts = {part_of(path) for path in sources}
    found = [f"{part}: no floor yet; add it to MAY_IMPORT" for part in sorted(parts - set(MAY_IMPORT))]
    for path, one in all_imports(sources):
        house, _, rest = one.module.partition(".")
        part, target = part_of(path), rest.split(".")[0]
        if house == "hiersrec":
            target = target if target in parts else "__init__"
            if target != part and target not in MAY_IMPORT.get(part, set()):
                found.append(f"{path}:{one.line}: {part} may not import {target}")
    return found


def relative_imports(sources: Mapping[str, str]) -> list[str]:
    return [f"{path}:{one.line}: relative import" for path, one in all_imports(sources) if one.module.startswith(".")]


def wrong_outsiders(sources: Mapping[str, str]) -> list[str]:
    """Outside packages where they don't belong, and the two functions that would unpickle."""
    found = []
    for path, one in all_imports(sources):
        name = one.module.split(".")[0]
        if part_of(path) not in ONLY_IN.get(name, {part_of(path)}):
            found.append(f"{path}:{one.line}: {name} is only for {sorted(ONLY_IN[name]) or 'nobody'}")
    for path, source in sorted(sources.items()):
        for node in ast.walk(parsed(source)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
                found.append(f"{path}:{node.lineno}: torch.load unpickles; use safetensors")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                found.append(f"{path}:{node.lineno}: allow_pickle")
    return found


def family_ties(sources: Mapping[str, str]) -> list[str]:
    """Members of a registry folder that import one another."""
    found = []
    for path, one in all_imports(sources):
        for folder in REGISTRIES:
            inside = f"{module_of(folder)}."
            if path.startswith(f"{folder}/") and one.module.startswith(inside):
                sibling = one.module.removeprefix(inside).split(".")[0]
                if not sibling.startswith("_") and sibling != path.removeprefix(f"{folder}/").split("/")[0][:-3]:
                    found.append(f"{path}:{one.line}: imports its sibling {sibling}")
    return found


def circles(sources: Mapping[str, str]) -> list[str]:
    """Modules that need one another before either is there; imports inside functions come later and do no harm."""
    modules = {module_of(path) for path in sources}
    wanted: dict[str, set[str]] = {module: set() for module in modules}
    for path, one in all_imports(sources):
        if not one.late and one.module in modules and one.module != module_of(path):
            wanted[module_of(path)].add(one.module)
    found: list[str] = []
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            found.append(" -> ".join([*trail[trail.index(module) :], module]))
        elif module not in done:
            for other in sorted(wanted[module]):
                visit(other, [*trail, module])
            done.add(module)

    for module in sorted(modules):
        visit(module, [])
    return found


def long_files(sources: Mapping[str, str]) -> list[str]:
    lengths = {path: len(source.splitlines()) for path, source in sources.items()}
    return [f"{path}: {length} lines; split it" for path, length in sorted(lengths.items()) if length > MOST_LINES]


CHECKS = (wrong_floors, relative_imports, wrong_outsiders, family_ties, circles, long_files)


@pytest.mark.parametrize("check", CHECKS)
def test_the_house_keeps_the_rule(check) -> None:
    assert check(sources_of_package()) == []


PLANTED = [
    (
        wrong_floors,
        {"serving/a.py": "x = 1\nfrom hiersrec.training.fit import train"},
        "serving/a.py:2: serving may not",
    ),
    (
        wrong_floors,
        {"model/a.py": "from hiersrec import preparation", "preparation/__init__.py": ""},
        "may not import preparation",
    ),
    (
        wrong_floors,
        {"store/a.py": "def f():\n    import hiersrec.cli", "cli.py": ""},
        "store/a.py:2: store may not import cli",
    ),
    (wrong_floors, {"store/a.py": "from hiersrec import Recommender"}, "store may not import __init__"),
    (wrong_floors, {"extras/a.py": ""}, "extras: no floor yet"),
    (relative_imports, {"store/a.py": "from . import folder"}, "store/a.py:1: relative import"),
    (wrong_outsiders, {"serving/a.py": "def f():\n    import torch.nn"}, "serving/a.py:2: torch is only for ['baseli"),
    (wrong_outsiders, {"store/a.py": "from pickle import loads"}, "store/a.py:1: pickle is only for nobody"),
    (wrong_outsiders, {"training/a.py": "import torch\ntorch.load(path)"}, "training/a.py:2: torch.load"),
    (wrong_outsiders, {"store/a.py": "np.load(path, allow_pickle=True)"}, "store/a.py:1: allow_pickle"),
    (
        family_ties,
        {"model/tasks/a.py": "from hiersrec.model.tasks.b import f", "model/tasks/b.py": ""},
        "model/tasks/a.py:1: imports its sibling b",
    ),
    (
        circles,
        {"store/a.py": "from hiersrec.store import b", "store/b.py": "import hiersrec.store.a"},
        "hiersrec.store.a -> hiersrec.store.b -> hiersrec.store.a",
    ),
    (long_files, {"store/a.py": "\n" * 301}, "store/a.py: 301 lines"),
]


@pytest.mark.parametrize(("check", "sources", "expected"), PLANTED)
def test_a_planted_violation_is_caught_and_named(check, sources, expected) -> None:
    found = check(sources)

    assert len(found) == 1
    assert expected in found[0]


INNOCENT = {
    "types.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hiersrec.store.batches import Batch",
    "store/__init__.py": "",
    "store/batches.py": "from hiersrec import __version__\nfrom hiersrec.types import Int32",
    "serving/recommender.py": "def load():\n    from hiersrec.build import open_run",
    "build.py": "import torch",
    "baselines/_counts.py": "",
    "baselines/popularity.py": "from hiersrec.baselines._counts import count\nfrom hiersrec.store import batches",
}


@pytest.mark.parametrize("check", CHECKS)
def test_allowed_imports_pass(check) -> None:
    assert check(INNOCENT) == []


def test_the_table_has_no_part_that_is_gone() -> None:
    parts = {part_of(path) for path in sources_of_package()}

    assert set(MAY_IMPORT) <= parts


def tree_in_docs() -> set[str]:
    """Paths below src/hiersrec in the tree of docs/develop/files.md; folders end with a slash."""
    page = (ROOT / "docs/develop/files.md").read_text(encoding="utf-8")
    block = page.split("```text\nsrc/hiersrec/\n")[1].split("```")[0]
    paths, trail = set(), [""]
    for line in block.splitlines():
        found = re.match(r"(?P<indent>[│ ]*)[├└]── (?P<name>\S+)", line)
        assert found, f"not a line of the tree: {line}"
        depth = len(found["indent"]) // 4
        trail = [*trail[: depth + 1], found["name"]]
        paths.add("".join(trail))
    return paths


def test_the_tree_in_the_docs_is_true() -> None:
    # A folder that was renamed leaves its __pycache__ in a checkout.
    here = {path.name + "/" * path.is_dir() for path in PACKAGE.iterdir() if path.is_file() or any(path.glob("*.*"))}
    here.discard("__pycache__/")
    named = tree_in_docs()

    assert here - named == set(), "add these to the tree in docs/develop/files.md"
    assert {path for path in named if not (PACKAGE / path).exists()} == set(), "these stand in the tree but are gone"
