"""The notebooks in examples/ run as they are, without warnings, and print what is committed where that can be equal."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
SAME = "same-everywhere"
"""Tag of the cells whose output is the same on every processor. Of the others only form is compared."""
EXECUTE = """
import sys, tempfile
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

path = sys.argv[1]
notebook = nbformat.read(path, as_version=4)
# Sockets in a folder, not ports: another process may take a port before the kernel listens. Their paths must be short.
with tempfile.TemporaryDirectory(dir="/tmp") as sockets:
    manager = AsyncKernelManager(kernel_name="python3", transport="ipc", connection_file=f"{sockets}/kernel.json")
    NotebookClient(notebook, km=manager, timeout=300).execute()
nbformat.write(notebook, path)
"""
"""A process of its own, where what Jupyter leaves open ends with it and is no warning in a later test."""
Notebook = nbformat.NotebookNode


def code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def committed(request) -> Notebook:
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(scope="module")
def executed(committed, tmp_path_factory) -> Notebook:
    """The notebook, run in a copy of examples/."""
    folder = tmp_path_factory.mktemp("notebook")
    examples = folder / "examples"
    shutil.copytree(ROOT / "examples", examples, ignore=shutil.ignore_patterns("__pycache__"))
    path = examples / "notebook.ipynb"
    nbformat.write(committed, path)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "IPYTHONDIR": str(folder / "ipython"),  # no settings of a person, and a history of its own
        "TMPDIR": str(folder),  # where the notebooks write
    }
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, path],
        capture_output=True,
        text=True,
        env=environment,
        cwd=examples,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = {each.name for each in (ROOT / "examples").iterdir()} | {path.name}
    assert {each.name for each in examples.iterdir()} <= names, "a notebook leaves files next to itself"
    return nbformat.read(path, as_version=4)


def test_there_are_three() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["1_", "2_", "3_"]


def test_outputs_have_the_committed_form(committed, executed) -> None:
    for before, after in zip(code(committed), code(executed), strict=True):
        assert [form(output) for output in after.outputs] == [form(output) for output in before.outputs], after.source
        if SAME in after.metadata.get("tags", []):
            assert contents(after) == contents(before), after.source


def test_committed_outputs_are_clean(committed) -> None:
    text = nbformat.writes(committed)
    numbers = [cell.execution_count for cell in code(committed)]

    assert numbers == list(range(1, len(numbers) + 1)), "run from top to bottom"
    assert not re.search(r"/(tmp|home|root|Users|work)/|stderr|Warning|Traceback", text)
    assert not any("execution" in cell.metadata for cell in committed.cells), "times of execution"
    assert set(committed.metadata) == {"kernelspec", "language_info"}


def form(output: Notebook) -> tuple[object, ...]:
    """Kind and media types of an output; of a table its headings and the number of its rows, too."""
    data = output.get("data", {})
    page = "".join(data.get("text/html", ""))
    head = re.search(r"<thead>(.*?)</thead>", page, re.S)
    headings = re.findall(r"<th[^>]*>(.*?)</th>", head[1], re.S) if head else []
    return output.output_type, output.get("name"), sorted(data), headings, page.count("<tr")


def contents(cell: Notebook) -> list[object]:
    return [output.get("text") or dict(output.get("data", {})) for output in cell.outputs]
