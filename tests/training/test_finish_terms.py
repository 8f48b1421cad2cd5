"""What score terms set when training is over: in the weights of the run, on validation sessions only."""

import dataclasses
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch

from hiersrec.build import open_run
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.score_term import Choice
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.training import finish_terms
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.model.world import TINY
from tests.training.test_loop import Listening

pytestmark = pytest.mark.slow

QUICK = [*TINY, "training.batch_size=256", "training.precision=float32", "training.epochs=1"]
REPEATS = "tasks.item.repeats=true"


@pytest.fixture
def measured(monkeypatch) -> list[int]:
    """Sessions that are looked at; repeats are the better, the likelier."""
    sessions: list[int] = []

    def choice_scores(scorer, catalog, valid, choices, progress):
        del catalog
        progress(1, 1)
        sessions.append(len(valid))
        assert not scorer.model.training
        assert [choice.key for choice in choices] == ["tasks.item.repeats_offset"]
        return SimpleNamespace(mrr=lambda numbers: 0.2 + numbers[0] / 10)

    monkeypatch.setattr(finish_terms, "choice_scores", choice_scores)
    monkeypatch.setattr(finish_terms, "SESSIONS", 3)
    return sessions


def offset_after(dataset, out, *overrides: str, reporter=None) -> float:
    recipe = read_recipe(find_recipe("hiersrec", "toy"), [*QUICK, *overrides])
    train(dataset, recipe, out, reporter or SilentReporter())
    return safetensors.torch.load_file(out / "model.safetensors")["repeats.offset"].item()


def test_the_run_has_the_offset_that_fits_its_newest_validation_sessions(dataset, tmp_path, measured) -> None:
    reporter = Listening()
    assert offset_after(dataset, tmp_path / "run", REPEATS, reporter=reporter) == 3.0
    assert measured == [3]
    assert any("tasks.item.repeats_offset=3.0" in line for line in reporter.said)
    assert open_run(tmp_path / "run").scorer.model.repeats.offset.item() == 3.0


