"""Which recipe a training gets for which none was named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import hiersrec
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.training import advice, precision
from hiersrec.training.default_recipe import LONG, is_too_slow
from hiersrec.training.distributed import ProcessGroup, single_process
from hiersrec.training.progress import SilentReporter

PREFIXES, RATE = 700_000, 2e11
LIMIT = int(LONG * RATE / (6 * 256 * PREFIXES))
"""Items from which the default recipe, 256 wide, takes an hour an epoch."""
BEST = read_recipe(find_recipe("best", "any"), ["training.precision=float32"])


class Listening(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(autouse=True)
def machine(monkeypatch) -> None:
    """A processor of a known rate, and no GPU."""
    monkeypatch.setattr(precision, "rate", lambda _: RATE)
    monkeypatch.setattr(advice.torch.cuda, "is_available", lambda: False)


def data(items: int) -> TrainingData:
    sessions = Sessions(np.ones(PREFIXES // 7 * 8, np.int32), np.arange(0, PREFIXES // 7 * 8 + 1, 8))
    return TrainingData(Catalog(pa.table({"item": pa.nulls(items)}), [], []), sessions, sessions)


def test_an_hour_an_epoch_is_too_slow_and_is_said() -> None:
    heard = Listening()

    assert not is_too_slow(BEST, [], data(LIMIT - 1), single_process(), heard)
    assert heard.lines == []
    assert is_too_slow(BEST, [], data(2 * LIMIT), single_process(), heard)
    assert heard.lines == [
        f"train: the full softmax over {2 * LIMIT:,} items would take about 2.0 hours of each epoch here, so the "
        "recipe is sampled. To train with it all the same: --recipe best."
    ]


@pytest.mark.parametrize("change", ["tasks.item.smoothing=0.1", "training.teachers=['a']", "training.weight_decay=1"])
def test_who_sets_what_the_other_recipe_lacks_has_chosen(change) -> None:
    assert not is_too_slow(BEST, [change], data(2 * LIMIT), single_process(), SilentReporter())
    assert is_too_slow(BEST, ["training.epochs=1"], data(2 * LIMIT), single_process(), SilentReporter())


def test_recipes_that_only_count_or_draw_are_never_too_slow() -> None:
    for name in ("popularity", "sampled"):
        recipe = read_recipe(find_recipe(name, "any"))
        assert not is_too_slow(recipe, [], data(2 * LIMIT), single_process(), SilentReporter())


def test_several_processes_decide_by_their_mean_and_the_first_speaks(monkeypatch) -> None:
    slow_others = ProcessGroup(rank=1, count=2, device=torch.device("cpu"))
    monkeypatch.setattr(ProcessGroup, "mean", lambda _, values: values * 3)
    heard = Listening()

    assert is_too_slow(BEST, [], data(LIMIT // 2), slow_others, heard)
    assert heard.lines == []


def test_train_takes_it_unless_a_recipe_is_named(dataset, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(precision, "rate", lambda _: 1.0)
    small = {"training.epochs": 1, "inputs.item_width": 8, "inputs.neighbours": 0, "tasks.item.negatives": 4}
    sizes = {key: value for key, value in small.items() if not key.startswith("tasks")}

    by_default = hiersrec.train(dataset, out=tmp_path / "default", overrides=sizes)
    named = hiersrec.train(dataset, "best", out=tmp_path / "named", overrides=sizes)
    chosen = hiersrec.train(dataset, out=tmp_path / "chosen", overrides=small)

    assert [run.document["recipe"] for run in (by_default, named, chosen)] == ["sampled", "best", "best"]
    assert "so the recipe is sampled" in capsys.readouterr().err
