"""What score terms set when training is over: in the weights of the run, on validation sessions only."""

from types import SimpleNamespace

import pytest
import safetensors.torch

from hiersrec.build import open_run
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
    """Sessions of each measurement; repeats are the better, the likelier."""
    sessions: list[int] = []

    def evaluate(scorer, catalog, valid):
        del catalog
        sessions.append(len(valid))
        assert not scorer.model.training
        return SimpleNamespace(metrics={"mrr@20": 0.2 + scorer.model.repeats.offset.item() / 10})

    monkeypatch.setattr(finish_terms, "evaluate", evaluate)
    monkeypatch.setattr(finish_terms, "SESSIONS", 3)
    return sessions


def offset_after(dataset, out, *overrides: str, reporter=None) -> float:
    recipe = read_recipe(find_recipe("hiersrec", "toy"), [*QUICK, *overrides])
    train(dataset, recipe, out, reporter or SilentReporter())
    return safetensors.torch.load_file(out / "model.safetensors")["repeats.offset"].item()


def test_the_run_has_the_offset_that_fits_its_newest_validation_sessions(dataset, tmp_path, measured) -> None:
    reporter = Listening()
    assert offset_after(dataset, tmp_path / "run", REPEATS, reporter=reporter) == 3.0
    assert set(measured) == {3}
    assert any("tasks.item.repeats_offset=3.0" in line for line in reporter.said)
    assert open_run(tmp_path / "run").scorer.model.repeats.offset.item() == 3.0


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
