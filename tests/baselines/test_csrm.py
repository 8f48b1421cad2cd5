"""CSRM against plain loops over one session, and what its memory holds, when, and for whom."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.baselines import csrm
from hiersrec.baselines.csrm import Config, Csrm
from hiersrec.model.targets import Targets
from tests.toy import NUM_ITEMS, toy

torch.set_num_threads(1)

SESSIONS = [[5], [3, 3], [1, 2, 3], [4, 2, 4, 2, 4, 7], [1, 1, 2, 1, 1], [6, 5, 4, 3, 2, 1]]
TARGETS = Targets(torch.tensor([7, 1, 3, 48, 2, 9]))
WITHOUT_DROPOUT = Config(width=6, neighbours=4, input_dropout=0, output_dropout=0)


def model(config: Config = WITHOUT_DROPOUT, memory: int = 0) -> Csrm:
    """A model that has `memory` random vectors in its memory, with item vectors large enough to matter."""
    torch.manual_seed(0)
    net = csrm.build(config, toy(5, 2).data.catalog, None)
    nn.init.normal_(net.items.weight)
    net.memory[:memory] = torch.randn(memory, config.width)
    net.written.fill_(memory)
    return net


def tensors(sessions: list[list[int]], pad: int = 0) -> tuple[Tensor, Tensor]:
    """Items (B, T), right-padded by `pad` more than needed, and lengths (B,)."""
    longest = max(map(len, sessions)) + pad
    items = torch.tensor([session + [0] * (longest - len(session)) for session in sessions])
    return items, torch.tensor([len(session) for session in sessions])


def numpys(part: nn.Module, name: str = "weight") -> np.ndarray:
    return part.get_parameter(name).detach().double().numpy()


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def softmax(values: list[float]) -> np.ndarray:
    powers = np.exp(np.array(values) - max(values))
    return powers / powers.sum()


def standardised(vector: np.ndarray) -> np.ndarray:
    return (vector - vector.mean()) / np.sqrt(vector.var() + 1e-10)


def states(gru: nn.Module, vectors: np.ndarray) -> np.ndarray:
    """States of a GRU, step by step."""
    state = np.zeros(vectors.shape[1])
    states = []
    for vector in vectors:
        gates = numpys(gru, "weight_ih_l0") @ vector + numpys(gru, "bias_ih_l0")
        own = numpys(gru, "weight_hh_l0") @ state + numpys(gru, "bias_hh_l0")
        (reset, keep, new), (own_reset, own_keep, own_new) = np.split(gates, 3), np.split(own, 3)
        fresh = np.tanh(new + sigmoid(reset + own_reset) * own_new)
        state = fresh + sigmoid(keep + own_keep) * (state - fresh)
        states.append(state)
    return np.array(states)


def local_by_hand(net: Csrm, session: list[int]) -> np.ndarray:
    """Vector l of a session."""
    read = states(net.local, numpys(net.items)[session])
    query = numpys(net.query) @ read[-1]
    energies = [(numpys(net.score) @ sigmoid(query + numpys(net.key) @ state)).item() for state in read]
    return softmax(energies) @ read


def by_hand(net: Csrm, session: list[int], neighbours: int) -> np.ndarray:
    """Scores of all items as the top of csrm.py has them, in float64."""
    local, overall = local_by_hand(net, session), states(net.overall, numpys(net.items)[session])[-1]
    held = net.memory[: int(net.written)].double().numpy()
    memory = local
    if len(held):
        cosines = [float(local @ vector) / np.linalg.norm(local) / np.linalg.norm(vector) for vector in held]
        nearest = sorted(range(len(held)), key=lambda slot: -cosines[slot])[:neighbours]
        memory = softmax([cosines[slot] for slot in nearest]) @ held[nearest]
    local, memory, overall = standardised(local), standardised(memory), standardised(overall)
    gate = sigmoid(numpys(net.gate) @ np.concatenate([local, memory, overall]))
    mixed = gate * np.concatenate([local, overall]) + (1 - gate) * np.concatenate([memory, memory])
    return numpys(net.items)[1:] @ (numpys(net.out) @ mixed)


@pytest.mark.parametrize("memory", [0, 3, 20])
def test_scores_are_what_loops_say(memory) -> None:
    net = model(memory=memory).eval()

    scores = net(*tensors(SESSIONS))["item"].detach().numpy()

    assert scores.shape == (len(SESSIONS), NUM_ITEMS)
    for row, session in enumerate(SESSIONS):
        np.testing.assert_allclose(scores[row], by_hand(net, session, 4), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("memory", [0, 20])
def test_the_loss_is_the_cross_entropy_of_the_scores_and_reaches_every_weight(memory) -> None:
    net = model(memory=memory)
    expected = functional.cross_entropy(net(*tensors(SESSIONS))["item"], TARGETS.items - 1)

    loss, parts = net.loss(*tensors(SESSIONS), TARGETS)
    loss.backward()

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert parts == {"item": loss.detach()}
    for name, weights in net.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().sum() > 0, name


def test_the_batch_enters_the_memory_only_after_it_has_searched() -> None:
    net = model()
    empty, _ = net.loss(*tensors(SESSIONS), TARGETS)
    filled, _ = net.loss(*tensors(SESSIONS), TARGETS)

    assert empty.item() == pytest.approx(model().loss(*tensors(SESSIONS), TARGETS)[0].item(), rel=1e-6)
    assert filled.item() != pytest.approx(empty.item(), rel=1e-3)
    for row, session in enumerate(SESSIONS):
        np.testing.assert_allclose(net.memory[row].numpy(), local_by_hand(net, session), rtol=1e-4, atol=1e-6)


def test_no_gradient_runs_through_the_memory() -> None:
    """The memory changes between a loss and its backward pass, which goes on with what was searched."""
    net, twin = model(memory=20), model(memory=20)
    loss, _ = net.loss(*tensors(SESSIONS), TARGETS)
    net.memory.zero_()
    loss.backward()
    twin.eval()
    twin.loss(*tensors(SESSIONS), TARGETS)[0].backward()

    assert not net.memory.requires_grad
    for (name, weights), other in zip(net.named_parameters(), twin.parameters(), strict=True):
        assert weights.grad is not None, name
        torch.testing.assert_close(weights.grad, other.grad, msg=name)


def test_the_memory_is_a_queue_that_forgets_the_oldest_first(monkeypatch) -> None:
    monkeypatch.setattr(csrm, "MEMORY", 8)
    net = model()

    for _ in range(3):  # 18 vectors into 8 places
        net.loss(*tensors(SESSIONS), TARGETS)

    expected = [local_by_hand(net, session) for session in SESSIONS * 3]
    assert int(net.written) == 18
    for slot in range(10, 18):
        np.testing.assert_allclose(net.memory[slot % 8].numpy(), expected[slot], rtol=1e-4, atol=1e-6)


def test_a_batch_larger_than_the_memory_leaves_its_newest(monkeypatch) -> None:
    monkeypatch.setattr(csrm, "MEMORY", 4)
    net = model()

    net.loss(*tensors(SESSIONS), TARGETS)

    for slot in range(4):
        expected = local_by_hand(net, SESSIONS[2 + slot])
        np.testing.assert_allclose(net.memory[slot].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_outside_of_training_the_memory_stays() -> None:
    net = model(memory=5).eval()
    before = {name: values.clone() for name, values in net.state_dict().items()}

    first = net(*tensors(SESSIONS))["item"]
    net.loss(*tensors(SESSIONS), TARGETS)
    again = net(*tensors(SESSIONS))["item"]

    assert torch.equal(first, again)
    assert before["written"] == 5
    for name, values in net.state_dict().items():
        assert torch.equal(before[name], values), name


def test_padding_changes_nothing() -> None:
    net = model(memory=20).eval()

    torch.testing.assert_close(net(*tensors(SESSIONS))["item"], net(*tensors(SESSIONS, pad=5))["item"])


def test_under_bf16_the_search_stays_exact() -> None:
    net = model(memory=20)
    local = torch.randn(3, 6)

    expected = net._search(local)
    with torch.autocast("cpu", torch.bfloat16):
        result = net._search(local)

    assert torch.equal(expected, result)


def test_every_setting_changes_something() -> None:
    inputs = tensors(SESSIONS)
    base = model(memory=20)(*inputs)["item"]

    assert model(Config(width=3)).memory.shape == (csrm.MEMORY, 3)
    assert model(Config(max_length=7)).max_length == 7
    for changed in (
        Config(width=6, neighbours=5, input_dropout=0, output_dropout=0),
        Config(width=6, neighbours=4, input_dropout=0.5, output_dropout=0),
        Config(width=6, neighbours=4, input_dropout=0, output_dropout=0.5),
    ):
        assert not torch.allclose(base, model(changed, memory=20)(*inputs)["item"]), changed
