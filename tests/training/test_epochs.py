"""The number of epochs that follows from the data."""

from dataclasses import replace

import pytest

from hiersrec.errors import BadRecipe
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.training.epochs import FEWEST, MOST, epochs_for, prefixes_of, with_epochs
from hiersrec.training.fit import train
from tests.model.world import TINY
from tests.training.test_loop import Listening

QUICK = [*TINY, "training.batch_size=256", "training.precision=float32"]


def recipe(*overrides: str):
    return read_recipe(find_recipe("hiersrec", "toy"), [*QUICK, *overrides])


@pytest.mark.parametrize(
    ("prefixes", "epochs"),
    [(0, 20), (19_342, 20), (100_000, 20), (171_389, 12), (183_601, 11), (345_000, 6), (647_024, 3), (10**8, 3)],
)
def test_smaller_shops_read_their_sessions_more_often(prefixes, epochs):
    assert epochs_for(prefixes) == epochs


def test_never_more_epochs_for_more_prefixes():
    numbers = [epochs_for(prefixes) for prefixes in range(1, 2_000_000, 5_000)]
    assert numbers == sorted(numbers, reverse=True)
    assert (numbers[0], numbers[-1]) == (MOST, FEWEST)


def test_prefixes_are_the_events_that_have_one_before_them(dataset):
    data = dataset.training()
    sessions = [data.train.items[a:b] for a, b in zip(data.train.offsets, data.train.offsets[1:], strict=False)]
    assert prefixes_of(data, 1.0) == sum(len(session) - 1 for session in sessions)
    newest = sessions[-round(len(sessions) * 0.25) :]
    assert prefixes_of(data, 0.25) == sum(len(session) - 1 for session in newest)


def test_a_number_stays(dataset):
    given = recipe("training.epochs=7")
    assert with_epochs(given, dataset) is given


def test_the_share_that_is_trained_on_decides(dataset, monkeypatch):
    data = dataset.training()
    monkeypatch.setattr("hiersrec.training.epochs.PREFIXES", prefixes_of(data, 1.0) * 4)
    assert with_epochs(recipe("training.epochs=auto"), dataset).training.epochs == 4
    share = with_epochs(recipe("training.epochs=auto", "training.newest_share=0.5"), dataset).training.epochs
    assert share == round(prefixes_of(data, 1.0) * 4 / prefixes_of(data, 0.5)) > 4


@pytest.mark.slow
def test_the_run_holds_the_number_and_resumes_with_auto(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("hiersrec.training.epochs.MOST", 3)
    automatic = recipe("training.epochs=auto")
    reporter = Listening()
    train(dataset, automatic, tmp_path / "auto", reporter)
    train(dataset, recipe("training.epochs=3"), tmp_path / "three", Listening())
    assert read_recipe(tmp_path / "auto" / "recipe.toml").training.epochs == 3
    assert any('epochs = "auto": at most 3' in line for line in reporter.said)
    for name in ("model.safetensors", "recipe.toml"):
        assert (tmp_path / "auto" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()
    train(dataset, automatic, tmp_path / "auto", reporter, resume=True)  # finished already, with the same recipe
    refit = replace(automatic, training=replace(automatic.training, refit=True))
    train(dataset, refit, tmp_path / "refit", Listening())
    assert read_recipe(tmp_path / "refit" / "recipe.toml").training.epochs == 3


@pytest.mark.parametrize("epochs", ["0", "-1", "1.5", "often"])
def test_others_are_refused(epochs):
    with pytest.raises(BadRecipe, match=r"epochs.*'auto'"):
        recipe(f"training.epochs={epochs}")
