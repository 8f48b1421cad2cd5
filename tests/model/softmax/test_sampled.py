"""The sampled softmax: its sample, its estimate, and the gradient of the paper it follows."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.model.heads import Head
from hiersrec.model.inputs import Config as InputsConfig
from hiersrec.model.inputs import Inputs
from hiersrec.model.score_term import SparseScores
from hiersrec.model.softmax import sampled
from hiersrec.model.softmax.sampled import Sample, Sampled
from hiersrec.model.targets import Targets
from hiersrec.model.tasks.item import Config, build
from tests.model.world import N, catalog

WIDTH = 11
TARGETS = torch.tensor([1, 12, 7, 7, 3])


def made(negatives: int = 6, head: str = "cosine", seed: int = 0) -> Head:
    torch.manual_seed(seed)
    inputs = Inputs(InputsConfig(item_width=3, category_width=4, metadata_width=4), catalog())
    return build(Config(head=head, softmax="sampled", negatives=negatives), catalog(), WIDTH, inputs)


def softmax_of(head: Head) -> Sampled:
    assert isinstance(head.softmax, Sampled)
    return head.softmax


def states(count: int = len(TARGETS)) -> Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(2)).requires_grad_()


def chance(item: int, draws: int) -> float:
    """Slow twin of e_j: the chance that `item` comes up."""
    weight = {one: (N + 1 - one + 1) ** 0.75 for one in range(1, N + 1)}  # training events are N, N - 1, ..., 1
    return 1 - (1 - weight[item] / sum(weight.values())) ** draws


def test_what_a_sample_says_of_its_items() -> None:
    softmax = softmax_of(made(4))
    torch.manual_seed(1)

    for _ in range(20):
        sample = softmax.draw()
        items = sample.items.tolist()
        assert len(items) == 4
        counting = [at for at in range(len(items)) if sample.corrections[at] > -math.inf]
        assert sorted(set(items)) == [items[at] for at in counting], "each item once"
        for at in counting:
            assert sample.corrections[at].item() == pytest.approx(-math.log(chance(items[at], 4)), abs=1e-5)


def test_items_come_up_as_often_as_is_said() -> None:
    softmax = softmax_of(made(10))
    torch.manual_seed(1)
    rounds, came = 4000, np.zeros(N + 1)
    for _ in range(rounds):
        sample = softmax.draw()
        came[sample.items[sample.corrections > -torch.inf].numpy()] += 1

    expected = [chance(item, 10) for item in range(1, N + 1)]

    np.testing.assert_allclose(came[1:] / rounds, expected, atol=4 * 0.5 / math.sqrt(rounds))


def plain(head: Head, sample: Sample, state: Tensor, items: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Score of the right item, and the corrected scores of the wrong ones, of each example."""
    scores, found = head(state), []
    for row, item in zip(scores, items.tolist(), strict=True):
        wrong = []
        for drawn, correction in zip(sample.items.tolist(), sample.corrections, strict=True):
            if drawn != item and correction > -torch.inf:
                wrong.append(row[drawn - 1] + correction)
        found.append((row[item - 1], torch.stack(wrong)))
    return found


def fixed(monkeypatch: pytest.MonkeyPatch, head: Head) -> Sample:
    """One sample, which the loss then takes too."""
    torch.manual_seed(3)
    sample = softmax_of(head).draw()
    monkeypatch.setattr(softmax_of(head), "draw", lambda: sample)
    return sample


