"""Label smoothing inside the category, against the cross-entropy with targets that are written out."""

import math

import pytest
import torch
from torch import Tensor

from hiersrec.build import build_model
from hiersrec.model import row_blocks
from hiersrec.model.losses import cross_entropy
from hiersrec.model.score_term import SparseScores
from hiersrec.model.soft_target import soft_loss
from hiersrec.model.soft_targets.smoothing import Smoothing
from hiersrec.model.targets import Targets
from tests.model.world import batch, catalog, model, recipe, tensors

NODES = [1, 1, 3, 1, 2, 3, 3]  # of items 1 to 7; item 5 is alone in its category
B, D, N = 5, 4, len(NODES)
ITEMS = torch.tensor([1, 3, 5, 0, 7])  # what followed; of the fourth nothing is known
SPARSE = SparseScores(
    torch.tensor([0, 0, 1, 3, 4, 4]), torch.tensor([0, 4, 5, 1, 2, 6]), torch.tensor([0.5, -2.0, 1.5, 9.0, 0.25, 0.75])
)


def given(biased: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Queries (B, D), vectors (N, D) and biases (N,) or None."""
    torch.manual_seed(1)
    query, vectors, biases = torch.randn(B, D), torch.randn(N, D), torch.randn(N)
    return query.requires_grad_(), vectors.requires_grad_(), biases.requires_grad_() if biased else None


def scored(query: Tensor, vectors: Tensor, biases: Tensor | None, sparse: SparseScores | None) -> Tensor:
    """The scores (B, N)."""
    scores = query @ vectors.T + (0 if biases is None else biases)
    return scores if sparse is None else sparse.add_to(scores)


def smoothed(
    share: float, query: Tensor, vectors: Tensor, biases: Tensor | None, items: Tensor, sparse: SparseScores | None
) -> Tensor:
    """What smoothing adds to the loss."""
    expected = Smoothing(share, torch.tensor(NODES).numpy())(Targets(items), vectors, biases, sparse)
    return soft_loss(expected, Targets(items), query, *target_rows(vectors, biases, items), sparse)


def target_rows(vectors: Tensor, biases: Tensor | None, items: Tensor) -> tuple[Tensor, Tensor | None]:
    """Vectors and biases of what followed."""
    classes = (items - 1).clamp(min=0)
    return vectors[classes], None if biases is None else biases[classes]


def even() -> list[list[float]]:
    """The even share of each item in the category of what followed: B lines of N."""
    inside = [[float(node == NODES[item - 1]) for node in NODES] for item in ITEMS.tolist()]
    return [[one / sum(line) for one in line] for line in inside]


def by_hand(share: float, scores: list[list[float]], others: list[list[float]]) -> float:
    """Mean over the examples with a label of -sum_j target(j) log P(j), a share of the target being `others`."""
    total = []
    for line, other, item in zip(scores, others, ITEMS.tolist(), strict=True):
        if not item:
            continue
        whole = sum(math.exp(score) for score in line)
        target = [share * one for one in other]
        target[item - 1] += 1 - share
        total.append(-sum(weight * math.log(math.exp(line[place]) / whole) for place, weight in enumerate(target)))
    return sum(total) / len(total)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("sparse", [None, SPARSE], ids=["plain", "with sparse scores"])
def test_it_makes_the_loss_that_of_soft_targets(share, biased, sparse) -> None:
    query, vectors, biases = given(biased)
    scores = scored(query, vectors, biases, sparse)

    plain = cross_entropy(query, vectors, biases, ITEMS - 1, sparse)
    found = plain + smoothed(share, query, vectors, biases, ITEMS, sparse)

    assert found.item() == pytest.approx(by_hand(share, scores.tolist(), even()), rel=1e-5)


@pytest.mark.parametrize("numbers", [row_blocks.NUMBERS, 3 * D, 1])
def test_its_gradient_is_that_of_soft_targets(numbers, monkeypatch) -> None:
    monkeypatch.setattr(row_blocks, "NUMBERS", numbers)
    query, vectors, biases = given(True)
    values = SPARSE.values.clone().requires_grad_()
    smoothed(0.3, query, vectors, biases, ITEMS, SPARSE._replace(values=values)).backward()
    found = [one.grad.clone() for one in (query, vectors, biases, values)]

    for one in (query, vectors, biases, values):
        one.grad = None
    scores = scored(query, vectors, biases, SPARSE._replace(values=values))
    same = torch.tensor(NODES)[:, None] == torch.tensor(NODES)
    known = ITEMS > 0
    means = (scores[known][:, None] * same[ITEMS[known] - 1][:, None])[:, 0].sum(1) / same.sum(1)[ITEMS[known] - 1]
    (0.3 * (scores[known, ITEMS[known] - 1] - means)).mean().backward()

    for mine, one in zip(found, (query, vectors, biases, values), strict=True):
        torch.testing.assert_close(mine, one.grad)


def test_an_item_alone_in_its_category_has_nothing_to_share() -> None:
    query, vectors, biases = given(True)

    assert smoothed(0.5, query[2:3], vectors, biases, ITEMS[2:3], None).item() == pytest.approx(0, abs=1e-6)


def test_without_a_label_it_is_nothing() -> None:
    query, vectors, _ = given(False)

    assert smoothed(0.5, query, vectors, None, torch.zeros(B, dtype=torch.int64), None) == 0


def test_two_threads_add_up_as_one_does() -> None:
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        query, vectors = torch.randn(4000, 32), torch.randn(3000, 32).requires_grad_()
        items = torch.randint(1, 3001, (4000,))
        expected = Smoothing(0.1, torch.randint(0, 40, (3000,)).numpy())(Targets(items), vectors, None, None)
        target_vectors = torch.nn.functional.embedding(items - 1, vectors)
        soft_loss(expected, Targets(items), query, target_vectors, None, None).backward()
        found.append(vectors.grad)
    torch.set_num_threads(before)

    assert torch.equal(found[1], found[2])
    torch.testing.assert_close(found[0], found[1])


def test_it_spreads_over_the_finest_categories() -> None:
    """World: items 9 and 10 share their finest category, 7 and 9 only the one above."""
    made = model(recipe("tasks.item.smoothing=0.5"))

    node = made.task("item").softmax.soft_targets[0].get_buffer("node")
    assert node[8] == node[9]
    assert node[6] != node[8]


def test_a_dataset_without_categories_has_nothing_to_smooth() -> None:
    bare = catalog(levels=False)
    losses = []
    for share in (0.0, 0.5):
        torch.manual_seed(0)
        made = build_model(recipe(f"tasks.item.smoothing={share}"), bare).eval()
        items, lengths = tensors(batch(3))
        losses.append(made.loss(items, lengths, Targets(torch.tensor([1, 2, 3])))[0].item())

    assert losses[0] == losses[1]
