"""A run that gets new items: they are scored by their categories and metadata, and nothing else changes."""

import gc
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import safetensors.numpy

from hiersrec.add_items import add_items
from hiersrec.build import open_run
from hiersrec.errors import BadFolder, BadInput, BadRecipe
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.recommender import Recommender
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import open_seal
from hiersrec.store.sessions import Sessions
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.toy import (
    COLOURS,
    DEPARTMENT_OF_SHELF,
    DEPARTMENTS,
    NUM_ITEMS,
    PER_SHELF,
    SHELVES,
    colour,
    fashion,
    item_id,
    title,
    walks,
    write_toy,
)

pytestmark = pytest.mark.slow

SMALL = [
    *("inputs.item_width=16", "inputs.category_width=8", "inputs.metadata_width=8"),
    *("encoder.layers=1", "encoder.heads=2", "encoder.max_length=10", "training.precision=float32"),
    *("training.batch_size=128", "training.learning_rate=1e-2", "training.epochs=8"),
]
TWINS = range(1, NUM_ITEMS, 3)
"""Items that get a twin: a new item of the same shelf, title and colour."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    folder = write_toy(tmp_path_factory.mktemp("toy"), sessions=500)
    source = Source("toy", folder / "events.csv", folder / "items.csv")
    prepare(
        source, folder / "data", PrepareSettings(split=SplitSettings(method="fraction", value=0.1)), say=lambda _: None
    )
    rows = ["item_id,category_1,category_2,title,colour"]
    for item in TWINS:
        shelf = (item - 1) // PER_SHELF
        hue = COLOURS[colour(item) - 1] if colour(item) else ""
        rows.append(f"{twin(item)},{DEPARTMENTS[DEPARTMENT_OF_SHELF[shelf]]},{SHELVES[shelf]},{title(item)},{hue}")
    (folder / "new.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def twin(item: int) -> str:
    return f"x{item_id(item)}"


def trained(shop: Path, name: str, recipe: str, *overrides: str) -> Path:
    dataset, out = Dataset.open(shop / "data"), shop / name
    small = [*SMALL, *overrides] if recipe != "popularity" else []
    train(dataset, read_recipe(find_recipe(recipe, "toy"), small), out, SilentReporter())
    return out


@pytest.fixture(scope="module")
def run(shop) -> Path:
    return trained(shop, "run", "hiersrec", "tasks.item.vectors=id+metadata", "inputs.id_dropout=0.3")


@pytest.fixture(scope="module")
def larger(shop, run) -> Path:
    add_items(run, shop / "new.csv", shop / "larger", lambda _: None)
    return shop / "larger"


def sessions_before_twins() -> list[tuple[list[str], int]]:
    """Sessions of ids, and the item that comes next; each of these has a twin."""
    walked = [walk for walk in walks(150, 9) if walk[-1] in TWINS]
    return [([item_id(item) for item in walk[:-1]], walk[-1]) for walk in walked]


def test_a_new_item_is_ranked_next_to_the_known_one_that_it_is_like(larger) -> None:
    sessions = sessions_before_twins()
    answers = Recommender.load(larger).recommend([session for session, _ in sessions], k=200)

    ranks, shelves = [], []
    for answer, (_, next_item) in zip(answers, sessions, strict=True):
        listed = [item.item_id for item in answer.items]
        ranks.append(listed.index(twin(next_item)) + 1)
        shelves.append(sum(listed_id.removeprefix("x")[0] == item_id(next_item)[0] for listed_id in listed))
    hits = np.mean([rank <= 3 for rank in ranks])
    random_within_shelf = np.mean([3 / size for size in shelves])
    assert len(ranks) > 30
    assert np.median(ranks) <= 3, "the known item itself is first"
    assert hits > 2 * random_within_shelf
    assert hits > 0.6


def test_scores_of_the_other_items_stay_as_they_were(run, larger) -> None:
    before, after = open_run(run), open_run(larger)
    batch = whole_sessions(walks(20, 4), before.scorer.max_length)

    old, new = before.scorer.score(batch), after.scorer.score(batch)

    assert new.items.shape == (20, NUM_ITEMS + 1 + len(TWINS))
    np.testing.assert_allclose(new.items[:, 1 : NUM_ITEMS + 1], old.items[:, 1:], rtol=0, atol=1e-6)
    for task, scores in old.tasks.items():
        assert np.array_equal(new.tasks[task], scores)


def test_new_items_count_in_sessions(larger) -> None:
    recommender = Recommender.load(larger)

    [with_twin] = recommender.recommend([[item_id(2), twin(1)]], k=48)
    [without] = recommender.recommend([[item_id(2)]], k=48)

    assert with_twin.unknown_ids == []
    assert [item.item_id for item in with_twin.session] == [item_id(2), twin(1)]
    assert [item.score for item in with_twin.items] != [item.score for item in without.items]


def test_explanations_of_new_items_add_up(larger) -> None:
    [answer] = Recommender.load(larger).recommend([["a0", "b0", twin(4)]], k=64, explain=True)

    new = [item for item in answer.items if item.item_id in {twin(item) for item in TWINS}]
    assert len(new) == len(TWINS)
    for item in new:
        assert item.reasons is not None
        assert sum(reason.value for reason in item.reasons) == pytest.approx(item.score, abs=1e-4)
        assert {reason.source for reason in item.reasons} >= {"session", "category_1", "category_2"}


def test_what_is_measured_is_what_is_served(larger) -> None:
    opened = open_run(larger)
    numbers = [[*walk[:-1], NUM_ITEMS + 1 + TWINS.index(walk[-1])] for walk in walks(60, 3) if walk[-1] in TWINS]
    ids = [opened.catalog.to_external(np.array(session, np.int32)) for session in numbers]
    answers = Recommender.load(larger).recommend([session[:-1] for session in ids], k=64)

    ranks = evaluate(
        opened.scorer, opened.catalog, Sessions.from_lists(numbers), EvaluationOptions(last_only=True)
    ).ranks

    lists = [[item.item_id for item in answer.items] for answer in answers]
    assert ranks["rank"].to_pylist() == [
        listed.index(session[-1]) + 1 for listed, session in zip(lists, ids, strict=True)
    ]


def test_the_run_folder_is_like_any_other(shop, run, larger) -> None:
    before, after = open_seal(run, "run"), open_seal(larger, "run", checksums=True)

    more = len(TWINS) * 16
    changed = {"files", "parameters", "added_items", "seal_sha256"}
    assert {name for name in after if after[name] != before.get(name)} == changed
    assert (after["added_items"], after["parameters"]) == (len(TWINS), before["parameters"] + more)
    assert after["dataset"]["fingerprint"] == Dataset.open(shop / "data").fingerprint
    assert {path.name for path in larger.iterdir()} == {path.name for path in run.iterdir()}
    for name in ("recipe.toml", "history.jsonl"):
        assert (larger / name).read_bytes() == (run / name).read_bytes()
    card = (larger / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.endswith("\n\nAdded later: 16 items, which training never saw.\n")
    catalog = open_run(larger).catalog
    assert catalog.items["item_id"].to_pylist()[NUM_ITEMS:] == sorted(twin(item) for item in TWINS)
    assert catalog.train_count[NUM_ITEMS + 1 :].sum() == 0


def test_weights_get_rows_of_zeros_and_are_the_same_elsewhere(run, larger) -> None:
    before, after = (safetensors.numpy.load_file(path / "model.safetensors") for path in (run, larger))

    assert set(before) == set(after)
    for name, old in before.items():
        assert np.array_equal(after[name][: len(old)] if old.ndim else after[name], old)
        if name == "inputs.item_table.weight":
            assert after[name].shape == (NUM_ITEMS + 1 + len(TWINS), 16)
            assert not after[name][NUM_ITEMS + 1 :].any()
        else:
            assert after[name].shape == old.shape


def test_adding_twice_adds_to_what_was_added(larger, tmp_path) -> None:
    said: list[str] = []
    rows = ["item_id,category_1,category_2,title,colour", "z1,Food,Dates,Dates no 1,red", "xa0,Food,Apples,,"]
    (tmp_path / "more.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    document = add_items(larger, tmp_path / "more.csv", tmp_path / "more", said.append)

    assert document["added_items"] == len(TWINS) + 1
    assert "add-items: 1 new items; 1 rows are of known items, and skipped" in said
    grown = open_run(tmp_path / "more")
    assert grown.catalog.path(grown.catalog.num_items) == ["Food", None]
    assert grown.catalog.levels[1].num_nodes == open_run(larger).catalog.levels[1].num_nodes + 1
    card = (tmp_path / "more" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.endswith("Added later: 17 items, which training never saw.\n")
    assert card.count("Added later") == 1
    [answer] = Recommender.load(tmp_path / "more").recommend([["z1"]], k=5)
    assert all(np.isfinite(item.score) for item in answer.items)


def test_a_recommender_grows_in_memory(shop, run, larger) -> None:
    recommender = Recommender.load(run)

    grown = recommender.add_items(pyarrow.csv.read_csv(shop / "new.csv"))

    expected = Recommender.load(larger).recommend([["a0", "b0"]], k=64)
    assert grown.recommend([["a0", "b0"]], k=64) == expected
    assert recommender.catalog.num_items == NUM_ITEMS
    again = grown.add_items(pa.table({"item_id": ["z1"], "category_1": ["Food"], "category_2": ["Bread"]}))
    assert again.catalog.num_items == NUM_ITEMS + len(TWINS) + 1
    folder = grown.run
    assert folder is not None
    assert folder.is_dir()
    del grown
    gc.collect()
    assert not folder.exists(), "its folder lives as long as it does"
    assert again.recommend([["z1"]], k=3)[0].unknown_ids == []


def test_a_recommender_that_came_from_no_folder(larger) -> None:
    opened = open_run(larger)

    with pytest.raises(BadInput, match=r"Recommender\.load opened from a run folder"):
        Recommender(opened.catalog, FullRanker(opened.scorer, opened.catalog)).add_items("new.csv")


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        ("popularity", [], r"popularity, a baseline that can't score items .* Train with --recipe best"),
        (
            "hiersrec",
            [],
            r'requires tasks\.item\.vectors "id\+metadata", since .*; got "id"\. Train with --recipe best',
        ),
    ],
)
def test_models_that_cannot_score_new_items(shop, recipe, overrides, message) -> None:
    folder = trained(shop, "other", recipe, "training.epochs=1", *overrides)

    with pytest.raises(BadRecipe, match=message):
        add_items(folder, shop / "new.csv", shop / "never", lambda _: None)
    shutil.rmtree(folder)
    assert not (shop / "never").exists()


def test_an_existing_folder_stays_unless_it_is_to_be_replaced(shop, run, larger, tmp_path) -> None:
    shutil.copytree(larger, tmp_path / "out")
    before = (tmp_path / "out" / "run.json").read_bytes()

    with pytest.raises(BadFolder, match="out exists already"):
        add_items(run, shop / "new.csv", tmp_path / "out", lambda _: None)
    assert (tmp_path / "out" / "run.json").read_bytes() == before

    add_items(run, shop / "new.csv", tmp_path / "out", lambda _: None, overwrite=True)
    assert json.loads((tmp_path / "out" / "run.json").read_bytes()) == json.loads(before)


def test_a_failure_leaves_nothing(shop, run, tmp_path, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("hiersrec.add_items.safetensors", SimpleNamespace(numpy=SimpleNamespace(save_file=broken)))

    with pytest.raises(OSError, match="No space left"):
        add_items(run, shop / "new.csv", tmp_path / "out", lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_categories_read_the_items_is_refused_in_words(shop, tmp_path) -> None:
    recipe = tmp_path / "odd.toml"
    recipe.write_text(
        'base = "any/hiersrec"\nreplace_tasks = true\n'
        '[[tasks]]\nname = "item"\nhead = "cosine"\nvectors = "id+metadata"\n'
        '[[tasks]]\nname = "category"\nreads = ["item"]\n',
        encoding="utf-8",
    )
    train(
        Dataset.open(shop / "data"),
        read_recipe(recipe, [*SMALL, "training.epochs=1"]),
        tmp_path / "run",
        SilentReporter(),
    )

    with pytest.raises(BadRecipe, match=r'run excludes the tasks that read the item task, since .*got \["category"\]'):
        add_items(tmp_path / "run", shop / "new.csv", tmp_path / "never", lambda _: None)


def test_a_run_without_its_card_is_whole(shop, run, larger, tmp_path) -> None:
    """The card is for people and written after the seal: a kill in between leaves a finished run."""
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    (folder / "MODEL_CARD.md").unlink()

    add_items(folder, shop / "new.csv", tmp_path / "out", lambda _: None)

    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (larger / "model.safetensors").read_bytes()


def test_new_items_have_no_neighbours_and_no_trend_and_the_other_items_keep_theirs(shop, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("hiersrec.model.score_terms.trend.trend", fashion)
    settings = (
        *("inputs.neighbours=4", "inputs.id_dropout=0.2", "tasks.item.vectors=id+metadata", "tasks.item.repeats=true"),
        *("tasks.category.head=cosine", "tasks.item.trend=1.0"),
    )
    run = trained(shop, "near", "hiersrec", *settings, "training.epochs=1")
    add_items(run, shop / "new.csv", tmp_path / "larger", say=lambda _: None)

    before, after = (safetensors.numpy.load_file(path / "model.safetensors") for path in (run, tmp_path / "larger"))
    for name in ("inputs.graph.edges", "inputs.graph.shares"):
        assert before[name].tobytes() == after[name].tobytes()
    assert after["trend.values"].tolist() == [*before["trend.values"].tolist(), *[0.0] * len(TWINS)]
    assert before["trend.values"].all()
    session = [item_id(5), item_id(9), item_id(5)]
    ours, theirs = (Recommender.load(path).recommend([session], 400)[0].items for path in (tmp_path / "larger", run))
    scores = {item.item_id: item.score for item in ours}
    assert [scores[item.item_id] for item in theirs] == pytest.approx([item.score for item in theirs], abs=1e-5)
    assert twin(TWINS[0]) in scores


def test_a_run_that_knows_nothing_but_ids_is_refused(shop, tmp_path) -> None:
    events = Source("ids", shop / "events.csv")
    prepare(
        events,
        tmp_path / "data",
        PrepareSettings(split=SplitSettings(method="fraction", value=0.1)),
        say=lambda _: None,
    )
    small = [*SMALL[:3], "training.epochs=1"]
    train(
        Dataset.open(tmp_path / "data"),
        read_recipe(find_recipe("best", "ids"), small),
        tmp_path / "run",
        SilentReporter(),
    )
    (tmp_path / "new.csv").write_text("item_id\nx1\n", encoding="utf-8")

    with pytest.raises(BadRecipe, match=r"requires inputs\.content_width above 0, since .* only by its id; got 0"):
        add_items(tmp_path / "run", tmp_path / "new.csv", tmp_path / "out", lambda _: None)
    assert not (tmp_path / "out").exists()
