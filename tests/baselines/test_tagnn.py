"""TAGNN against plain loops over one session, and what padding, repeats and one-item sessions do."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from hiersrec.baselines import tagnn
from hiersrec.baselines.tagnn import Config, Tagnn, graph
from hiersrec.model.targets import Targets
from tests.toy import NUM_ITEMS, toy

torch.set_num_threads(1)

SESSIONS = [[5], [3, 3], [1, 2, 3], [4, 2, 4, 2, 4, 7], [1, 1, 2, 1, 1], [6, 5, 4, 3, 2, 1]]


def model(width: int = 6, seed: int = 0) -> Tagnn:
    torch.manual_seed(seed)
    return tagnn.build(Config(width=width), toy(5, 2).data.catalog, None)


def tensors(sessions: list[list[int]], pad: int = 0) -> tuple[Tensor, Tensor]:
    """Items (B, T), right-padded by `pad` more than needed, and lengths (B,)."""
    longest = max(map(len, sessions)) + pad
    items = torch.tensor([session + [0] * (longest - len(session)) for session in sessions])
    return items, torch.tensor([len(session) for session in sessions])


def numpys(part: torch.nn.Module, name: str) -> np.ndarray:
    return part.get_parameter(name).detach().double().numpy()


def linear(layer: torch.nn.Module, vector: np.ndarray) -> np.ndarray:
    product = numpys(layer, "weight") @ vector
    return product + numpys(layer, "bias") if layer.bias is not None else product


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def softmax(values: list[float]) -> np.ndarray:
    powers = np.exp(np.array(values) - max(values))
    return powers / powers.sum()


def by_hand(net: Tagnn, session: list[int]) -> list[float]:
    """Scores of all items as the top of tagnn.py has them: over positions, one item after another, in float64."""
    table = numpys(net.items, "weight")
    edges = set(pairwise(session))
    states = {}
    for item in session:
        around = []
        for layer, near in [
            (net.predecessors, [before for before, after in sorted(edges) if after == item]),
            (net.successors, [after for before, after in sorted(edges) if before == item]),
        ]:
            vectors = [linear(layer, table[node]) for node in near]
            around.append(np.mean(vectors, axis=0) if vectors else np.zeros(table.shape[1]))
        gates = numpys(net.cell, "weight_ih") @ np.concatenate(around) + numpys(net.cell, "bias_ih")
        own = numpys(net.cell, "weight_hh") @ table[item] + numpys(net.cell, "bias_hh")
        (reset, keep, new), (own_reset, own_keep, own_new) = np.split(gates, 3), np.split(own, 3)
        state = np.tanh(new + sigmoid(reset + own_reset) * own_new)
        states[item] = state + sigmoid(keep + own_keep) * (table[item] - state)
    read = np.array([states[item] for item in session])
    query = linear(net.query, read[-1])
    alpha = softmax([float(linear(net.score, sigmoid(query + linear(net.key, state)))[0]) for state in read])
    session_vector = linear(net.out, np.concatenate([alpha @ read, read[-1]]))
    scores = []
    for item in table[1:]:
        beta = softmax([float(item @ linear(net.target, state)) for state in read])
        scores.append(float((session_vector + beta @ read) @ item))
    return scores


def test_scores_are_what_loops_over_positions_say() -> None:
    net = model()

    scores = net(*tensors(SESSIONS))["item"]

    assert scores.shape == (len(SESSIONS), NUM_ITEMS)
    for row, session in enumerate(SESSIONS):
        np.testing.assert_allclose(scores[row].detach().numpy(), by_hand(net, session), rtol=1e-5, atol=1e-6)


def test_the_loss_is_minus_the_mean_log_probability() -> None:
    net = model()
    targets = [7, 1, 3, 48, 2, 9]

    loss, parts = net.loss(*tensors(SESSIONS), Targets(torch.tensor(targets)))

    expected = [
        -math.log(softmax(by_hand(net, session))[item - 1]) for session, item in zip(SESSIONS, targets, strict=True)
    ]
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-5)
    assert parts == {"item": loss.detach()}


def test_its_gradients_are_those_of_its_scores() -> None:
    """The loss has gradients of its own (_target_attention.py); those of the scores are torch's."""
    net = model()
    inputs, targets = tensors(SESSIONS), torch.tensor([7, 1, 3, 48, 2, 9])

    net.loss(*inputs, Targets(targets))[0].backward()
    ours = {name: weights.grad.clone() for name, weights in net.named_parameters()}
    net.zero_grad()
    torch.nn.functional.cross_entropy(net(*inputs)["item"], targets - 1).backward()

    for name, weights in net.named_parameters():
        assert weights.grad.abs().sum() > 0, name
        torch.testing.assert_close(ours[name], weights.grad, rtol=1e-4, atol=1e-7)


def test_a_graph_has_one_node_an_item_and_one_edge_a_pair() -> None:
    node, counts, edges = graph(torch.tensor([[4, 2, 4, 2, 2, 0]]))

    assert node[0, :5].tolist() == [0, 1, 0, 1, 1]
    assert counts.tolist() == [[2, 3, 0, 0, 0, 0]]
    assert edges[0].nonzero().tolist() == [[0, 1], [1, 0], [1, 1]]
    assert edges.unique().tolist() == [0, 1]


def test_padding_changes_nothing() -> None:
    net = model()

    torch.testing.assert_close(net(*tensors(SESSIONS))["item"], net(*tensors(SESSIONS, pad=5))["item"])


def test_each_repeat_of_an_item_counts() -> None:
    net = model()
    scores = net(*tensors([[1, 2, 1, 2], [1, 2, 1, 2, 1, 2, 1, 2], [1, 1, 2, 1, 2]]))["item"]

    torch.testing.assert_close(scores[0], scores[1])  # the same graph and shares
    assert not torch.allclose(scores[0], scores[2])


def test_every_setting_changes_something() -> None:
    catalog = toy(5, 2).data.catalog

    assert tagnn.build(Config(width=3), catalog, None).items.weight.shape == (NUM_ITEMS + 1, 3)
    assert tagnn.build(Config(max_length=7), catalog, None).max_length == 7