def test_long_sessions_are_fewer(dataset, tmp_path, measured, monkeypatch) -> None:
    monkeypatch.setattr(finish_terms, "SESSIONS", 4)
    events = dataset.training().valid.newest(4 / len(dataset.training().valid))
    monkeypatch.setattr(finish_terms, "PREFIXES", (len(events.items) - len(events)) // 2)
    offset_after(dataset, tmp_path / "run", REPEATS)
    assert measured == [2]


class Term(torch.nn.Module):
    """Two numbers to choose, and what is measured with them."""

    choices = HierarchicalModel.choices

    def __init__(self, metric, settings=("fit", "fit")) -> None:
        super().__init__()
        self.numbers, self.measured = [torch.zeros(()), torch.tensor(1.5)], []
        choices = [
            Choice(self.numbers[0], settings[0], 0.5, 3.0, signed=True, key="first"),
            Choice(self.numbers[1], settings[1], 0.1, 1.0, signed=False, key="second"),
        ]
        self.position_terms = {str(at): SimpleNamespace(choice=choice) for at, choice in enumerate(choices)}
        self.position_terms["none"] = SimpleNamespace(choice=None)
        self.pair_terms, self.metric, self.last_only = {}, metric, None

    def scores(self, scorer, catalog, sessions, choices, progress) -> SimpleNamespace:
        del scorer, catalog
        self.last_only = sessions.last_only
        for choice in choices:
            choice.number.zero_()
        progress(1, 1)
        return SimpleNamespace(mrr=self.measure)

    def measure(self, numbers) -> float:
        self.measured.append([round(number, 3) for number in numbers])
        return self.metric(*self.measured[-1])


def level(*_: float) -> float:
    """The same whatever the numbers are."""
    return 0.2


def chosen(monkeypatch, dataset, metric, settings=("fit", "fit"), refit=False) -> tuple[list[float], Term, list[str]]:
    model, reporter = Term(metric, settings), Listening()
    monkeypatch.setattr(finish_terms, "scorer_of", lambda _: None)
    monkeypatch.setattr(finish_terms, "choice_scores", model.scores)
    finish_terms.finish_terms(model, dataset.training(), refit, reporter)
    return [round(number.item(), 3) for number in model.numbers], model, reporter.said


@pytest.mark.parametrize(
    ("metric", "numbers"),
    [
        (lambda first, _: 0.2 - (first - 1.4) ** 2 / 100, [1.5, 0]),
        (lambda first, _: 0.2 - (first + 1.0) ** 2 / 100, [-1.0, 0]),
        (lambda first, _: 0.2 - abs(first), [0, 0]),
        (lambda first, _: 0.2 + first / 6000, [0, 0]),  # a step gains less than chance may
        (lambda first, _: 0.2 + first / 10, [3.0, 0]),  # the greatest that is tried
        (lambda first, second: 0.2 - (first - 1) ** 2 / 100 - (second - 0.3) ** 2, [1.0, 0.3]),
        (lambda _, second: 0.2 - second, [0, 0]),  # never below 0
        (lambda _, second: 0.2 + second, [0, 1.0]),
        # With the second, the first should be greater than without.
        (lambda first, second: 0.2 - (first - 0.5 - 5 * second) ** 2 / 100 - (second - 0.2) ** 2, [1.5, 0.2]),
    ],
)
def test_each_number_climbs_while_it_gains(monkeypatch, dataset, metric, numbers) -> None:
    found, model, said = chosen(monkeypatch, dataset, metric)
    assert found == numbers
    assert model.measured[0] == [0, 0], "a warm start brings the older run's"
    assert len(said) == any(numbers)
    for line in said:
        assert f"is {metric(*numbers):.4f}, {metric(0, 0):.4f} without" in line
        assert ("--set first" in line, "--set second" in line) == tuple(map(bool, numbers))


@pytest.mark.parametrize("last_only", [False, True])
def test_items_that_were_trained_on_are_no_targets(monkeypatch, dataset, last_only) -> None:
    data = dataset.training()
    data = dataclasses.replace(data, valid=dataclasses.replace(data.valid, last_only=last_only))
    _, model, _ = chosen(monkeypatch, SimpleNamespace(training=lambda: data), level)
    assert model.last_only is last_only


def test_numbers_that_are_given_are_not_measured(monkeypatch, dataset) -> None:
    found, model, said = chosen(monkeypatch, dataset, level, (1.25, 0.3))
    assert (found, model.measured, said) == ([1.25, 0.3], [], [])


def test_without_validation_sessions_they_are_0(monkeypatch, dataset) -> None:
    found, model, said = chosen(monkeypatch, dataset, level, ("fit", 0.3), refit=True)
    assert (found, model.measured, said) == ([0, 0.3], [], [])


@pytest.mark.parametrize(("settings", "offset"), [((), 0.0), (("tasks.item.repeats_offset=1.5",), 1.5)])
def test_a_refit_takes_the_number_it_is_given(dataset, tmp_path, measured, settings, offset) -> None:
    assert offset_after(dataset, tmp_path / "run", REPEATS, "training.refit=true", *settings) == offset
    assert measured == []


def test_the_rest_of_the_weights_is_what_was_trained(dataset, tmp_path) -> None:
    offsets = {
        name: offset_after(dataset, tmp_path / name, REPEATS, f"tasks.item.repeats_offset={name}") for name in "02"
    }
    weights = [safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in "02"]
    assert offsets == {"0": 0.0, "2": 2.0}
    for name in weights[0]:
        assert name == "repeats.offset" or weights[0][name].equal(weights[1][name]), name


def test_pairs_that_add_nothing_are_not_kept(dataset, tmp_path) -> None:
    def kept(name: str, *settings: str) -> tuple[float, int]:
        offset_after(dataset, tmp_path / name, REPEATS, *settings)
        weights = safetensors.torch.load_file(tmp_path / name / "model.safetensors")
        assert open_run(tmp_path / name).scorer.model.pair_terms.keys() == (
            {"cooccurrence"} if name != "none" else set()
        )
        return weights["cooccurrence.weight"].item(), len(weights["cooccurrence.values"])

    weight, pairs = kept("given", "tasks.item.cooccurrence=0.25", "training.refit=true")
    assert (weight, pairs > 0) == (0.25, True)
    assert kept("none", "tasks.item.cooccurrence=fit", "training.refit=true") == (0, 0)
