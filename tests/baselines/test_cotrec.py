"""COTREC against plain loops over one item, one session and one score at a time, in float64."""

import copy
import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.baselines import _cotrec_losses as losses
from hiersrec.baselines import cotrec
from hiersrec.baselines._cotrec_graph import followers, overlap
from hiersrec.baselines.cotrec import Config, Cotrec
from hiersrec.errors import BadInput
from hiersrec.model.item_graph import ItemGraph
from hiersrec.model.targets import Targets
from hiersrec.store.sessions import Sessions
from tests.toy import NUM_ITEMS, toy

torch.set_num_threads(1)

WIDTH = 6
SESSIONS = [[5], [3, 3], [1, 2, 3], [4, 2, 4, 2, 4, 7], [1, 1, 2, 1, 1], [6, 5, 4, 3, 2, 1]]
TARGETS = Targets(torch.tensor([7, 3, 48, 1, 2, 9]))
SMALL = Sessions.from_lists([[1, 2, 3, 2], [2, 3], [4], [3, 3, 3], [1, 2]])
Vector = np.ndarray


def model(train: Sessions | None = None, seed: int = 0, **settings: float) -> Cotrec:
    torch.manual_seed(seed)
    data = toy(40, 2).data
    return cotrec.build(Config(**{"width": WIDTH, **settings}), data.catalog, train or data.train).double()


def tensors(sessions: list[list[int]], pad: int = 0) -> tuple[Tensor, Tensor]:
    """Items (B, T), right-padded by `pad` more than needed, and lengths (B,)."""
    longest = max(map(len, sessions)) + pad
    items = torch.tensor([session + [0] * (longest - len(session)) for session in sessions])
    return items, torch.tensor([len(session) for session in sessions])


def numpys(part: torch.nn.Module, name: str = "weight") -> Vector:
    return part.get_parameter(name).detach().numpy()


def unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(value * value for value in vector))
    return vector / length if length else vector


def softmax(values: Vector) -> Vector:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def kl(p: Vector, q: Vector) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def matrix(sessions: Sessions, num_items: int) -> Vector:
    """(N, N): 1 on the diagonal, and 1 more for each time the column's item followed the row's; columns sum to 1."""
    counts = np.eye(num_items)
    for number in range(len(sessions)):
        for item, following in pairwise(sessions[number].tolist()):
            counts[item - 1, following - 1] += 1
    return counts / counts.sum(0)


def items_by_hand(net: Cotrec, adjacency: Vector) -> Vector:
    """x of all items, (N, D)."""
    layer = numpys(net, "table")
    layers = [layer]
    for linear in net.item_layers:
        layer = adjacency @ (layer @ numpys(linear).T)
        layers.append(np.array([unit(row) for row in layer]))
    return sum(layers) / len(layers)


def session_by_hand(net: Cotrec, vectors: Vector, session: list[int]) -> Vector:
    """Scale times the direction of u."""
    own = [vectors[item - 1] for item in session]
    mean = sum(own) / len(own)
    u = np.zeros(vectors.shape[1])
    for number, x in enumerate(own):
        position = numpys(net, "positions")[len(session) - 1 - number]
        placed = np.tanh(numpys(net.place) @ np.concatenate([position, x]))
        inner = numpys(net.key) @ placed + numpys(net.key, "bias") + numpys(net.query) @ mean
        u += (numpys(net.weigh) @ (1 / (1 + np.exp(-inner)))) * x
    return net.config.scale * unit(u)


def likeness_by_hand(sessions: list[list[int]]) -> Vector:
    sets = [set(session) for session in sessions]
    overlaps = np.array([[len(one & other) / len(one | other) for other in sets] for one in sets])
    return overlaps / overlaps.sum(1, keepdims=True)


def sessions_by_hand(net: Cotrec, sessions: list[list[int]]) -> Vector:
    """The session view, (B, D)."""
    table = numpys(net, "table")
    layer = np.array([sum(table[item - 1] for item in session) / len(session) for session in sessions])
    layers = [layer]
    for linear in net.session_layers:
        layer = likeness_by_hand(sessions) @ layer @ numpys(linear).T
        layers.append(np.array([unit(row) for row in layer]))
    return sum(layers) / len(layers)


