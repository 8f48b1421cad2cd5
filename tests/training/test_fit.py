"""Run folders: whole or refused, enough for inference, and never begun over something else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from hiersrec.build import build_trainable, open_run
from hiersrec.config import Recipe
from hiersrec.errors import BadFolder, BadRecipe
from hiersrec.model.scorer import ModelScorer
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe, write_recipe
from hiersrec.store.batches import whole_sessions
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import sha256
from hiersrec.training import loop
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.model.world import TINY
from tests.toy import fashion, write_toy
from tests.training.test_loop import Stop, Stopping

pytestmark = pytest.mark.slow

QUICK = [*TINY, "training.epochs=2", "training.batch_size=32", "training.precision=float32"]
FILES = {
    *("run.json", "model.safetensors", "recipe.toml", "history.jsonl", "MODEL_CARD.md", "catalog"),
}


def recipe(*overrides: str) -> Recipe:
    return read_recipe(find_recipe("hiersrec", "toy"), [*QUICK, *overrides])


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    train(dataset, recipe(), out, SilentReporter())
    return out


@pytest.fixture
def copied(run, tmp_path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


@pytest.fixture
def stopped(dataset, tmp_path, monkeypatch) -> Path:
    """What a kill in the middle of the first epoch leaves behind."""
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    with pytest.raises(Stop):
        train(dataset, recipe(), tmp_path / "stopped", Stopping(3))
    return tmp_path / "stopped"


def test_a_run_holds_what_its_description_says(dataset, run) -> None:
    assert {path.name for path in run.iterdir()} == FILES
    document = json.loads((run / "run.json").read_text(encoding="utf-8"))
    history = [json.loads(line) for line in (run / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert document["dataset"]["fingerprint"] == dataset.fingerprint
    assert document["recipe"] == "hiersrec"
    assert [record["epoch"] for record in history] == [1, 2]
    assert document["best"]["valid_mrr@20"] == max(record["valid"]["mrr@20"] for record in history)
    card = (run / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# hiersrec on toy" in card
    assert f"Parameters: {document['parameters']:,}" in card
    assert "| 2 | " in card


def test_the_run_folder_is_enough(dataset, run, tmp_path) -> None:
    """Moved, with its dataset out of reach, it scores as the weights of the best epoch do."""
    moved = Path(shutil.copytree(run, tmp_path / "elsewhere"))
    opened = open_run(moved)
    batch = whole_sessions([[1, 9, 17], [4]], 10)

    assert opened.catalog.num_items == dataset.catalog.num_items
    assert write_recipe(opened.recipe) == write_recipe(recipe())
    assert isinstance(opened.scorer, ModelScorer)
    expected = open_run(run).scorer.score(batch)
    assert opened.scorer.score(batch).items.tobytes() == expected.items.tobytes()


def test_weights_that_a_head_shares_with_the_inputs_are_stored_once_and_come_back(run) -> None:
    stored = safetensors.torch.load_file(run / "model.safetensors")
    opened = open_run(run)
    assert isinstance(opened.scorer, ModelScorer)
    model = opened.scorer.model

    assert sum(name.endswith("item_table.weight") for name in stored) == 1
    np.testing.assert_array_equal(
        model.inputs.item_table.weight.detach().numpy(), stored["inputs.item_table.weight"].numpy()
    )


def test_training_never_opens_the_test_split(dataset, run, tmp_path) -> None:
    folder = Path(shutil.copytree(dataset.folder, tmp_path / "data"))
    without = Dataset.open(folder)
    shutil.rmtree(folder / "test")

    train(without, recipe(), tmp_path / "run", SilentReporter())

    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("step", [2, 4, 11])
def test_a_resumed_run_is_the_uninterrupted_run(dataset, run, tmp_path, monkeypatch, step) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    with pytest.raises(Stop):
        train(dataset, recipe(), tmp_path / "run", Stopping(step))
    assert not (tmp_path / "run" / "run.json").exists()

    train(dataset, recipe(), tmp_path / "run", SilentReporter(), resume=True)

    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES


def test_a_finished_run_stays(dataset, copied) -> None:
    for other, resume in ((recipe(), False), (recipe("training.epochs=1"), True)):
        with pytest.raises(BadFolder, match=r"is a finished run\. Choose another --out, or replace it with --overwr"):
            train(dataset, other, copied, SilentReporter(), resume=resume)

    train(dataset, recipe("training.epochs=1"), copied, SilentReporter(), overwrite=True)

    assert len((copied / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_an_unfinished_training_resumes_or_starts_over_only_with_the_flag(dataset, run, stopped) -> None:
    with pytest.raises(
        BadFolder, match=r"unfinished training\. Continue with --resume, or start over with --overwrite"
    ):
        train(dataset, recipe(), stopped, SilentReporter())
    with pytest.raises(BadFolder, match="is not a finished run folder"):
        open_run(stopped)

    train(dataset, recipe(), stopped, SilentReporter(), overwrite=True)

    assert (stopped / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_a_training_goes_on_with_its_own_recipe_only(dataset, stopped) -> None:
    with pytest.raises(BadFolder, match=r"begun with another recipe \(.*recipe\.toml\)\. Resume with that one"):
        train(dataset, recipe("training.epochs=3"), stopped, SilentReporter(), resume=True)


def test_a_training_goes_on_with_its_own_dataset_only(dataset, stopped, tmp_path) -> None:
    for name in ("catalog/items.parquet", "catalog/features.json", "catalog/features/image.npy"):
        document = json.loads(json.dumps(dataset.document))
        document["files"][name] = {"bytes": 1, "sha256": "0" * 64}
        other = Dataset(tmp_path / "other", document)

        with pytest.raises(
            BadFolder, match=rf"begun on another dataset than .*other: {name} differs\. Resume with that"
        ):
            train(other, recipe(), stopped, SilentReporter(), resume=True)


def test_nothing_to_resume(dataset, tmp_path) -> None:
    with pytest.raises(BadFolder, match=r"no training to resume in .*none\. Leave out --resume"):
        train(dataset, recipe(), tmp_path / "none", SilentReporter(), resume=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_left_as_it_is(dataset, tmp_path, overwrite) -> None:
    (tmp_path / "letters.txt").write_text("dear", encoding="utf-8")

    for out in (tmp_path, tmp_path / "letters.txt"):
        with pytest.raises(BadFolder, match=r"exists and is no run folder\. Choose another --out"):
            train(dataset, recipe(), out, SilentReporter(), overwrite=overwrite)

    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_recipe_that_cannot_be_built_leaves_nothing_behind(dataset, tmp_path) -> None:
    with pytest.raises(BadRecipe, match="heads must divide"):
        train(dataset, recipe("encoder.heads=7"), tmp_path / "run", SilentReporter())

    assert list(tmp_path.iterdir()) == []


def test_a_recipe_that_cannot_be_built_leaves_the_older_run_where_it_is(dataset, copied) -> None:
    with pytest.raises(BadRecipe, match="heads must divide"):
        train(dataset, recipe("encoder.heads=7"), copied, SilentReporter(), overwrite=True)

    assert open_run(copied).document["recipe"] == "hiersrec"


@pytest.mark.parametrize("name", ["model.safetensors", "recipe.toml", "history.jsonl", "catalog/items.parquet"])
def test_one_wrong_byte_is_noticed(copied, name) -> None:
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copied / name).write_bytes(data)

    with pytest.raises(BadFolder, match=rf"{name} does not match its checksum"):
        open_run(copied)


def test_weights_of_another_shape_are_refused(copied) -> None:
    """A recipe that was changed by hand, checksum and all."""
    changed = write_recipe(recipe("inputs.item_width=4"))
    (copied / "recipe.toml").write_text(changed, encoding="utf-8")
    document = json.loads((copied / "run.json").read_text(encoding="utf-8"))
    document["files"]["recipe.toml"] = {"bytes": len(changed.encode()), "sha256": sha256(copied / "recipe.toml")}
    del document["seal_sha256"]
    (copied / "run.json").write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(BadFolder, match=r"model\.safetensors does not fit its recipe: .*shape.* Train again") as error:
        open_run(copied)

    assert "\n" not in str(error.value)


def test_a_training_leaves_the_callers_random_state_as_it_was(dataset, tmp_path) -> None:
    before = torch.get_rng_state()

    train(dataset, recipe("training.epochs=1"), tmp_path / "run", SilentReporter())

    assert torch.equal(torch.get_rng_state(), before)


def test_unused_gpus_are_not_touched(dataset, run, tmp_path, monkeypatch) -> None:
    """With several GPUs, torch warns when the random states of all are read."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    train(dataset, recipe("training.epochs=1"), tmp_path / "run", SilentReporter(), init_from=run)

    assert (tmp_path / "run" / "run.json").is_file()


