"""Several processes, real ones: they train the model of one, resume bit for bit after a kill, log once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from hiersrec.errors import BadFolder, HiersrecError
from hiersrec.model.losses import UNLABELLED, cross_entropy
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.training import checkpoint, distributed
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import ProcessGroup, launch_command, process_group, single_process
from hiersrec.training.fit import train
from hiersrec.training.optimizer import optimizers
from hiersrec.training.progress import SilentReporter
from tests.cli.conftest import Result
from tests.training import drill
from tests.training.drill import DROPOUT, QUICK

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def begin(*words: object) -> subprocess.Popen[str]:
    """Two processes of a module."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    return subprocess.Popen(
        [*command, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
    )


def torchrun(*words: object) -> Result:
    process = begin(*words)
    out, err = process.communicate(timeout=600)
    return Result(process.returncode, out, err)


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def history(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def drilled(dataset, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of drill.check, and the results of each of its two processes."""
    out = tmp_path_factory.mktemp("drill")
    made = torchrun("tests.training.drill", "check", out, dataset.folder)
    assert made.code == 0, made.err
    return out, [json.loads((out / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


def test_what_they_exchange(drilled) -> None:
    for rank, results in enumerate(drilled[1]):
        assert results["texts"] == ["", "é1"]
        assert results["gathered"] == [[], [[0, 1]]]
        assert results["total"] == [2, 2 * 10**15 + 1]
        assert results["share"] == [[0, 2, 4], [1, 3]][rank]
        assert results["error"] == ["Process 2 of 2: no such folder", "no such folder"][rank]


def test_the_first_draws_as_a_single_process_and_the_others_differently(drilled) -> None:
    torch.manual_seed(7)
    first, second = (results["draw"] for results in drilled[1])

    assert first == torch.rand(1).item() != second


def test_the_mean_is_over_the_labelled_examples_of_all(drilled) -> None:
    state, weight, classes = drill.examples()
    loss = cross_entropy(state, weight, None, classes)
    loss.backward()

    labelled = classes != UNLABELLED
    assert labelled[0::2].sum() == 4
    assert labelled[1::2].sum() == 1
    assert weight.grad is not None
    for results in drilled[1]:
        assert results["gradients"]["loss"] == pytest.approx(loss.item(), rel=1e-6)
        np.testing.assert_allclose(results["gradients"]["weight"], weight.grad.numpy(), atol=1e-7)


def test_rows_of_sparse_tables_are_averaged(drilled) -> None:
    """Row 1 is read once by the first; row 2 twice by the first and once by the second; row 5 once by the second."""
    expected = np.zeros((6, 3))
    expected[[1, 2, 5]] = [[0.5], [1.5], [0.5]]

    for results in drilled[1]:
        np.testing.assert_array_equal(results["gradients"]["table"], expected)


@pytest.mark.parametrize("variant", drill.VARIANTS)
def test_two_processes_train_the_model_of_one(drilled, tmp_path, variant) -> None:
    """In a training whose last batch has one row, so that one of them has none."""
    out, both = drilled
    model, progress = drill.trained(variant, tmp_path)

    assert both[0][variant]["bits"] == both[1][variant]["bits"]
    for single, double in zip(progress.history, both[0][variant]["history"], strict=True):
        assert double["loss"] == pytest.approx(single["loss"], rel=1e-5)
        assert double["valid"] == pytest.approx(single["valid"], rel=1e-5)
    stored = safetensors.torch.load_file(out / f"{variant}.safetensors")
    for name, value in stored.items():
        np.testing.assert_allclose(known(name, value), known(name, model.state_dict()[name]), atol=1e-4, err_msg=name)


def known(name: str, value: Tensor) -> Tensor:
    """Without the biases of keys: they cancel out in attention, so that their gradient is nothing but rounding."""
    return torch.cat([value[: len(value) // 3], value[-len(value) // 3 :]]) if name.endswith("qkv.bias") else value


def test_a_baseline_trains_in_one_process(drilled) -> None:
    expected = [
        "training in several processes excludes baseline.name, since CSRM has a memory, and COTREC a loss over pairs "
        f'of a batch; got "{name}". Start it without torchrun.'
        for name in ("tagnn", "popularity")
    ]

    assert [results["refused"] for results in drilled[1]] == [expected, expected]
    assert not (drilled[0] / "baseline").exists()


def test_the_run_folder_of_two_processes_is_that_of_one(drilled, dataset, tmp_path) -> None:
    settings = read_recipe(find_recipe("hiersrec", "toy"), [*QUICK, *DROPOUT["still"]])
    train(dataset, settings, tmp_path / "one", SilentReporter())

    for single, double in zip(history(tmp_path / "one"), history(drilled[0] / "still"), strict=True):
        assert double["loss"] == pytest.approx(single["loss"], rel=1e-5)
        assert double["valid"] == pytest.approx(single["valid"], rel=1e-5)


def words(dataset, out: Path) -> list[object]:
    return ["train", dataset.folder, "--out", out, "--recipe", "hiersrec", *sets(*QUICK, *DROPOUT["dropping"])]


@pytest.fixture(scope="module")
def killed(dataset, tmp_path_factory) -> Path:
    """A training with dropout whose processes were killed before step 8, in the second epoch of five steps."""
    out = tmp_path_factory.mktemp("killed") / "run"
    result = torchrun("tests.training.drill", "die", 8, *words(dataset, out))
    assert result.code != 0
    assert result.err.count("train: epoch 1:") == 1
    assert "SIGKILL" in result.err
    return out


@pytest.fixture(scope="module")
def resumed(dataset, killed, tmp_path_factory) -> tuple[Path, Result]:
    """The same training to its end, and the result of the command under torchrun."""
    out = Path(shutil.copytree(killed, tmp_path_factory.mktemp("resumed") / "run"))
    return out, torchrun("hiersrec", *words(dataset, out), "--resume", "--json")


def test_the_command_under_torchrun_logs_once(resumed) -> None:
    out, result = resumed

    assert result.code == 0, result.err
    assert json.loads(result.out) == json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert result.err.count("resumed at epoch 2") == 1
    assert result.err.count("train: epoch 2:") == result.err.count("train: wrote") == 1
    assert "2 processes, cpu" in result.err
    assert "Warning" not in result.err


def test_a_killed_training_of_two_processes_resumes_bit_for_bit(drilled, resumed) -> None:
    """So two trainings of two processes are equal too."""
    whole, (out, _) = drilled[0] / "dropping", resumed

    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    for record, expected in zip(history(out), history(whole), strict=True):
        assert (record["loss"], record["valid"]) == (expected["loss"], expected["valid"])


def test_a_training_goes_on_with_as_many_processes_as_it_began(dataset, killed, tmp_path) -> None:
    two = ProcessGroup(0, 2, torch.device("cpu"))
    model, _ = drill.trained("linear head", tmp_path)
    optimizer = optimizers(model, drill.SETTINGS)
    checkpoint.save(tmp_path, Progress(), model, optimizer, single_process())

    with pytest.raises(
        BadFolder,
        match=r"started by one process, got 2 processes, which .*\. Resume it without torchrun, or start over",
    ):
        checkpoint.restore(tmp_path, model, optimizer, two)
    recipe = read_recipe(killed / "recipe.toml")
    with pytest.raises(BadFolder, match=r"started by 2 processes, got one process.* with torchrun and 2 processes in"):
        train(dataset, recipe, killed, SilentReporter(), resume=True)


def test_an_error_is_reported_once_and_ends_all(dataset, tmp_path) -> None:
    result = torchrun("hiersrec", "train", dataset.folder, "--out", tmp_path / "run", "--set", "training.epoch=3")

    assert result.code != 0
    assert result.err.count("[training] has no key 'epoch'. Did you mean 'epochs'?") == 1
    assert result.err.count("exitcode  : 2 ") == 2
    assert "[rank" not in result.err, "no traceback of ours"
    assert not (tmp_path / "run").exists()


def test_ctrl_c_says_once_how_to_go_on(dataset, tmp_path) -> None:
    out = tmp_path / "run"
    process = begin("hiersrec", *words(dataset, out), *sets("training.epochs=2000", "training.patience=2000"))
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("train: epoch 2:"):
            break
    process.send_signal(signal.SIGINT)
    _, news = process.communicate(timeout=600)

    hint = f"Stopped. Continue with: torchrun --nproc-per-node 2 -m hiersrec train {dataset.folder} --out {out} "
    assert news.count(hint) == news.count("Stopped.") == 1
    assert "[rank" not in news, "no traceback of ours"


def test_without_torchrun_nobody_is_joined() -> None:
    with process_group(report=print) as processes:
        assert (processes.rank, processes.count) == (0, 1)
        assert not torch.distributed.is_initialized()
    assert launch_command() == ["hiersrec"]


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("1", "torchrun --nproc-per-node 4 -m hiersrec"),
        ("3", "torchrun --nnodes 3 --nproc-per-node 4 -m hiersrec"),
    ],
)
def test_the_words_that_start_it_again(monkeypatch, nodes, expected) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("GROUP_WORLD_SIZE", nodes)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")

    assert launch_command() == expected.split()


def test_a_process_without_a_gpu_of_its_own_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(
        HiersrecError, match=r"this machine has 1, and process 2 of it has none\. .*--nproc-per-node 1, or"
    ):
        distributed.select_device(torch.device("cuda", 1))