@pytest.mark.parametrize("head", ["linear", "cosine"])
@pytest.mark.parametrize("rows", [2, 64])
def test_the_loss_and_its_gradient_are_those_of_the_plain_formula(monkeypatch, head, rows) -> None:
    monkeypatch.setattr(sampled, "ROWS", rows)
    task, state = made(12, head), states()
    sample = fixed(monkeypatch, task)
    each = [
        torch.cat([right[None], wrong]).logsumexp(0) - right for right, wrong in plain(task, sample, state, TARGETS)
    ]
    expected = torch.stack(each).mean()
    leaves = [state, *task.parameters()]

    found = task.loss(state, Targets(TARGETS))

    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(one.to_dense(), other, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_the_paper(monkeypatch) -> None:
    """(1 - P(p)), of which nothing is derived, times the loss of the right item against the wrong ones alone."""
    task, state = made(12), states()
    sample = fixed(monkeypatch, task)
    each = []
    for right, wrong in plain(task, sample, state, TARGETS):
        weight = 1 - torch.cat([right[None], wrong]).softmax(0)[0].detach()
        each.append(weight * (wrong.logsumexp(0) - right))
    [expected] = torch.autograd.grad(torch.stack(each).mean(), state)

    [found] = torch.autograd.grad(task.loss(state, Targets(TARGETS)), state)

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_where_every_item_is_drawn_it_is_the_full_softmax() -> None:
    task, state = made(4000), states()
    leaves = [state, *task.parameters()]
    expected = functional.cross_entropy(task(state), TARGETS - 1)

    found = task.loss(state, Targets(TARGETS))

    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(one.to_dense(), other, rtol=1e-4, atol=1e-5)


def test_the_sum_over_wrong_items_is_right_on_average() -> None:
    """What is estimated without bias is the sum; its logarithm is not, which is why many negatives are drawn."""
    task, rounds = made(6), 4000
    with torch.no_grad():
        scores, total = task(states()), torch.zeros(len(TARGETS))
        expected = scores.exp().sum(1) - scores.gather(1, TARGETS[:, None] - 1)[:, 0].exp()
        torch.manual_seed(4)
        for _ in range(rounds):
            sample = softmax_of(task).draw()
            corrected = scores[:, sample.items - 1] + sample.corrections
            total += corrected.masked_fill(TARGETS[:, None] == sample.items, -torch.inf).exp().sum(1)

    torch.testing.assert_close(total / rounds, expected, rtol=0.1, atol=0)


def test_examples_without_a_known_item_count_for_nothing() -> None:
    task, state = made(4000), states()
    expected = task.loss(state[:3], Targets(TARGETS[:3]))

    found = task.loss(state, Targets(torch.cat([TARGETS[:3], torch.zeros(2, dtype=torch.int64)])))

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.autograd.grad(found, state)[0][3:].abs().max() == 0
    assert task.loss(state, Targets(torch.zeros(5, dtype=torch.int64))).item() == 0


def test_half_precision_is_close() -> None:
    task, state = made(4000), states()
    expected = task.loss(state, Targets(TARGETS))

    with torch.autocast("cpu", torch.bfloat16):
        found = task.loss(state, Targets(TARGETS))

    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
    one, other = (torch.autograd.grad(each, state)[0] for each in (found, expected))
    assert (one - other).norm() < 0.05 * other.norm()


def test_the_random_state_decides_and_only_rows_that_were_read_get_gradients() -> None:
    task = made(4)
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(task.loss(states(), Targets(TARGETS)).item())
    torch.manual_seed(1)
    read = {*softmax_of(task).draw().items.tolist(), *TARGETS.tolist()}
    torch.manual_seed(1)
    inputs = task.id_vectors.__self__

    task.loss(states(), Targets(TARGETS)).backward()

    assert losses[0] == losses[1] != losses[2]
    gradient = inputs.item_table.weight.grad
    assert gradient.is_sparse
    assert set(gradient.coalesce().indices()[0].tolist()) == read


def test_biases_of_items_that_come_up_often_add_up_in_one_order() -> None:
    """A linear head's: plain indexing has a gradient that two threads add up as they come, from 32,768 rows on."""
    task, many = made(head="linear", negatives=4), torch.randint(1, N + 1, (100_000,))
    weights, found = torch.randn(len(many)), []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for _ in range(5):
            [gradient] = torch.autograd.grad((task.biases(many) * weights).sum(), task.fc.bias)
            found.append(gradient.tolist())
    finally:
        torch.set_num_threads(threads)

    assert all(one == found[0] for one in found)


def test_what_is_scored_is_what_the_full_softmax_would_score() -> None:
    task, full = made(), build(Config(head="cosine"), catalog(), WIDTH, Inputs(InputsConfig(item_width=3), catalog()))
    full.load_state_dict(task.state_dict())
    full.id_vectors = task.id_vectors
    state = states()

    assert torch.equal(task(state), full(state))
    assert list(task.state_dict()) == ["project.weight"]


# Of four examples: the first has item 4 and its own target, the third none, the fourth two of which one is the target.
SPARSE = SparseScores(
    torch.tensor([0, 0, 1, 3, 3, 4]), torch.tensor([3, 0, 5, 6, 1, 8]), torch.tensor([1.5, -0.5, 2.0, 0.7, 3.0, -1.0])
)


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_where_every_item_is_drawn_items_of_the_session_are_in_the_full_softmax(head) -> None:
    task, state = made(4000, head), states()
    values = SPARSE.values.clone().requires_grad_()
    sparse = SPARSE._replace(values=values)
    leaves = [state, values, *task.parameters()]
    expected = functional.cross_entropy(sparse.add_to(task(state)), TARGETS - 1)

    found = task.loss(state, Targets(TARGETS), sparse)

    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(one.to_dense(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "cosine"])
@pytest.mark.parametrize("rows", [2, 64])
def test_items_of_the_session_are_compared_with_as_they_are(monkeypatch, head, rows) -> None:
    """Against the plain formula: they count once, drawn or not, and without a correction."""
    monkeypatch.setattr(sampled, "ROWS", rows)
    task, state = made(12, head), states()
    sample = fixed(monkeypatch, task)
    values = SPARSE.values.clone().requires_grad_()
    scores, each = SPARSE._replace(values=values).add_to(task(state)), []
    for row, target in enumerate(TARGETS.tolist()):
        exact = {target, *(SPARSE.classes[SPARSE.rows == row] + 1).tolist()}
        terms = [scores[row, item - 1] for item in exact]
        for item, correction in zip(sample.items.tolist(), sample.corrections, strict=True):
            if item not in exact and correction > -torch.inf:
                terms.append(scores[row, item - 1] + correction)
        each.append(torch.stack(terms).logsumexp(0) - scores[row, target - 1])
    expected, leaves = torch.stack(each).mean(), [state, values, *task.parameters()]

    found = task.loss(state, Targets(TARGETS), SPARSE._replace(values=values))

    torch.testing.assert_close(found, expected)
    for one, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(one.to_dense(), other, rtol=1e-4, atol=1e-6)


def test_second_derivatives_are_refused() -> None:
    """Not found wrong: the probabilities are kept as numbers."""
    state = states()
    loss = made(head="linear").loss(state, Targets(TARGETS))
    [gradient] = torch.autograd.grad(loss.square(), state, create_graph=True)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
