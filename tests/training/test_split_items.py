"""split_items: two real processes that share the item table train the model that one process trains."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from hiersrec.build import open_run
from hiersrec.errors import BadRecipe
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.training.callbacks import SilentCallback
from hiersrec.training.fit import train
from tests.training import split_drill as drill
from tests.training.test_distributed import history, known, sets, torchrun

TABLES = {"inputs.item_table.weight", "tasks.item.fc.weight", "tasks.item.fc.bias"}


@pytest.fixture(scope="module")
def drilled(dataset, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """What split_drill.check left, and what each of two processes found in it."""
    out = tmp_path_factory.mktemp("drill")
    made = torchrun("tests.training.split_drill", "check", out, dataset.folder)
    assert made.code == 0, made.err
    return out, [json.loads((out / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


@pytest.mark.parametrize("variant", drill.VARIANTS)
def test_gradients_are_those_of_one_process(drilled, variant) -> None:
    found = safetensors.torch.load_file(drilled[0] / f"{variant}.gradients.safetensors")
    expected = drill.gradients(drill.built(variant))

    assert found.keys() == expected.keys()
    for name, value in expected.items():
        most = float(value.abs().max()) if value.numel() else 0.0
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7 + 2e-6 * most, msg=name)


@pytest.mark.parametrize("variant", drill.VARIANTS)
def test_two_processes_train_the_model_of_one(drilled, tmp_path, variant) -> None:
    """With an odd number of items, and the same dropout."""
    out, both = drilled
    model, progress = drill.trained(variant, tmp_path)

    assert both[0][variant]["bits"] == both[1][variant]["bits"], "what each holds for itself stays the same"
    for rank in range(2):
        for one, two in zip(progress.history, both[rank][variant]["history"], strict=True):
            assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
            assert two["valid"] == pytest.approx(one["valid"], rel=1e-5)
    weights = safetensors.torch.load_file(out / f"{variant}.last.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(known(name, weights[name]), known(name, value), rtol=0, atol=1e-4, msg=name)
    best = safetensors.torch.load_file(out / variant / "best.safetensors")
    assert {name: one.shape for name, one in best.items()} == {
        name: one.shape for name, one in safetensors.torch.load_file(tmp_path / "best.safetensors").items()
    }


def test_each_holds_half_of_the_tables(drilled) -> None:
    whole = drill.built("linear")
    table = sum(one.numel() for name, one in whole.named_parameters() if name in TABLES)
    rest = sum(one.numel() for one in whole.parameters()) - table

    for found in drilled[1]:
        assert (found["linear"]["held"] - rest) / table == pytest.approx(0.5, abs=0.02)


def test_a_run_of_many_processes_is_opened_by_one(drilled, dataset) -> None:
    run = open_run(drilled[0] / "run")
    recipe = read_recipe(find_recipe("hiersrec", "toy"), [*drill.RUN, "training.split_items=false"])
    train(dataset, recipe, drilled[0] / "alone", SilentCallback())
    alone = open_run(drilled[0] / "alone")

    assert run.document["parameters"] == alone.document["parameters"]
    assert run.document["best"]["valid_mrr@20"] == pytest.approx(alone.document["best"]["valid_mrr@20"], rel=1e-5)
    one, two = (safetensors.torch.load_file(of.folder / "model.safetensors") for of in (alone, run))
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(known(name, two[name]), known(name, value), rtol=0, atol=1e-3, msg=name)
    assert not (run.folder / "state").exists()


def test_a_kill_between_two_files_of_a_moment_costs_that_moment_alone(drilled, dataset, tmp_path) -> None:
    """The second has written its part of moment 8, the first has not; all goes on bit for bit from moment 7."""
    out = tmp_path / "run"
    words = ["train", dataset.folder, "--out", out, "--recipe", "hiersrec", *sets(*drill.RUN)]

    dead = torchrun("tests.training.split_drill", "die", 8, *words)
    beside = sorted(path.name for path in (out / "state").glob("last-*"))
    resumed = torchrun("hiersrec", *words, "--resume")

    assert dead.code != 0
    assert "SIGKILL" in dead.err
    assert len(beside) == 2, beside
    assert resumed.code == 0, resumed.err
    assert "resumed at epoch 2" in resumed.err
    assert (out / "model.safetensors").read_bytes() == (drilled[0] / "run" / "model.safetensors").read_bytes()
    for one, two in zip(history(out), history(drilled[0] / "run"), strict=True):
        assert (one["loss"], one["valid"]) == (two["loss"], two["valid"])


def test_a_warm_start_is_refused(drilled) -> None:
    expected = (
        "--init-from carries over whole tables, and [training] split_items leaves each process a part of one. "
        "Leave one of the two out."
    )

    assert [found["warm start"] for found in drilled[1]] == [expected, expected]
    assert not (drilled[0] / "warm").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hiersrec", r"some of the 48 items: it .*, got 1\. Start with: torchrun --nproc-per-node 2 -m hiersrec train"),
        ("tagnn", "split_items is for recipes of our own model, got the rival tagnn. Leave it out"),
    ],
)
def test_it_needs_several_processes_and_our_model(dataset, tmp_path, name, message) -> None:
    recipe = read_recipe(find_recipe(name, "toy"), ["training.split_items=true"])

    with pytest.raises(BadRecipe, match=message):
        train(dataset, recipe, tmp_path / "run", SilentCallback())

    assert not (tmp_path / "run").exists()
