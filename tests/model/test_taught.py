"""What teachers say as a part of the target, against the cross-entropy with targets that are written out."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.model import losses, products
from hiersrec.model.losses import cross_entropy
from hiersrec.model.score_term import SparseScores
from hiersrec.model.targets import Targets, Taught
from tests.model.soft_targets.test_smoothing import ITEMS, SPARSE, B, N, by_hand, even, given, scored, smoothed
from tests.model.world import batch, model, recipe, tensors


@pytest.fixture(params=[losses.BLOCK, 2 * 4 * products.WHOLE])
def block(request, monkeypatch) -> None:
    """All rows in one block of logits, or two rows of float32 in each, with classes up to a whole cache line."""
    monkeypatch.setattr(losses, "BLOCK", request.param)


def teacher() -> Tensor:
    torch.manual_seed(2)
    return torch.randn(B, N).softmax(-1)


def added(taught: Taught, query: Tensor, vectors: Tensor, biases: Tensor | None, sparse: SparseScores | None) -> float:
    """What teachers add to the loss."""
    given = (query, vectors, biases, ITEMS - 1, sparse)
    return (cross_entropy(*given, taught) - cross_entropy(*given)).item()


def written_out(share: float, scores: Tensor) -> Tensor:
    """Cross-entropy by autograd with a target for each item."""
    known = ITEMS > 0
    target = share * teacher()[known] + (1 - share) * functional.one_hot(ITEMS[known] - 1, N)
    return -(target * scores[known].log_softmax(-1)).sum(1).mean()


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("sparse", [None, SPARSE], ids=["plain", "with sparse scores"])
def test_it_makes_the_loss_that_of_soft_targets(share, biased, sparse) -> None:
    query, vectors, biases = given(biased)
    scores = scored(query, vectors, biases, sparse)

    found = cross_entropy(query, vectors, biases, ITEMS - 1, sparse, Taught(teacher(), share))

    assert found.item() == pytest.approx(by_hand(share, scores.tolist(), teacher().tolist()), rel=1e-5)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_its_gradient_is_that_of_soft_targets(share) -> None:
    query, vectors, biases = given(True)
    values = SPARSE.values.clone().requires_grad_()
    sparse = SPARSE._replace(values=values)
    cross_entropy(query, vectors, biases, ITEMS - 1, sparse, Taught(teacher(), share)).backward()
    found = [one.grad.clone() for one in (query, vectors, biases, values)]

    for one in (query, vectors, biases, values):
        one.grad = None
    written_out(share, scored(query, vectors, biases, sparse)).backward()

    for mine, one in zip(found, (query, vectors, biases, values), strict=True):
        torch.testing.assert_close(mine, one.grad)


def test_in_bf16_it_errs_by_as_much_as_the_rest() -> None:
    query, vectors, biases = given(True)
    with torch.autocast("cpu", torch.bfloat16):
        found = cross_entropy(query, vectors, biases, ITEMS - 1, SPARSE, Taught(teacher().bfloat16(), 0.5))
    found.backward()
    gradients = [one.grad.clone() for one in (query, vectors, biases)]

    for one in (query, vectors, biases):
        one.grad = None
    expected = written_out(0.5, scored(query, vectors, biases, SPARSE))
    expected.backward()

    assert found.item() == pytest.approx(expected.item(), abs=0.02)
    for mine, one in zip(gradients, (query, vectors, biases), strict=True):
        assert (mine - one.grad).norm() < 0.02 * one.grad.norm()


def test_a_teacher_that_is_sure_of_the_right_answer_adds_nothing() -> None:
    query, vectors, biases = given(True)
    sure = functional.one_hot((ITEMS - 1).clamp(min=0), N).float()

    assert added(Taught(sure, 0.5), query, vectors, biases, SPARSE) == pytest.approx(0, abs=1e-5)


def test_a_teacher_that_knows_the_category_alone_is_smoothing() -> None:
    query, vectors, biases = given(True)

    found = added(Taught(torch.tensor(even()), 0.4), query, vectors, biases, SPARSE)

    assert found == pytest.approx(smoothed(0.4, query, vectors, biases, ITEMS, SPARSE).item(), rel=1e-5)


def test_without_a_label_it_is_nothing() -> None:
    query, vectors, _ = given(False)

    assert cross_entropy(query, vectors, None, torch.full((B,), losses.UNLABELLED), None, Taught(teacher(), 0.5)) == 0


def test_the_model_is_told() -> None:
    """World: the item task's loss changes with what is taught, the category task's does not."""
    made = model(recipe()).eval()
    items, lengths = tensors(batch(3))
    follow = torch.tensor([1, 2, 3])
    taught = Taught(torch.full((3, made.inputs.num_items), 1 / made.inputs.num_items), 0.5)

    _, plain = made.loss(items, lengths, Targets(follow))
    _, told = made.loss(items, lengths, Targets(follow, taught=taught))

    assert told["item"].item() != plain["item"].item()
    assert all(torch.equal(told[name], plain[name]) for name in plain if name != "item")
