"""What teachers say as soft targets, against the cross-entropy with targets that are written out."""

import pytest
import torch
from torch import Tensor

from hiersrec.model.losses import cross_entropy
from hiersrec.model.score_term import SparseScores
from hiersrec.model.soft_target import soft_loss
from hiersrec.model.soft_targets.teachers import Distillation
from hiersrec.model.targets import Targets, Taught
from tests.model.soft_targets.test_smoothing import ITEMS, SPARSE, B, N, by_hand, even, given, smoothed, target_rows
from tests.model.world import batch, model, recipe, tensors


def teacher() -> Tensor:
    torch.manual_seed(2)
    return torch.randn(B, N).softmax(-1)


def distilled(
    taught: Taught, query: Tensor, vectors: Tensor, biases: Tensor | None, items: Tensor, sparse: SparseScores | None
) -> Tensor:
    """What teachers add to the loss."""
    targets = Targets(items, taught=taught)
    expected = Distillation()(targets, vectors, biases, sparse)
    assert expected is not None
    return soft_loss(expected, targets, query, *target_rows(vectors, biases, items), sparse)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("sparse", [None, SPARSE], ids=["plain", "with sparse scores"])
def test_it_makes_the_loss_that_of_soft_targets(share, biased, sparse) -> None:
    query, vectors, biases = given(biased)
    scores = query @ vectors.T + (0 if biases is None else biases)
    if sparse is not None:
        scores = sparse.add_to(scores)

    plain = cross_entropy(query, vectors, biases, ITEMS - 1, sparse)
    found = plain + distilled(Taught(teacher(), share), query, vectors, biases, ITEMS, sparse)

    assert found.item() == pytest.approx(by_hand(share, scores.tolist(), teacher().tolist()), rel=1e-5)


def test_its_gradient_is_that_of_soft_targets() -> None:
    query, vectors, biases = given(True)
    values = SPARSE.values.clone().requires_grad_()
    sparse = SPARSE._replace(values=values)
    distilled(Taught(teacher(), 0.3), query, vectors, biases, ITEMS, sparse).backward()
    found = [one.grad.clone() for one in (query, vectors, biases, values)]

    for one in (query, vectors, biases, values):
        one.grad = None
    scores = sparse.add_to(query @ vectors.T + biases)
    known = ITEMS > 0
    means = (teacher() * scores).sum(1)[known]
    (0.3 * (scores[known, ITEMS[known] - 1] - means)).mean().backward()

    for mine, one in zip(found, (query, vectors, biases, values), strict=True):
        torch.testing.assert_close(mine, one.grad)


def test_a_teacher_that_is_sure_of_the_right_answer_adds_nothing() -> None:
    query, vectors, biases = given(True)
    sure = torch.nn.functional.one_hot((ITEMS - 1).clamp(min=0), N).float()

    assert distilled(Taught(sure, 0.5), query, vectors, biases, ITEMS, SPARSE).item() == pytest.approx(0, abs=1e-5)


def test_a_teacher_that_knows_the_category_alone_is_smoothing() -> None:
    query, vectors, biases = given(True)

    found = distilled(Taught(torch.tensor(even()), 0.4), query, vectors, biases, ITEMS, SPARSE)

    assert found.item() == pytest.approx(smoothed(0.4, query, vectors, biases, ITEMS, SPARSE).item(), rel=1e-5)


def test_without_a_label_it_is_nothing() -> None:
    query, vectors, _ = given(False)

    assert distilled(Taught(teacher(), 0.5), query, vectors, None, torch.zeros(B, dtype=torch.int64), None) == 0


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
