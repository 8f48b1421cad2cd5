"""A small trained run of the toy shop, and bundles of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hiersrec.export_run import export
from hiersrec.model import exported as graphs
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.toy import write_toy

SMALL = [
    *("inputs.item_width=16", "inputs.category_width=8", "inputs.metadata_width=8"),
    *("encoder.layers=1", "encoder.heads=2", "encoder.max_length=10", "training.precision=float32"),
    *("training.batch_size=128", "training.learning_rate=1e-2", "training.epochs=2"),
]


def tiny_run(folder: Path, recipe: str = "hiersrec", settings: tuple[str, ...] = ()) -> Path:
    """A run folder, of the dataset `folder`/data."""
    if not (folder / "data").is_dir():
        written = write_toy(folder / "shop", sessions=300)
        source = Source("toy", written / "events.csv", written / "items.csv")
        prepare(
            source,
            folder / "data",
            PrepareSettings(split=SplitSettings(method="fraction", value=0.1)),
            say=lambda _: None,
        )
    made = read_recipe(find_recipe(recipe, "toy"), [*SMALL, *settings])
    train(Dataset.open(folder / "data"), made, folder / "run", SilentReporter())
    return folder / "run"


def exported(run: Path, out: Path, candidates: Candidates = ALL, slabs: str = "float32", int8: bool = False) -> Path:
    """A bundle of a run."""
    export(run, out, lambda _: None, candidates=candidates, slabs=slabs, int8_encoder=int8)
    return out


@contextmanager
def known_graph(bundle: Path) -> Iterator[None]:
    """Exports of the run that `bundle` is of copy its graph, which is the same each time and takes seconds to make.

    An export compares the graph with the model, so that of another run is an error.
    """

    def copied(model: HierarchicalModel, path: Path) -> list[str]:
        shutil.copyfile(bundle / "encoder.onnx", path)
        return graphs.Exported(model).names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "to_onnx", copied)
        yield
