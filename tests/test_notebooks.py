"""The notebooks in examples/ run as they are, without warnings, and print what is committed where that can be equal."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
SAME = "same-everywhere"
"""Tag of the cells whose output is the same on every processor. Of the others only form is compared."""
Notebook = nbformat.NotebookNode


def code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def committed(request) -> Notebook:
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(scope="module")
def executed(committed, tmp_path_factory) -> Iterator[Notebook]:
    """The notebook, run in a copy of examples/."""
    folder = tmp_path_factory.mktemp("notebook")
    examples = folder / "examples"
    shutil.copytree(ROOT / "examples", examples, ignore=shutil.ignore_patterns("__pycache__"))
    notebook = nbformat.from_dict(committed)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "IPYTHONDIR": str(folder / "ipython"),  # no settings of a person, and a history of its own
        "TMPDIR": str(folder),  # where the notebooks write
    }
    # Sockets of the file system: free ports could be taken by another test before the kernel listens. Their paths must
    # be short.
    with tempfile.TemporaryDirectory() as sockets:
        manager = AsyncKernelManager(
            kernel_name="python3", transport="ipc", connection_file=str(Path(sockets) / "kernel.json")
        )
        client = NotebookClient(notebook, km=manager, timeout=300, resources={"metadata": {"path": str(examples)}})
        client.execute(env=environment)
    left = {path.name for path in examples.iterdir()} - {path.name for path in (ROOT / "examples").iterdir()}
    assert not left, "a notebook leaves files next to itself"
    return notebook


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