@pytest.mark.parametrize("name", ["popularity", "cooccurrence", "last_category"])
def test_a_baseline_is_a_run_as_well(dataset, tmp_path, name) -> None:
    document = train(dataset, read_recipe(find_recipe(name, "toy")), tmp_path / "run", SilentReporter())

    opened = open_run(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert document["parameters"] > 0
    assert opened.scorer.score(whole_sessions([[1]], 10)).items.shape == (1, dataset.catalog.num_items + 1)


def test_a_refit_trains_all_epochs_on_validation_sessions_too(dataset, run, tmp_path) -> None:
    document = train(dataset, recipe("training.refit=true", "training.patience=1"), tmp_path / "run", SilentReporter())

    assert document["best"] == {"epoch": 2}
    history = [
        json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [set(record) for record in history] == [{"epoch", "loss", "examples_per_s", "train_s"}] * 2
    data = dataset.training()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        both = replace(data, train=data.train.followed_by(data.valid))  # which are the latest
        made = build_trainable(recipe(), data.catalog, both.train)
        loop.fit(made, both, recipe("training.epochs=2").training, tmp_path / "loop", SilentReporter())
    expected = ModelScorer(made).score(whole_sessions([[1, 9, 17], [4]], 10)).items
    scores = open_run(tmp_path / "run").scorer.score(whole_sessions([[1, 9, 17], [4]], 10)).items
    assert scores.tobytes() == expected.tobytes(), "the weights after the last epoch"
    other = open_run(run).scorer.score(whole_sessions([[1, 9, 17], [4]], 10)).items
    assert scores.tobytes() != other.tobytes()
    assert "nothing was left to measure on" in (tmp_path / "run" / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_refit_knows_what_came_last(dataset, tmp_path, monkeypatch) -> None:
    """Trends hang on the order: validation sessions are among the others, or after them."""
    seen = []
    monkeypatch.setattr(
        "hiersrec.model.score_terms.trend.trend",
        lambda num_items, train: seen.append(train) or fashion(num_items, train),
    )
    data = dataset.training()
    made = recipe("training.refit=true", "training.epochs=1", "tasks.item.trend=1.0")
    orders = {"random": data.train.among(data.valid), "latest": data.train.followed_by(data.valid)}
    for part, expected in orders.items():
        split = {**dataset.document["split"], "validation": part}
        other = replace(dataset, document={**dataset.document, "split": split})
        train(other, made, tmp_path / part, SilentReporter())

        assert seen.pop().items.tolist() == expected.items.tolist()


def test_a_refit_of_divided_sessions_takes_each_once(tmp_path, monkeypatch) -> None:
    """With leave-last, validation sessions are training sessions with one item more."""
    seen = []
    monkeypatch.setattr(
        "hiersrec.model.score_terms.trend.trend",
        lambda num_items, train: seen.append(train) or fashion(num_items, train),
    )
    shop = write_toy(tmp_path, sessions=40)
    with (shop / "events.csv").open("a") as events:
        events.writelines(f"{line}\n" for line in short_session(shop / "events.csv"))
    split = SplitSettings(method="leave_last", value=1)
    prepare(Source("toy", shop / "events.csv"), shop / "data", PrepareSettings(split=split), say=lambda _: None)
    data = Dataset.open(shop / "data")
    made = recipe("training.refit=true", "training.epochs=1", "tasks.item.trend=1.0")

    train(data, made, shop / "run", SilentReporter())

    [sessions] = seen
    assert len(sessions) == len(data.sessions("train")) == 41
    assert len(data.sessions("valid")) == 40
    count = data.document["split"]
    assert len(sessions.items) == count["train"]["events"] + count["valid"]["sessions"]


def short_session(events: Path) -> list[str]:
    """The first two lines of a file of events, as those of a new session "short"."""
    header, *lines = events.read_text().splitlines()[:3]
    column = header.split(",").index("session_id")
    cells = [line.split(",") for line in lines]
    return [",".join([*row[:column], "short", *row[column + 1 :]]) for row in cells]


def test_a_refit_takes_all_sessions(dataset, tmp_path) -> None:
    with pytest.raises(BadRecipe, match=r"training\.refit = true requires training\.newest_share 1, .*got 0\.5"):
        train(dataset, recipe("training.refit=true", "training.newest_share=0.5"), tmp_path / "run", SilentReporter())

    assert not (tmp_path / "run").exists()