def adversarial_by_hand(first: Vector, second: Vector, vectors: Vector, classes: list[int], epsilon: float) -> float:
    states, moved = [first, second], []
    for state in states:
        pull = np.zeros_like(vectors)
        for s, target in zip(state, classes, strict=True):
            prob = softmax(vectors @ s)
            for item in range(len(vectors)):
                pull[item] += (prob[item] - (item == target)) * s
        moved.append(vectors + epsilon * np.array([unit(row) for row in pull]))
    total = 0.0
    for state, others in zip(states, reversed(moved), strict=True):
        total += sum(kl(softmax(vectors @ s), softmax(others @ s)) for s in state)
    return total / len(classes)


def contrast_by_hand(state: Vector, vectors: Vector, last: list[int], chosen: list[list[int]]) -> float:
    total = 0.0
    for s, newest, items in zip(state, last, chosen, strict=True):
        near = [math.exp(unit(s + vectors[newest]) @ unit(s + vectors[item]) / losses.TEMPERATURE) for item in items]
        total -= math.log(sum(near[: losses.PICKS]) / sum(near))
    return total / len(state)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_item_graph_is_the_matrix_of_what_followed_what() -> None:
    graph = ItemGraph(5, followers(5, SMALL)).double()
    expected = matrix(SMALL, 5)

    assert expected[1].tolist() == [0, 1 / 4, 2 / 5, 0, 0]  # 2 -> 3 twice, of the five times that 3 is reached
    np.testing.assert_allclose(graph(torch.eye(5, dtype=torch.float64)), expected, rtol=1e-6)
    np.testing.assert_allclose(graph(random(5, 3)), expected @ random(5, 3).numpy(), rtol=1e-6)


def test_gradient_of_the_item_graph_goes_the_other_way() -> None:
    graph = ItemGraph(5, followers(5, SMALL)).double()

    assert torch.autograd.gradcheck(graph, [random(5, 3).requires_grad_()])


def test_item_graph_keeps_the_precision_of_the_vectors() -> None:
    graph = ItemGraph(5, followers(5, SMALL))
    exact, rounded = graph(random(5, 64).float()), graph(random(5, 64).bfloat16())

    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, rtol=0.02, atol=0.02)


def test_likeness_is_of_distinct_items_and_padding_is_none() -> None:
    for pad in (0, 3):
        np.testing.assert_allclose(overlap(*tensors(SESSIONS, pad)), likeness_by_hand(SESSIONS), rtol=1e-6)


def test_scores_equal_the_slow_twin() -> None:
    data = toy(40, 2).data
    net = model()
    vectors = items_by_hand(net, matrix(data.train, NUM_ITEMS))
    scores = net(*tensors(SESSIONS))["item"]

    assert scores.shape == (len(SESSIONS), NUM_ITEMS)
    for row, session in zip(scores.detach().numpy(), SESSIONS, strict=True):
        expected = [session_by_hand(net, vectors, session) @ unit(x) for x in vectors]
        np.testing.assert_allclose(row, expected, rtol=1e-6, atol=1e-6)


