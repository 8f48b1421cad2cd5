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
from hiersrec.training.default_recipe import LONG, why_sampled
from hiersrec.training.distributed import ProcessGroup

PREFIXES, RATE = 700_000, 2e11
LIMIT = int(LONG * RATE / (6 * 256 * PREFIXES))
"""Items from which the default recipe, 256 wide, takes an hour an epoch."""
BEST = read_recipe(find_recipe("best", "any"), ["training.precision=float32"])


@pytest.fixture(autouse=True)
def machine(monkeypatch) -> None:
    """A processor of a known rate, and no GPU."""
    monkeypatch.setattr(precision, "rate", lambda _: RATE)
    monkeypatch.setattr(advice.torch.cuda, "is_available", lambda: False)


def data(items: int) -> TrainingData:
    sessions = Sessions(np.ones(PREFIXES // 7 * 8, np.int32), np.arange(0, PREFIXES // 7 * 8 + 1, 8))
    return TrainingData(Catalog(pa.table({"item": pa.nulls(items)}), [], []), sessions, sessions)


def test_an_hour_an_epoch_is_too_slow_and_the_line_says_it() -> None:
    assert why_sampled(BEST, [], data(LIMIT - 1)) is None
    assert why_sampled(BEST, [], data(2 * LIMIT)) == (
        f"the full softmax over {2 * LIMIT:,} items would take about 2.0 hours of each epoch here, so the recipe is "
        "sampled. To train with it all the same: --recipe best."
    )


@pytest.mark.parametrize("change", ["tasks.item.smoothing=0.1", "training.teachers=['a']", "training.weight_decay=1"])
def test_who_sets_what_the_other_recipe_lacks_has_chosen(change) -> None:
    assert why_sampled(BEST, [change], data(2 * LIMIT)) is None
    assert why_sampled(BEST, ["training.epochs=1"], data(2 * LIMIT)) is not None


@pytest.mark.parametrize("name", ["popularity", "sampled"])
def test_recipes_that_only_count_or_draw_are_never_too_slow(name) -> None:
    assert why_sampled(read_recipe(find_recipe(name, "any")), [], data(2 * LIMIT)) is None


def test_several_processes_decide_by_their_mean(monkeypatch) -> None:
    others_are_slow = ProcessGroup(rank=1, count=2, device=torch.device("cpu"))
    monkeypatch.setattr(ProcessGroup, "mean", lambda _, values: values * 3)

    assert why_sampled(BEST, [], data(LIMIT // 2), others_are_slow) is not None


def test_describe_estimates_the_recipe_that_train_takes(dataset, monkeypatch) -> None:
    assert hiersrec.describe(dataset).document["training_memory"]["recipe"] == "best"
    monkeypatch.setattr(precision, "rate", lambda _: 1.0)

    by_default, named = hiersrec.describe(dataset), hiersrec.describe(dataset, "best")

    assert by_default.document["training_memory"]["recipe"] == "sampled"
    assert "so the recipe is sampled" in by_default.advice[0]
    assert named.document["training_memory"]["recipe"] == "best"


def test_train_takes_it_unless_a_recipe_is_named(dataset, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(precision, "rate", lambda _: 1.0)
    small = {"training.epochs": 1, "inputs.item_width": 8, "inputs.neighbours": 0, "tasks.item.negatives": 4}
    sizes = {key: value for key, value in small.items() if not key.startswith("tasks")}

    by_default = hiersrec.train(dataset, out=tmp_path / "default", overrides=sizes)
    named = hiersrec.train(dataset, "best", out=tmp_path / "named", overrides=sizes)
    chosen = hiersrec.train(dataset, out=tmp_path / "chosen", overrides=small)

    assert [run.document["recipe"] for run in (by_default, named, chosen)] == ["sampled", "best", "best"]
    assert "so the recipe is sampled" in capsys.readouterr().err
