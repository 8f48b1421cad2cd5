"""The demo's chain on a small shop; `make demo` runs it on the embedded dataset."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import hiersrec
from hiersrec import demonstration
from hiersrec.demonstration import RECIPES, TOP, bundle_of, demo, is_done
from hiersrec.reproduction._case import pick_sessions
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.recommender import Recommender
from hiersrec.store.dataset import Dataset
from hiersrec.writing import tables
from hiersrec.writing.tables import Table
from tests.bundles import known_graph
from tests.shop import TINY, write_shop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """The demo's folder and what it shows, of a dataset and a recipe that were made small."""
    out = tmp_path_factory.mktemp("demo")
    folder = write_shop(out / "shop")

    def prepare_shop(dataset: str, **arguments: object) -> Dataset:
        assert dataset == "wikispeedia"
        return hiersrec.prepare(
            folder / "events.csv", folder / "items.csv", split="random:0.3", name="shop", **arguments
        )

    def train_tiny(dataset: Dataset, recipe: str, **arguments: object) -> hiersrec.Run:
        return hiersrec.train(dataset, recipe, overrides=tiny if recipe == "best" else [], **arguments)

    tiny = [setting for setting in TINY if not setting.startswith("encoder.heads")] + ["training.epochs=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstration, "prepare", prepare_shop)
        patch.setattr(demonstration, "train", train_tiny)
        patch.setattr("hiersrec.training.fit_tree.STEPS", 5)
        assert not is_done(out / "demo")
        yield out / "demo", shown(out / "demo")


def shown(out) -> str:
    console = Console(file=io.StringIO(), width=160)
    for part in demo(out, progress=False):
        console.print(tables.rich(part) if isinstance(part, Table) else part)
    return console.file.getvalue()


def test_the_demo_shows_accuracy_explained_sessions_and_where_the_files_lie(made) -> None:
    folder, text = made

    for recipe in RECIPES:
        mrr = json.loads((folder / "runs" / recipe / "metrics.json").read_text())["metrics"]["mrr@20"]
        assert any(line.startswith(recipe) and f"{mrr:.2%}" in line for line in text.splitlines())
    assert text.count("Session: Thing ") == 3
    assert text.count("The reader clicked Thing ") == 3
    assert text.count("raised or lowered most by") == 3
    assert str(folder / "data") in text


def test_the_demo_twice_shows_the_same(made) -> None:
    folder, text = made

    assert shown(folder) == text


def test_sessions_are_picked_without_unseen_items_or_repeats(made) -> None:
    walks = pick_sessions(Dataset.open(made[0] / "data"))

    assert len(walks) == 3
    for walk in walks:
        assert 5 <= len(walk) <= 7
        assert (walk > 0).all()
        assert len(set(walk.tolist())) == len(walk)


def test_the_demo_ends_in_a_bundle_that_answers_as_its_run_does(made) -> None:
    folder, _ = made
    assert is_done(folder)

    with known_graph(bundle_of(folder, progress=False)):
        bundle = Recommender.load(bundle_of(folder, progress=False))  # a second one replaces the first
    assert bundle.candidates == Candidates(policy="category", top=TOP)
    run = Recommender.load(folder / "runs" / "best")
    session = [run.catalog.to_external(run.catalog.to_internal(["i1", "i2"]))]
    [ours], [theirs] = bundle.recommend(session, k=3), run.recommend(session, k=3, candidates=bundle.candidates)
    assert [item.item_id for item in ours.items] == [item.item_id for item in theirs.items]
