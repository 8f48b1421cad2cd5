"""What is said before a training, and when nothing is."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hiersrec.config import Recipe
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import TrainingData
from hiersrec.store.item_catalog import Level
from hiersrec.store.sessions import Sessions
from hiersrec.training import advice as module
from hiersrec.training import precision
from hiersrec.training.advice import SLOW, advice, full_softmax_seconds

PREFIXES = 700_000
RATE = 2e11


@pytest.fixture(autouse=True)
def machine(monkeypatch) -> None:
    """A processor of a known rate with 24 GB."""
    monkeypatch.setattr(precision, "rate", lambda _: RATE)
    monkeypatch.setattr(module, "memory_of_machine", lambda: 24_000_000_000)
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: False)


def data(items: int, levels: bool = False) -> TrainingData:
    """Sessions of eight items."""
    tree = [Level(1, [None, "A"], np.zeros(2, np.int32))] if levels else []
    sessions = Sessions(np.ones(PREFIXES // 7 * 8, np.int32), np.arange(0, PREFIXES // 7 * 8 + 1, 8))
    return TrainingData(Catalog(pa.table({"item": pa.nulls(items)}), tree, []), sessions, sessions)


def recipe(*overrides: str, name: str = "single_task") -> Recipe:
    return read_recipe(find_recipe(name, "any"), ["training.precision=float32", *overrides])


def test_nothing_is_said_where_all_is_fine() -> None:
    assert advice(recipe(), data(43_097)) == []
    assert advice(recipe("tasks.item.softmax=sampled"), data(1_000_000)) == []
    assert advice(read_recipe(find_recipe("popularity", "any")), data(10_000_000)) == []


def test_more_draws_than_items_are_no_saving() -> None:
    [line] = advice(recipe("tasks.item.softmax=sampled"), data(8192))

    assert line.startswith("a step draws 8,192 items, and there are 8,192: the full softmax costs less. Set tasks.")
    assert advice(recipe("tasks.item.softmax=sampled"), data(8193)) == []
    assert advice(recipe("tasks.item.softmax=sampled", "tasks.item.negatives=99"), data(100)) == []


def test_a_large_catalogue_gets_a_line_on_what_costs_less() -> None:
    [line] = advice(recipe(), data(1_000_000))

    assert line.startswith("the full softmax over 1,000,000 items takes about 45 minutes of each epoch. Much less: ")
    assert line.endswith("--recipe sampled, or --set tasks.item.softmax=sampled, with 8,192 drawn items a step.")
    assert "about 4.5 hours" in advice(recipe(), data(6_000_000))[0]


def test_the_rule_is_the_time_of_an_epoch() -> None:
    """6 N d operations an example; only the sessions that training uses count, and a wider head costs more."""
    half = recipe("training.newest_share=0.5")
    assert full_softmax_seconds(recipe(), data(1000)) == pytest.approx(6 * 1000 * 128 * PREFIXES / RATE)
    assert full_softmax_seconds(half, data(1000)) == pytest.approx(6 * 1000 * 128 * PREFIXES / RATE / 2)
    limit = int(SLOW * RATE / (6 * 128 * PREFIXES))

    assert advice(recipe(), data(limit - 1)) == []
    assert len(advice(recipe(), data(limit + 1))) == 1
    assert advice(recipe("training.newest_share=0.5"), data(limit + 1)) == []
    wide = ["tasks.item.head=linear", "inputs.category_width=128"]
    assert len(advice(recipe(*wide), data(limit - 1, levels=True))) == 1


def test_a_gpu_gets_no_line_on_time(monkeypatch) -> None:
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: True)

    assert advice(recipe(), data(1_000_000)) == []


def test_too_little_memory_is_reported_by_the_estimate_or_else_by_the_tables() -> None:
    small = data(43_097)

    assert advice(recipe(), small, 23_000_000_000) == []
    assert advice(recipe(), small, 31_400_000_000) == [
        "this takes about 31 GB of memory, and the machine has 24 GB. Lower inputs.item_width or training.batch_size."
    ]
    [line] = advice(recipe("tasks.item.softmax=sampled"), data(20_000_000))
    assert line.startswith("this takes about 41 GB of memory")


@pytest.mark.slow
def test_training_and_describe_say_it(dataset, tmp_path: Path, monkeypatch, capsys) -> None:
    from hiersrec.cli import describe
    from hiersrec.training.fit import train
    from hiersrec.training.progress import SilentReporter

    monkeypatch.setattr(module, "memory_of_machine", lambda: 1000)
    said: list[str] = []

    class Listening(SilentReporter):
        def say(self, text: str) -> None:
            said.append(text)

    chosen = dataclasses.replace(recipe("encoder.layers=1", "training.epochs=1"))
    train(dataset, chosen, tmp_path / "run", Listening())
    describe.command(dataset.folder, "single_task", ["encoder.layers=1"], False)

    assert said[0].startswith("train: this takes about")
    assert "Note: this takes about" in capsys.readouterr().out


@pytest.mark.parametrize(("levels", "width", "lines"), [(False, 128, 1), (True, 0, 1), (True, 128, 0)])
def test_ids_that_could_not_be_dropped(levels, width, lines) -> None:
    chosen = recipe(f"inputs.category_width={width}", "inputs.id_dropout=0.1")
    lines_found = advice(chosen, data(1000, levels))

    assert len(lines_found) == lines
    assert not lines or lines_found[0].startswith("ignoring [inputs] id_dropout: it drops the ids of items that have")


def test_trends_need_an_order_of_time_and_are_for_what_comes_next() -> None:
    timed, untimed = (dataclasses.replace(data(1000), timed=timed) for timed in (True, False))
    same_time = dataclasses.replace(data(1000), latest=False)

    [line] = advice(recipe("tasks.item.trend=0.1"), untimed)

    assert line.startswith("these sessions have no times, so trends take the order of session ids")
    assert line.endswith("set tasks.item.trend=0.")
    assert advice(recipe("tasks.item.trend=0.1"), timed) == advice(recipe(), untimed) == []
    [line] = advice(recipe("tasks.item.trend=0.1"), same_time)
    assert "so trends, which are for later sessions, lower their metrics" in line
    assert advice(recipe("tasks.item.trend=0.1", "training.refit=true"), same_time) == advice(recipe(), same_time) == []


def test_the_memory_of_a_container_is_what_it_may_use(tmp_path, monkeypatch) -> None:
    limits = {"none": None, "without": "max", "of a GB": "1000000000", "above the machine's": str(2**62)}
    for name, text in limits.items():
        if text is not None:
            (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.undo()

    found = []
    for name in limits:
        monkeypatch.setattr(module, "CONTAINER_LIMITS", (tmp_path / name,))
        found.append(module.memory_of_machine())

    assert found == [found[0], found[0], 1_000_000_000, found[0]]
