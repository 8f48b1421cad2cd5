"""Three real processes, each with a part of the items: loss and gradients are those of the whole."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, distributed, multiprocessing
from torch.distributed.tensor import DTensor, Shard, init_device_mesh
from torch.distributed.tensor.parallel import loss_parallel
from torch.nn import functional

from hiersrec.model import losses, split_softmax
from hiersrec.model.losses import UNLABELLED, cross_entropy
from hiersrec.model.split import Split, split_table, whole
from hiersrec.model.split_softmax import split_cross_entropy
from hiersrec.training.distributed import leave

COUNT, D = 3, 6
SIZES = {"many": 19, "one": 1, "unlabelled": 4}
CASES: dict[str, tuple[str, int, bool, tuple[int, int, int], float]] = {
    # rows, items, bias, (BLOCK, PART, SLICE), scale of the logits
    "one block": ("many", 17, True, (losses.BLOCK, losses.PART, split_softmax.SLICE), 1.0),
    "small blocks": ("many", 17, True, (8 * 4 * 6, 5, 13), 1.0),
    "a row at a time": ("many", 17, False, (1, 1, 1), 1.0),
    "one example": ("one", 17, True, (losses.BLOCK, losses.PART, split_softmax.SLICE), 1.0),
    "an item each": ("many", 3, True, (losses.BLOCK, losses.PART, split_softmax.SLICE), 1.0),
    "no label": ("unlabelled", 17, True, (losses.BLOCK, losses.PART, split_softmax.SLICE), 1.0),
    "far apart": ("many", 17, True, (8 * 4 * 6, 5, 13), 60.0),
    "bf16": ("many", 17, True, (8 * 2 * 6, 5, 13), 1.0),
}


def numbers(case: str) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """state, weight, bias and classes of a case, of all items; about a quarter has no label."""
    rows, items, with_bias, _, scale = CASES[case]
    torch.manual_seed(0)
    classes = torch.randint(0, items, (SIZES[rows],))
    classes[torch.rand(SIZES[rows]) < 0.25] = UNLABELLED
    classes[0] = 0
    if rows == "unlabelled":
        classes[:] = UNLABELLED
    weight = (torch.randn(items, D) * scale).requires_grad_()
    bias = torch.randn(items, requires_grad=True) if with_bias else None
    return torch.randn(SIZES[rows], D, requires_grad=True), weight, bias, classes


def process(rank: int, folder: Path) -> None:
    """One of them: writes what it found to <rank>.safetensors."""
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=COUNT)
    found: dict[str, Tensor] = {}
    for case, (_, items, _, sizes, _) in CASES.items():
        losses.BLOCK, losses.PART, split_softmax.SLICE = sizes
        state, weight, bias, classes = numbers(case)
        split = Split(rank, COUNT, items)
        rows = slice(split.places.start, split.places.stop)
        own = weight.detach()[rows].requires_grad_()
        shift = None if bias is None else bias.detach()[rows].requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=case == "bf16"):
            loss = split_cross_entropy(state, own, shift, classes, split)
        (loss * 2).backward()
        gradients = {"state": state.grad, "weight": own.grad, "bias": None if shift is None else shift.grad}
        found |= {f"{case}.{name}": value for name, value in gradients.items() if value is not None}
        found[f"{case}.loss"] = loss.detach()
        found[f"{case}.logits"] = split.gathered(functional.linear(state, own, shift)).detach()
    found |= tables(rank) | torchs_own(rank)
    safetensors.torch.save_file(found, folder / f"{rank}.safetensors")
    distributed.destroy_process_group()
    leave(0)  # Python's own end is aborted now and then, and the test with it


def tables(rank: int) -> dict[str, Tensor]:
    """A split embedding of 7 items: what it looks up, its gradient, and it put together again."""
    torch.manual_seed(2)
    split = Split(rank, COUNT, 7)
    table = split_table(split, 3, torch.nn.init.normal_)
    vectors = table(torch.tensor([[1, 7, 0], [4, 4, 2]]))
    (vectors * torch.arange(18).view(2, 3, 3)).sum().backward()
    assert table.weight.grad is not None
    held = {"table": table.weight.detach(), "gradient": table.weight.grad, "other": torch.ones(2)}
    together = whole(held, {"table": split, "gradient": split})
    return {"vectors": vectors.detach(), **{name: value.clone() for name, value in together.items()}}


def torchs_own(rank: int) -> dict[str, Tensor]:
    """loss_parallel of torch, of logits that are split evenly."""
    torch.manual_seed(5)
    state, weight, classes = torch.randn(8, D), torch.randn(12, D), torch.randint(0, 12, (8,))
    split = Split(rank, COUNT, 12)
    rows = slice(split.places.start, split.places.stop)
    logits = (state @ weight[rows].T).requires_grad_()
    mesh = init_device_mesh("cpu", (COUNT,))
    with loss_parallel():
        loss = functional.cross_entropy(DTensor.from_local(logits, mesh, [Shard(1)]), classes)
        loss.backward()
    own = weight[rows].clone().requires_grad_()
    ours = split_cross_entropy(state, own, None, classes, split)
    ours.backward()
    assert logits.grad is not None
    assert own.grad is not None
    return {
        "torch.loss": torch.stack([loss.full_tensor() if isinstance(loss, DTensor) else loss, ours]).detach(),
        "torch.weight": torch.stack([logits.grad.T @ state, own.grad]),
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict[str, Tensor]]:
    """What each of the three found."""
    folder = tmp_path_factory.mktemp("split")
    multiprocessing.spawn(process, (folder,), COUNT)
    return [safetensors.torch.load_file(folder / f"{rank}.safetensors") for rank in range(COUNT)]


def expected(case: str) -> dict[str, Tensor]:
    """The twin: torch's own cross entropy of all items, in double precision."""
    state, weight, bias, classes = (one if one is None else one.detach() for one in numbers(case))
    leaves = {"state": state, "weight": weight, "bias": bias}
    leaves = {name: one.double().requires_grad_() for name, one in leaves.items() if one is not None}
    logits = functional.linear(*leaves.values())
    labelled = max(1, int((classes != UNLABELLED).sum()))
    loss = functional.cross_entropy(logits, classes, ignore_index=UNLABELLED, reduction="sum") / labelled
    (loss * 2).backward()
    gradients = {name: one.grad for name, one in leaves.items() if one.grad is not None}
    return {"loss": loss.detach(), "logits": logits.detach(), **gradients}


