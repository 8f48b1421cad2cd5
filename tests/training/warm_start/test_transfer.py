"""A shop of which a part is gone and a part is new: what was learnt of the rest stays with the rest."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hiersrec import registry
from hiersrec.add_items import add_items
from hiersrec.build import LoadedRun, build_model, open_run
from hiersrec.config import ModelRecipe, TaskTable
from hiersrec.errors import BadFolder, BadRecipe
from hiersrec.evaluation.evaluate import evaluate
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.scorer import ModelScorer
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import Implicit, Metadata, PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import Dataset
from hiersrec.training import loop
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from hiersrec.training.unfinished import has_checkpoint
from hiersrec.training.warm_start import transfer
from tests.model.world import TINY
from tests.toy import (
    COLOURS,
    DEPARTMENT_OF_SHELF,
    DEPARTMENTS,
    NUM_ITEMS,
    PER_SHELF,
    SHELVES,
    WITHOUT_SHELF,
    colour,
    event_type,
    item_id,
    title,
    walks,
)
from tests.training.test_loop import Listening, Stop, Stopping

pytestmark = pytest.mark.slow

NEW = {*range(1, PER_SHELF + 1), 20}
"""Items that the older shop lacks: the first shelf, Apples, and one of Cheese."""
GONE = {*range(25, 25 + PER_SHELF), 10, 47}
"""Items that the newer shop lacks: the shelf Drills, one of Bread and one of Hammers."""
QUICK = [*TINY, "training.epochs=2", "training.batch_size=64", "training.precision=float32"]
WHOLE = """
base = "any/hiersrec"
pooling = "attention"
replace_tasks = true
tasks = [
    { name = "event_type" },
    { name = "category", weight = "trainable", reads = ["event_type"] },
    { name = "column" },
    { name = "item", head = "linear", softmax = "sampled", reads = ["*"], injection_weight = "trainable" },
]
"""
METADATA = Metadata(text=("title",), categorical=("colour",))


def write_shop(folder: Path, without: set[int], types: tuple[str, str]) -> Dataset:
    """The toy shop without some items; each of its two types of events may have another name."""
    folder.mkdir(parents=True)
    events = ["session_id,item_id,timestamp,event_type"]
    for number, walk in enumerate(walks(160, seed=len(without))):
        session = [item for item in walk if item not in without]
        events += [
            f"s{number:04},{item_id(item)},{1_600_000_000 + number * 3600 + second},{types[event_type(item) - 1]}"
            for second, item in enumerate(session)
        ]
    items = ["item_id,category_1,category_2,title,colour"]
    for item in sorted(set(range(1, NUM_ITEMS + 1)) - without, reverse=True):
        shelf = (item - 1) // PER_SHELF
        hue = "violet" if item in NEW else "black" if item in GONE else [None, *COLOURS][colour(item)]
        path = (DEPARTMENTS[DEPARTMENT_OF_SHELF[shelf]], "" if item == WITHOUT_SHELF else SHELVES[shelf])
        items.append(f"{item_id(item)},{','.join(path)},{title(item)},{hue or ''}")
    (folder / "events.csv").write_text("\n".join(events) + "\n", encoding="utf-8")
    (folder / "items.csv").write_text("\n".join(items) + "\n", encoding="utf-8")
    return prepared(folder, METADATA)


def prepared(folder: Path, metadata: Metadata, name: str = "data", clusters: tuple[int, ...] = ()) -> Dataset:
    source = Source("toy", folder / "events.csv", folder / "items.csv")
    split, implicit = SplitSettings(method="fraction", value=0.2), Implicit(clusters=clusters)
    settings = PrepareSettings(split=split, metadata=metadata, implicit=implicit)
    prepare(source, folder / name, settings, say=lambda _: None)
    return Dataset.open(folder / name)


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Dataset:
    return write_shop(tmp_path_factory.mktemp("shops") / "older", NEW, ("order", "view"))


@pytest.fixture(scope="module")
def newer(tmp_path_factory) -> Dataset:
    return write_shop(tmp_path_factory.mktemp("shops") / "newer", GONE, ("basket", "view"))


def recipe(*overrides: str, name: str = "hiersrec") -> ModelRecipe:
    made = read_recipe(find_recipe(name, "toy"), [*QUICK, *overrides])
    assert isinstance(made, ModelRecipe)
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> str:
    """A recipe with every kind of tensor that depends on the catalogue."""
    path = tmp_path_factory.mktemp("recipes") / "whole.toml"
    path.write_text(WHOLE, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def run(older, whole, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "older"
    train(older, recipe(name=whole), out, SilentReporter())
    return out


@pytest.fixture(scope="module")
def plain_run(older, tmp_path_factory) -> Path:
    """A run of the default recipe."""
    out = tmp_path_factory.mktemp("runs") / "plain"
    train(older, recipe(), out, SilentReporter())
    return out


def fresh(made: ModelRecipe, dataset: Dataset, seed: int = 5) -> HierarchicalModel:
    torch.manual_seed(seed)
    return build_model(made, dataset.catalog)


def model_of(run: Path) -> tuple[LoadedRun, HierarchicalModel]:
    opened = open_run(run)
    assert isinstance(opened.scorer, ModelScorer)
    return opened, opened.scorer.model


def names_of_rows(catalog: Catalog, folder: Path) -> dict[str, list[object]]:
    """What the rows 1, 2, ... of each table stand for, read by hand from the files of prepare."""
    names: dict[str, list[object]] = {
        "item": catalog.items["item_id"].to_pylist(),
        "event_type": [*catalog.event_types],
    }
    for level in (1, 2):
        paths: dict[int, object] = {}
        for item in range(1, catalog.num_items + 1):
            paths[int(catalog.item_nodes[item, level - 1])] = tuple(catalog.path(item)[:level])
        names[f"category_{level}"] = [paths[node] for node in sorted(paths)]
    for name, key in (("title", "words"), ("colour", "values")):
        learnt = json.loads((folder / "catalog" / "features" / f"{name}.json").read_text(encoding="utf-8"))
        names[name] = learnt[key]
    return names


TABLES = {
    "inputs.item_table.weight": "item",
    "inputs.level_tables.0.weight": "category_1",
    "inputs.level_tables.1.weight": "category_2",
    "inputs.feature_tables.0.weight": "title",
    "inputs.feature_tables.1.weight": "colour",
}
CLASSES = {"event_type": "event_type", "category_1": "category_1", "category_2": "category_2"}
CLASSES |= {"column_colour": "colour", "item": "item"}


def place_of(tensor: str) -> tuple[int, str, int] | None:
    """Axis, what it stands for, and the number of its first thing."""
    if tensor in TABLES:
        return 0, TABLES[tensor], 1
    for task, things in CLASSES.items():
        if tensor.startswith(f"tasks.{task}.fc."):
            return 0, things, 0
        if tensor.startswith(f"projections.{task}_to_"):
            return 1, things, 0
    return None


def twin(
    name: str, before: Tensor, after: Tensor, then: dict[str, list[object]], now: dict[str, list[object]]
) -> Tensor:
    """The tensor that a warm start should give, row by row."""
    if name == "encoder.positions":
        return torch.cat([before, after[len(before) :]])
    if (placed := place_of(name)) is None:
        return before
    axis, things, first = placed
    expected = after.clone()
    for row, thing in enumerate(now[things]):
        if thing in then[things] and row + first < after.shape[axis]:
            expected.select(axis, row + first).copy_(before.select(axis, then[things].index(thing) + first))
    return expected


@pytest.mark.parametrize("name", ["whole", "hiersrec"])
def test_every_tensor_is_what_a_loop_over_names_gives(older, newer, run, plain_run, whole, name) -> None:
    made = recipe("encoder.max_length=12", name=whole if name == "whole" else name)
    origin = run if name == "whole" else plain_run
    before = model_of(origin)[1].state_dict()
    after = {key: value.clone() for key, value in fresh(made, newer).state_dict().items()}
    then, now = (names_of_rows(dataset.catalog, dataset.folder) for dataset in (older, newer))

    model = fresh(made, newer)
    transfer.transfer_weights(origin, model, made, newer)

    weights = model.state_dict()
    assert weights.keys() == before.keys()
    assert all(place_of(name) or before[name].shape == after[name].shape or "positions" in name for name in after)
    for tensor, value in weights.items():
        expected = twin(tensor, before[tensor], after[tensor], then, now)
        assert torch.equal(value, expected), tensor
        if place_of(tensor):
            assert not torch.equal(expected, after[tensor]), f"{tensor}: nothing was carried over"


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_on_the_same_data_all_is_as_it_was(older, run, plain_run, whole, head) -> None:
    origin, made = (run, recipe(name=whole)) if head == "linear" else (plain_run, recipe())
    model = fresh(made, older)

    facts = transfer.transfer_weights(origin, model, made, older)

    opened, trained = model_of(origin)
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    valid = older.training().valid
    assert (
        evaluate(ModelScorer(model), older.catalog, valid).metrics
        == evaluate(opened.scorer, opened.catalog, valid).metrics
    )
    assert facts["items"] == {"known": NUM_ITEMS - len(NEW), "new": 0, "gone": 0}
    assert facts["new_tensors"] == []


def test_old_items_score_as_they_did_in_sessions_of_old_items(older, newer, tmp_path) -> None:
    """Each item by itself: a task that reads the categories would see that there are others now."""
    made = recipe("tasks.item.reads=[]", "encoder.max_length=8")
    train(older, made, tmp_path / "run", SilentReporter())
    model = fresh(made, newer)
    transfer.transfer_weights(tmp_path / "run", model, made, newer)
    before = open_run(tmp_path / "run")
    common = [item for item in older.catalog.items["item_id"].to_pylist() if newer.catalog.to_internal([item])[0]]
    walked = [[item_id(item) for item in walk if item_id(item) in common] for walk in walks(40, 8)]
    sessions = [session for session in walked if session]

    then, now = (
        scorer.score(whole_sessions([catalog.to_internal(session).tolist() for session in sessions], 8))
        for scorer, catalog in ((before.scorer, before.catalog), (ModelScorer(model), newer.catalog))
    )

    columns = [catalog.to_internal(common) for catalog in (before.catalog, newer.catalog)]
    assert len(common) == NUM_ITEMS - len(NEW | GONE)
    assert columns[0].tolist() != columns[1].tolist()
    np.testing.assert_allclose(now.items[:, columns[1]], then.items[:, columns[0]], rtol=0, atol=1e-5)
    for level in (1, 2):
        names = [catalog.levels[level - 1].names for catalog in (before.catalog, newer.catalog)]
        both = [name for name in names[0] if name is not None and name in names[1]]
        nodes = [[of.index(name) for name in both] for of in names]
        assert len(both) == [2, 4][level - 1]
        np.testing.assert_allclose(
            now.categories[level][:, nodes[1]], then.categories[level][:, nodes[0]], rtol=0, atol=1e-5
        )


def test_a_run_says_where_it_began_and_what_came_with_it(older, newer, run, whole, tmp_path) -> None:
    reporter = Listening()

    document = train(newer, recipe("training.epochs=1", name=whole), tmp_path / "run", reporter, init_from=run)

    known, new, gone = NUM_ITEMS - len(NEW | GONE), len(NEW), len(GONE)
    assert document["init_from"] == {
        "path": str(run),
        "recipe": "whole",
        "dataset": {"name": "toy", "fingerprint": older.fingerprint},
        "items": {"known": known, "new": new, "gone": gone},
        "categories": {"known": 6, "new": 1, "gone": 1},
        "new_tensors": [],
    }
    line = f"{known} of {known + new} items known, {new} new, {gone} gone; 6 of 7 categories known, 1 new, 1 gone"
    assert f"train: from {run}: {line}" in reporter.said
    card = (tmp_path / "run" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"- Began with: whole on toy, {run}: {line}\n" in card
    assert "init_from" not in json.loads((run / "run.json").read_text(encoding="utf-8"))


def test_one_epoch_from_a_run_is_better_than_one_epoch_from_nothing(older, newer, tmp_path) -> None:
    quick = ["training.learning_rate=1e-2", "training.batch_size=16"]
    train(older, recipe("training.epochs=6", *quick), tmp_path / "older", SilentReporter())
    made = recipe("training.epochs=1", *quick)

    cold = train(newer, made, tmp_path / "cold", SilentReporter())["best"]["valid_mrr@20"]
    warm = train(newer, made, tmp_path / "warm", SilentReporter(), init_from=tmp_path / "older")["best"]["valid_mrr@20"]

    assert warm > 1.5 * cold


def test_a_task_that_the_run_lacks_starts_fresh_and_is_named(newer, plain_run) -> None:
    """A recipe may take on tasks; the item task then has new projections beside its old weights."""
    made = recipe("tasks.item.reads=[]")
    column = TaskTable(name="column", config=registry.load("model.tasks", "column").Config())
    made = dataclasses.replace(made, tasks=(*made.tasks[:-1], column, made.tasks[-1]))
    model = fresh(made, newer)
    untouched = model.state_dict()["tasks.column_colour.fc.weight"].clone()

    facts = transfer.transfer_weights(plain_run, model, made, newer)

    assert facts["new_tensors"] == ["tasks.column_colour.fc.weight", "tasks.column_colour.fc.bias"]
    assert "not in the run, so fresh: tasks.column_colour.fc.weight" in transfer.summary(facts)
    assert torch.equal(model.state_dict()["tasks.column_colour.fc.weight"], untouched)


def test_a_deeper_tree_brings_a_fresh_level_and_a_flatter_one_drops_it(older, plain_run, tmp_path) -> None:
    """A third level in the newer data, and then back."""
    shop = Path(shutil.copytree(older.folder.parent, tmp_path / "deep", ignore=shutil.ignore_patterns("data")))
    rows = (shop / "items.csv").read_text(encoding="utf-8").splitlines()
    deeper = [rows[0].replace("category_2,", "category_2,category_3,")]
    deeper += [
        ",".join([*row.split(",")[:3], f"{row.split(',')[2]} {row[1]}", *row.split(",")[3:]]) for row in rows[1:]
    ]
    (shop / "items.csv").write_text("\n".join(deeper) + "\n", encoding="utf-8")
    deep = prepared(shop, METADATA)
    made = recipe("training.epochs=1")

    facts = train(deep, made, tmp_path / "run", SilentReporter(), init_from=plain_run)["init_from"]
    back = transfer.transfer_weights(tmp_path / "run", model := fresh(made, older), made, older)

    assert len(deep.catalog.levels) == 3
    assert {name.split(".")[1] for name in facts["new_tensors"]} == {
        *("level_tables", "category_3", "category_3_to_item"),
    }
    assert facts["categories"]["new"] == deep.catalog.levels[2].num_known == back["categories"]["gone"]
    trained = model_of(tmp_path / "run")[1].state_dict()
    assert torch.equal(model.state_dict()["inputs.level_tables.1.weight"], trained["inputs.level_tables.1.weight"])


def test_implicit_categories_go_by_their_items_for_their_names_are_new_each_time(older, newer, tmp_path) -> None:
    shops = [
        shutil.copytree(dataset.folder.parent, tmp_path / name) for dataset, name in ((older, "then"), (newer, "now"))
    ]
    then, now = (prepared(Path(shop), METADATA, "found", clusters=(4,)) for shop in shops)
    made = recipe("training.epochs=1")
    train(then, made, tmp_path / "run", SilentReporter())
    model = fresh(made, now)

    facts = transfer.transfer_weights(tmp_path / "run", model, made, now)

    tables = [
        trained.state_dict()["inputs.level_tables.0.weight"] for trained in (model_of(tmp_path / "run")[1], model)
    ]
    assert facts["categories"]["new"] == 0
    assert set(now.catalog.levels[0].names) - set(then.catalog.levels[0].names), "by name they would be new"
    for node in range(1, 5):
        inside = [
            item
            for item in now.catalog.items["item_id"].to_pylist()
            if now.catalog.path(_number(now, item)) == [now.catalog.levels[0].names[node]]
        ]
        shared = [int(then.catalog.item_nodes[_number(then, item), 0]) for item in inside if _number(then, item)]
        best = max(range(1, 5), key=lambda number: (shared.count(number), -number))
        assert torch.equal(tables[1][node], tables[0][best])


def _number(dataset: Dataset, item: object) -> int:
    return int(dataset.catalog.to_internal([str(item)])[0])


def test_items_that_were_added_to_the_run_are_known(older, newer, tmp_path) -> None:
    made = recipe("tasks.item.vectors=id+metadata", "inputs.id_dropout=0.3", "training.epochs=1")
    train(older, made, tmp_path / "run", SilentReporter())
    add_items(tmp_path / "run", newer.folder.parent / "items.csv", tmp_path / "larger", lambda _: None)
    model = fresh(made, newer)

    facts = transfer.transfer_weights(tmp_path / "larger", model, made, newer)

    table = model.state_dict()["inputs.item_table.weight"]
    [added] = newer.catalog.to_internal([item_id(1)])
    assert facts["items"] == {"known": newer.catalog.num_items, "new": 0, "gone": len(GONE)}
    assert not table[added].any(), "as add-items left it"
    assert table.any(1).sum() == newer.catalog.num_items - len(NEW)


@pytest.mark.parametrize("last", [2, 7])
@pytest.mark.parametrize("saved", [True, False])
def test_resume_needs_no_flag_and_no_older_run_and_ends_the_same(
    newer, plain_run, tmp_path, monkeypatch, last, saved
) -> None:
    """Killed with and without a checkpoint, in the first epoch and in the second."""
    train(newer, recipe(), tmp_path / "uninterrupted", SilentReporter(), init_from=plain_run)
    moved = Path(shutil.copytree(plain_run, tmp_path / "older"))
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0 if saved else 1e9)
    with pytest.raises(Stop):
        train(newer, recipe(), tmp_path / "run", Stopping(last), init_from=moved)
    shutil.rmtree(moved)

    document = train(
        newer, recipe(), tmp_path / "run", SilentReporter(), resume=True, init_from=moved if saved else None
    )

    stored = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "uninterrupted")]
    assert stored[0] == stored[1]
    assert document["init_from"]["path"] == str(moved)
    assert not (tmp_path / "run" / "state").exists()


def test_a_training_goes_on_from_its_own_start_only(newer, plain_run, run, tmp_path) -> None:
    with pytest.raises(Stop):
        train(newer, recipe(), tmp_path / "warm", Stopping(2), init_from=plain_run)
    with pytest.raises(Stop):
        train(newer, recipe(), tmp_path / "cold", Stopping(2))

    with pytest.raises(BadFolder, match=rf"was begun from {plain_run}, not from {run}\. Resume without --init-from"):
        train(newer, recipe(), tmp_path / "warm", SilentReporter(), resume=True, init_from=run)
    with pytest.raises(BadFolder, match=r"cold was begun with fresh weights, not from .*plain\. Resume without"):
        train(newer, recipe(), tmp_path / "cold", SilentReporter(), resume=True, init_from=plain_run)


def test_what_has_no_checkpoint_begins_again_only_as_it_was_begun(newer, plain_run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 1e9)
    with pytest.raises(Stop):
        train(newer, recipe(), tmp_path / "warm", Stopping(2), init_from=plain_run)
    with pytest.raises(Stop):
        train(newer, recipe(), tmp_path / "cold", Stopping(2))
    assert not any(has_checkpoint(tmp_path / name) for name in ("warm", "cold"))

    with pytest.raises(BadFolder, match="warm holds an unfinished training"):
        train(newer, recipe(), tmp_path / "warm", SilentReporter())
    with pytest.raises(BadFolder, match="cold holds an unfinished training"):
        train(newer, recipe(), tmp_path / "cold", SilentReporter(), init_from=plain_run)
    assert train(newer, recipe(), tmp_path / "warm", SilentReporter(), init_from=plain_run)["init_from"]
    assert "init_from" not in train(newer, recipe(), tmp_path / "cold", SilentReporter())


def test_a_refitted_run_starts_none_that_its_validation_sessions_measure(older, newer, tmp_path) -> None:
    train(older, recipe("training.refit=true", "training.epochs=1"), tmp_path / "run", SilentReporter())

    with pytest.raises(BadRecipe, match=r"was trained on the validation sessions too \(refit\)"):
        transfer.transfer_weights(tmp_path / "run", fresh(recipe(), older), recipe(), older)

    refit = recipe("training.refit=true")
    assert transfer.transfer_weights(tmp_path / "run", fresh(refit, older), refit, older)
    assert transfer.transfer_weights(tmp_path / "run", fresh(recipe(), newer), recipe(), newer)


def test_a_kill_before_the_recipe_stands_leaves_a_folder_that_can_be_used(newer, plain_run, tmp_path) -> None:
    (tmp_path / "run" / "state").mkdir(parents=True)
    (tmp_path / "run" / "state" / f".{transfer.START}.1.part").write_bytes(b"half")

    train(newer, recipe("training.epochs=1"), tmp_path / "run", SilentReporter(), init_from=plain_run)

    (tmp_path / "other" / "state").mkdir(parents=True)
    (tmp_path / "other" / "state" / "mine.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(BadFolder, match="exists and is no run folder"):
        train(newer, recipe("training.epochs=1"), tmp_path / "other", SilentReporter(), init_from=plain_run)


OTHER_SETTINGS = [
    (["inputs.item_width=6"], r"inputs\.item_width is 6 here and 8 there\. Train with the run's own recipe"),
    (["encoder.layers=1", "encoder.dropout=0.3"], r"recipe: encoder\.layers is 1 here and 2 there\. Train"),
    (["encoder.name=mean", "tasks.item.scale=9"], r"recipe: encoder\.name is 'mean' here and 'transformer' there\. Tr"),
    (
        ["inputs.item_width=6", "tasks.item.smoothing=0.1", "tasks.item.repeats=true"],
        r"recipe: inputs\.item_width is 6",
    ),
    (["inputs.neighbours=3"], r"recipe: inputs\.neighbours is 3 here and 0 there\. Train"),
    (["pooling=attention"], r"pooling is 'attention' here and 'average' there"),
    (["tasks.item.head=linear"], r"tasks\.item\.head is 'linear' here and 'cosine' there"),
]


@pytest.mark.parametrize(("settings", "message"), OTHER_SETTINGS)
def test_other_weights_are_refused_by_the_name_of_the_setting(newer, plain_run, tmp_path, settings, message) -> None:
    with pytest.raises(BadRecipe, match=message) as error:
        train(newer, recipe(*settings), tmp_path / "run", SilentReporter(), init_from=plain_run)

    assert "weights of" in str(error.value)
    assert not any(word in str(error.value) for word in ("dropout", "smoothing", "repeats"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("setting", ["inputs.dropout=0.2", "encoder.max_length=4", "tasks.item.injection_weight=0.5"])
def test_settings_that_make_no_weights_may_change(newer, plain_run, setting) -> None:
    made = recipe(setting)

    assert transfer.transfer_weights(plain_run, fresh(made, newer), made, newer)["new_tensors"] == []


def test_baselines_are_refused_on_both_sides(older, newer, plain_run, tmp_path) -> None:
    counted = read_recipe(find_recipe("popularity", "toy"))
    trained = dataclasses.replace(read_recipe(find_recipe("cotrec", "toy")), name="cotrec")
    train(older, counted, tmp_path / "counted", SilentReporter())

    for made, origin, message in (
        (recipe(), tmp_path / "counted", r"counted holds 'popularity', a baseline\. Give another run"),
        (counted, plain_run, r'--init-from excludes baseline\.name, since .*; got "popularity"'),
        (trained, plain_run, r'--init-from excludes baseline\.name, since .*; got "cotrec"'),
    ):
        with pytest.raises(BadRecipe, match=message):
            train(newer, made, tmp_path / "run", SilentReporter(), init_from=origin)
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_replace_itself(newer, plain_run, tmp_path) -> None:
    copied = Path(shutil.copytree(plain_run, tmp_path / "copy"))

    for overwrite in (False, True):
        with pytest.raises(BadFolder, match=r"copy is the run to start from.* Choose another --out"):
            train(newer, recipe(), copied, SilentReporter(), init_from=copied, overwrite=overwrite)

    assert open_run(copied).document["recipe"] == "hiersrec"


def test_a_run_that_is_none_or_damaged_is_refused(newer, plain_run, tmp_path) -> None:
    damaged = Path(shutil.copytree(plain_run, tmp_path / "damaged"))
    data = bytearray((damaged / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (damaged / "model.safetensors").write_bytes(data)

    with pytest.raises(BadFolder, match=r"model\.safetensors does not match its checksum"):
        train(newer, recipe(), tmp_path / "run", SilentReporter(), init_from=damaged)
    with pytest.raises(BadFolder, match="There is no run folder at"):
        train(newer, recipe(), tmp_path / "run", SilentReporter(), init_from=tmp_path / "none")


def test_other_columns_are_refused_unless_the_model_reads_none(newer, plain_run, tmp_path) -> None:
    shop = Path(shutil.copytree(newer.folder.parent, tmp_path / "shop", ignore=shutil.ignore_patterns("data")))
    without = prepared(shop, Metadata(text=("title",), ignore=("colour",)), "without")
    otherwise = prepared(shop, Metadata(text=("title", "colour")), "otherwise")

    for dataset, now in ((without, r"title \(text\)"), (otherwise, r"title \(text\), colour \(text\)")):
        with pytest.raises(
            BadFolder,
            match=rf"with the metadata columns title \(text\), colour \(categorical\), but .* has {now}: each",
        ):
            train(dataset, recipe(), tmp_path / "run", SilentReporter(), init_from=plain_run)

    none = recipe("inputs.metadata_width=0", "training.epochs=1")
    train(newer, none, tmp_path / "ids", SilentReporter())
    assert (
        train(without, none, tmp_path / "run", SilentReporter(), init_from=tmp_path / "ids")["init_from"]["items"][
            "new"
        ]
        == 0
    )


def test_a_shop_that_lost_its_categories_is_refused(plain_run, tmp_path) -> None:
    dataset = write_shop(tmp_path / "none", GONE, ("order", "view"))
    shop = dataset.folder.parent
    rows = (shop / "items.csv").read_text(encoding="utf-8").splitlines()
    flat = [",".join([row.split(",")[0], *row.split(",")[3:]]) for row in rows]
    (shop / "items.csv").write_text("\n".join(flat) + "\n", encoding="utf-8")

    with pytest.raises(
        BadFolder, match=r"with 2 category levels, but .*flat has 0: either both have categories or non"
    ):
        train(prepared(shop, METADATA, "flat"), recipe(), tmp_path / "run", SilentReporter(), init_from=plain_run)


def test_neighbours_and_trends_are_those_of_the_newer_sessions_and_the_rest_is_carried(older, newer, tmp_path) -> None:
    train(
        older,
        recipe("inputs.neighbours=2", "tasks.item.repeats=true", "training.epochs=1"),
        tmp_path / "run",
        SilentReporter(),
    )
    made = recipe(
        *("inputs.neighbours=3", "tasks.item.repeats=true", "tasks.item.smoothing=0.1", "tasks.item.trend=0.5")
    )
    torch.manual_seed(5)
    model = build_model(made, newer.catalog, train=newer.training().train)
    edges, trend = model.inputs.graph.edges.clone(), model.item_terms["trend"]().clone()

    facts = transfer.transfer_weights(tmp_path / "run", model, made, newer)

    _, before = model_of(tmp_path / "run")
    assert torch.equal(model.inputs.graph.edges, edges)
    assert not torch.equal(edges, before.inputs.graph.edges)
    assert torch.equal(model.item_terms["trend"](), trend)
    assert model.inputs.neighbour_share.item() == before.inputs.neighbour_share.item()
    for name, value in before.position_terms["repeats"].named_parameters():
        assert torch.equal(model.position_terms["repeats"].get_parameter(name), value)
    assert facts["new_tensors"] == []
