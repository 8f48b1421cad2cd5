import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from hiersrec.training import checkpoint
from hiersrec.training.checkpoint import Progress
from hiersrec.training.distributed import single_process
from hiersrec.training.optimizer import Optimizers


def made(seed: int) -> tuple[nn.Module, Optimizers]:
    """Two layers that share a weight, as a head shares the inputs' table."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model, Optimizers(torch.optim.Adam(model.parameters(), lr=0.1), [])


def walk(model: nn.Module, optimizer: Optimizers, steps: int) -> dict[str, bytes]:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


FULL = Progress(
    epoch=2,
    step=7,
    best=0.25,
    best_epoch=1,
    seconds=3.5,
    examples=70,
    totals={"item": 12.5},
    history=[{"epoch": 1, "loss": {"item": 3.0}}, {"epoch": 2, "loss": {"item": 2.0}}],
)


def test_from_a_checkpoint_on_training_goes_as_it_went(tmp_path) -> None:
    model, optimizer = made(0)
    walk(model, optimizer, 3)
    checkpoint.save(tmp_path, FULL, model, optimizer, single_process())
    expected = walk(model, optimizer, 3)

    other, other_optimizer = made(1)
    progress = checkpoint.restore(tmp_path, other, other_optimizer, single_process())

    assert progress == FULL
    assert walk(other, other_optimizer, 3) == expected


def test_a_checkpoint_before_the_first_step(tmp_path) -> None:
    model, optimizer = made(0)
    checkpoint.save(tmp_path, Progress(), model, optimizer, single_process())
    expected = walk(model, optimizer, 2)

    other, other_optimizer = made(1)

    assert checkpoint.restore(tmp_path, other, other_optimizer, single_process()) == Progress()
    assert walk(other, other_optimizer, 2) == expected


def test_a_save_that_fails_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch) -> None:
    model, optimizer = made(0)
    checkpoint.save(tmp_path, FULL, model, optimizer, single_process())
    before = (tmp_path / checkpoint.LAST).read_bytes()

    def broken(_tensors: object, path: Path, _metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.safetensors.torch, "save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(tmp_path, dataclasses.replace(FULL, step=8), model, optimizer, single_process())

    assert (tmp_path / checkpoint.LAST).read_bytes() == before