@pytest.mark.parametrize("case", [case for case in CASES if case != "bf16"])
def test_loss_and_gradients_are_those_of_the_whole(found, case) -> None:
    for name, value in expected(case).items():
        each = [one[f"{case}.{name}"] for one in found]
        if name in ("weight", "bias"):
            each = [torch.cat(each)]
        for one in each:
            assert one.dtype == torch.float32
            torch.testing.assert_close(one.double(), value, rtol=1e-5, atol=1e-6 * CASES[case][4])


def test_all_have_the_same_bits(found) -> None:
    for case in CASES:
        for name in ("loss", "state", "logits"):
            assert all(torch.equal(one[f"{case}.{name}"], found[0][f"{case}.{name}"]) for one in found)


def test_in_bf16_it_is_as_near_as_the_loss_of_one_process(found) -> None:
    state, weight, bias, classes = numbers("bf16")
    with torch.autocast("cpu", torch.bfloat16):
        loss = cross_entropy(state, weight, bias, classes)
    (loss * 2).backward()
    exact = expected("bf16")
    assert bias is not None
    alone = {"loss": loss.detach(), "state": state.grad, "weight": weight.grad, "bias": bias.grad}

    for name, value in alone.items():
        each = [one[f"bf16.{name}"] for one in found]
        split = torch.cat(each) if name in ("weight", "bias") else each[0]
        assert value is not None
        errors = [(one.double() - exact[name]).norm() / exact[name].norm() for one in (split, value)]
        assert errors[0] < max(0.01, 1.5 * errors[1]), name


def test_it_is_torchs_own_parallel_loss(found) -> None:
    for one in found:
        for name in ("torch.loss", "torch.weight"):
            theirs, ours = one[name]
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_split_table_looks_up_any_item(found) -> None:
    torch.manual_seed(2)
    table = torch.nn.Embedding(8, 3, padding_idx=0)
    torch.nn.init.normal_(table.weight[1:].detach())
    vectors = table(torch.tensor([[1, 7, 0], [4, 4, 2]]))
    (vectors * torch.arange(18).view(2, 3, 3)).sum().backward()

    for one in found:
        assert torch.equal(one["vectors"], vectors)
        assert torch.equal(one["other"], torch.ones(2))
    assert torch.equal(found[0]["table"], table.weight)
    assert torch.equal(found[0]["gradient"], table.weight.grad)
    assert len(found[1]["table"]) == len(Split(1, 3, 7).places) + 1