def test_losses_equal_the_slow_twin(monkeypatch) -> None:
    data = toy(40, 2).data
    net = model()
    chosen = torch.from_numpy(np.random.default_rng(3).integers(NUM_ITEMS, size=(2, len(SESSIONS), 2 * losses.PICKS)))
    calls: list[tuple[Tensor, Tensor]] = []

    def fixed(state: Tensor, vectors: Tensor) -> Tensor:
        calls.append((state, vectors))
        return chosen[len(calls) - 1]

    monkeypatch.setattr(cotrec, "picks", fixed)
    total, parts = net.loss(*tensors(SESSIONS), TARGETS)
    vectors = items_by_hand(net, matrix(data.train, NUM_ITEMS))
    units, table = np.array([unit(x) for x in vectors]), numpys(net, "table")
    first = np.array([session_by_hand(net, vectors, session) for session in SESSIONS])
    second = sessions_by_hand(net, SESSIONS)
    classes, last = (TARGETS.items - 1).tolist(), [session[-1] - 1 for session in SESSIONS]
    item = -np.mean([math.log(softmax(units @ s)[target]) for s, target in zip(first, classes, strict=True)])
    # The session view picks for the item view, which picks for the session view.
    for (state, actual), (expected, table_expected) in zip(calls, [(second, table), (first, units)], strict=True):
        np.testing.assert_allclose(state.detach(), expected, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(actual.detach(), table_expected, rtol=1e-6, atol=1e-7)
    contrast = contrast_by_hand(first, units, last, chosen[0].tolist())
    contrast += contrast_by_hand(second, table, last, chosen[1].tolist())
    adversarial = adversarial_by_hand(first, second, units, classes, net.config.epsilon)

    assert list(parts) == ["item", "contrast", "adversarial"]
    assert [float(part) for part in parts.values()] == pytest.approx([item, contrast, adversarial], rel=1e-5)
    assert float(total.detach()) == pytest.approx(item + 0.1 * contrast + 0.5 * adversarial, rel=1e-5)


def test_adversarial_gradients_are_those_of_the_plain_form(monkeypatch) -> None:
    monkeypatch.setattr(losses, "ROWS", 2)
    classes = torch.tensor([4, 0, 6, 2, 4])
    leaves = [random(5, 3, seed=seed).requires_grad_() for seed in (1, 2)] + [random(7, 3).requires_grad_()]
    twins = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    loss = losses.adversarial(*leaves, classes, 0.8)
    (3 * loss).backward()
    first, second, vectors = twins
    moves = []
    for state in (first, second):
        (pull,) = torch.autograd.grad(functional.cross_entropy(state @ vectors.T, classes), vectors)
        moves.append(0.8 * functional.normalize(pull, dim=1))
    expected = torch.zeros((), dtype=torch.float64)
    for state, move in ((first, moves[1]), (second, moves[0])):
        after = (state @ (vectors + move).T).log_softmax(1)
        expected = expected + functional.kl_div(
            after, (state @ vectors.T).log_softmax(1), log_target=True, reduction="batchmean"
        )
    (3 * expected).backward()

    assert float(loss.detach()) == pytest.approx(float(expected.detach()))
    for leaf, twin in zip(leaves, twins, strict=True):
        torch.testing.assert_close(leaf.grad, twin.grad)


def test_adversarial_in_bf16_is_near_and_nothing_overflows() -> None:
    classes = torch.arange(9)
    first, second, vectors = random(9, 20).float(), random(9, 20, seed=1).float(), random(3000, 20, seed=2).float()
    exact = losses.adversarial(first, second, vectors, classes, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = losses.adversarial(first, second, vectors, classes, 0.5)

    assert rounded.dtype == torch.float32
    assert float(rounded) == pytest.approx(float(exact), rel=0.02)
    assert torch.isfinite(losses.adversarial(30 * first, second, vectors, classes, 0.5))


@pytest.mark.parametrize("num_items", [20, 48, 700, 1024])
def test_picks_are_the_best_ten_and_ten_others(num_items) -> None:
    state, vectors = random(70, 5), random(num_items, 5, seed=1)
    torch.manual_seed(0)
    chosen = losses.picks(state, vectors)
    order = (state @ vectors.T).argsort(1, descending=True)
    rank = order.argsort(1).gather(1, chosen)

    assert chosen.shape == (70, 20)
    assert rank[:, :10].tolist() == [list(range(10))] * 70
    assert int(rank[:, 10:].min()) >= 10
    assert (rank[:, 10:] == rank[0, 10:]).all(), "the same ranks for all"


def test_negatives_of_a_large_catalogue_come_from_the_best_of_a_draw(monkeypatch) -> None:
    """Of 8,000 items the best 400, less ten: of 1,024 drawn that is the best 50, which reach to about rank 400."""
    monkeypatch.setattr(losses, "POOL", 400)
    state, vectors = random(40, 5), random(8000, 5, seed=1)
    rank = (state @ vectors.T).argsort(1, descending=True).argsort(1)
    torch.manual_seed(0)
    ranks = torch.stack([rank.gather(1, losses.picks(state, vectors)) for _ in range(60)])

    assert ranks[..., :10].sort().values.eq(torch.arange(10)).all()
    assert int(ranks[..., 10:].min()) >= 10
    assert float(ranks[..., 10:].double().mean()) == pytest.approx(200, rel=0.1)
    assert int(ranks[..., 10:].max()) < 800


def test_random_negatives_follow_torchs_random_state() -> None:
    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return float(net.loss(*tensors(SESSIONS), TARGETS)[1]["contrast"])

    net = model()

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)


def test_a_session_scores_the_same_alone_and_padded() -> None:
    net = model().eval()
    together = net(*tensors(SESSIONS, pad=4))["item"]

    for row, session in enumerate(SESSIONS):
        torch.testing.assert_close(net(*tensors([session]))["item"][0], together[row])


def test_order_and_repeats_matter() -> None:
    net = model()
    scores = net(*tensors([[1, 2], [2, 1], [1, 1, 2]]))["item"]

    assert not torch.allclose(scores[0], scores[1])
    assert not torch.allclose(scores[0], scores[2])


def without_gradient(**settings: float) -> set[str]:
    net = model(**settings)
    net.loss(*tensors(SESSIONS), TARGETS)[0].backward()
    return {name for name, weights in net.named_parameters() if weights.grad is None or not weights.grad.any()}


def test_gradients_reach_every_parameter_through_each_part() -> None:
    session_view = {"session_layers.0.weight", "session_layers.1.weight"}

    assert without_gradient() == set()
    assert without_gradient(contrast_weight=0) == set()
    assert without_gradient(adversarial_weight=0) == set()
    assert without_gradient(contrast_weight=0, adversarial_weight=0) == session_view


def test_a_part_of_weight_zero_is_left_out() -> None:
    def of(**settings: float) -> list[str]:
        return list(model(**settings).loss(*tensors(SESSIONS), TARGETS)[1])

    assert of(contrast_weight=0) == ["item", "adversarial"]
    assert of(adversarial_weight=0) == ["item", "contrast"]


OTHERS = {
    **{"width": 8, "layers": 1, "scale": 5.0, "contrast_weight": 0.2, "adversarial_weight": 0.1, "epsilon": 0.3},
    "max_length": 20,
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Config)])
def test_each_setting_changes_the_weights_or_the_loss(name) -> None:
    def outcome(**settings: float) -> tuple[list[torch.Size], float]:
        net = model(**settings)
        torch.manual_seed(1)
        loss = float(net.loss(*tensors(SESSIONS), TARGETS)[0].detach())
        return [weights.shape for weights in net.parameters()], loss

    assert outcome() == outcome()
    assert outcome() != outcome(**{name: OTHERS[name]})


