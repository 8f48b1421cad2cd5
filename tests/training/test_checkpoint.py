import dataclasses
import random
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn

from hiersrec.errors import BadFolder
from hiersrec.training import checkpoint, state_file
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

    monkeypatch.setattr(state_file.safetensors.torch, "save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(tmp_path, dataclasses.replace(FULL, step=8), model, optimizer, single_process())

    assert (tmp_path / checkpoint.LAST).read_bytes() == before


def flipped(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path) -> None:
    model, optimizer = made(0)
    walk(model, optimizer, 2)
    checkpoint.save(tmp_path, FULL, model, optimizer, single_process())
    path = tmp_path / checkpoint.LAST
    whole = path.read_bytes()
    saved = checkpoint.read(tmp_path)
    told = []
    chance = random.Random(0)  # noqa: S311  (test data)
    header = 8 + int.from_bytes(whole[:8], "little")
    bits = [chance.randrange(8 * header) for _ in range(150)]
    for bit in [*bits, *(chance.randrange(8 * header, 8 * len(whole)) for _ in range(150))]:
        path.write_bytes(whole)
        flipped(path, bit)
        try:
            other = checkpoint.read(tmp_path)
        except BadFolder as error:
            told.append(str(error))
        else:  # in the name of the checksum's entry, which then is not checked
            assert bit < 8 * header
            assert other.progress == saved.progress
            assert all(torch.equal(saved.tensors[name], other.tensors[name]) for name in saved.tensors)

    assert all(text.startswith(f"{path} is damaged: ") for text in told)
    assert all("start the training over with --overwrite" in text for text in told)
    assert len(told) >= 290


@pytest.mark.parametrize("name", ["recipe.toml", "catalog/items.parquet"])
def test_what_the_run_holds_from_the_start_is_checked_too(tmp_path, name) -> None:
    for file in ("recipe.toml", "catalog/items.parquet"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("abc")
    model, optimizer = made(0)
    checkpoint.save(tmp_path / "state", FULL, model, optimizer, single_process())
    assert checkpoint.restore(tmp_path / "state", model, optimizer, single_process()) == FULL

    flipped(tmp_path / name, 2)
    with pytest.raises(BadFolder, match=rf"{name} was changed or removed after the training began\. Put it back"):
        checkpoint.restore(tmp_path / "state", model, optimizer, single_process())


def test_a_checkpoint_of_an_older_version_has_no_checksum(tmp_path) -> None:
    model, optimizer = made(0)
    checkpoint.save(tmp_path, FULL, model, optimizer, single_process())
    tensors, texts = state_file.load(tmp_path / checkpoint.LAST)
    safetensors.torch.save_file(tensors, tmp_path / checkpoint.LAST, {"progress": texts["progress"]})

    assert not state_file.has_checksum(tmp_path / checkpoint.LAST)
    assert checkpoint.restore(tmp_path, model, optimizer, single_process()) == FULL


def test_the_best_weights_are_copied_without_their_checksum_or_refused(tmp_path) -> None:
    model, _ = made(0)
    checkpoint.save_best(tmp_path, model, single_process())
    checkpoint.copy_best(tmp_path, tmp_path / "copy")
    with safetensors.safe_open(tmp_path / "copy", "pt") as file:
        assert not file.metadata()
        assert torch.equal(file.get_tensor("0.weight"), model[0].weight)

    flipped(tmp_path / checkpoint.BEST, 8 * ((tmp_path / checkpoint.BEST).stat().st_size - 2))
    with pytest.raises(BadFolder, match=r"best\.safetensors is damaged: its content does not match its checksum"):
        checkpoint.copy_best(tmp_path, tmp_path / "copy")