def test_loaded_weights_bring_the_graph(tmp_path: Path) -> None:
    data = toy(40, 2).data
    net = model().eval().float()
    safetensors.torch.save_model(net, str(tmp_path / "weights"))
    other = cotrec.build(Config(width=WIDTH), data.catalog, None).eval()
    with torch.inference_mode():
        assert not torch.allclose(other(*tensors(SESSIONS))["item"], net(*tensors(SESSIONS))["item"])
        safetensors.torch.load_model(other, tmp_path / "weights")

        assert (other.graph.edges == net.graph.edges).all()
        assert (other(*tensors(SESSIONS))["item"] == net(*tensors(SESSIONS))["item"]).all()


def test_without_a_graph_in_the_file_loading_fails() -> None:
    net = model()
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("graph.")}

    with pytest.raises(RuntimeError, match=r"Missing key.*graph.edges"):
        model(seed=1).load_state_dict(state)


def test_items_are_convolved_once_for_evaluation_and_anew_after_a_step(monkeypatch) -> None:
    net = model()
    calls: list[int] = []
    forward = ItemGraph.forward
    monkeypatch.setattr(ItemGraph, "forward", lambda graph, x: calls.append(1) or forward(graph, x))

    def scores() -> Tensor:
        net.eval()  # as scoring does for each batch, in the middle of a training
        with torch.inference_mode():
            scores = net(*tensors(SESSIONS))["item"]
        net.train()
        return scores

    before = [scores(), scores()]
    assert len(calls) == net.config.layers
    net.loss(*tensors(SESSIONS), TARGETS)[0].backward()
    with torch.no_grad():
        for weights in net.parameters():
            weights -= weights.grad
    after = scores()
    fresh = copy.deepcopy(net)
    fresh.vectors = None

    assert (before[0] == before[1]).all()
    assert not torch.allclose(before[0], after)
    assert (fresh.eval()(*tensors(SESSIONS))["item"].detach() == after).all()


def test_too_small_a_catalogue_is_an_error_with_a_way_out() -> None:
    catalog = dataclasses.replace(toy(5, 2).data.catalog, items=toy(5, 2).data.catalog.items.slice(0, 19))

    with pytest.raises(BadInput, match=r"at least 20 items, got 19\. Train with --set baseline\.contrast_weight=0"):
        cotrec.build(Config(), catalog, None)
    assert cotrec.build(Config(contrast_weight=0), catalog, None).max_length == 50
