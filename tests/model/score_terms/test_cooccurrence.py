"""What stood near the session's items in training, against loops over all pairs."""

from collections import defaultdict
from math import log

import numpy as np
import pytest
import torch

from hiersrec.build import build_model
from hiersrec.model.score_terms.cooccurrence import FLOOR, MOST_PAIRS, WINDOW, Config, Cooccurrence, build, nearest
from hiersrec.model.targets import Targets
from hiersrec.retrieval.session_scores import NOTHING, session_scores
from hiersrec.store.batches import whole_sessions
from hiersrec.store.pairs import Pairs
from hiersrec.store.sessions import Sessions
from hiersrec.types import Batch
from tests.model import world

N = 60
TRAIN = [np.random.default_rng(seed).integers(1, N + 1, 2 + seed % 9).tolist() for seed in range(300)]


def near_by_hand(sessions: list[list[int]]) -> dict[int, dict[int, float]]:
    """near(i, j), by i."""
    near: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    events: dict[int, int] = defaultdict(int)
    for session in sessions:
        for at, item in enumerate(session):
            events[item] += 1
            for other_at, other in enumerate(session):
                if item != other and abs(at - other_at) <= WINDOW:
                    near[item][other] += 1 / (1 + abs(at - other_at))
    return {item: {other: value / events[item] for other, value in others.items()} for item, others in near.items()}


def term_of(sessions: list[list[int]], weight: float = 0.4) -> Cooccurrence:
    return Cooccurrence(N, nearest(N, Sessions.from_lists(sessions)), weight).eval()


def by_hand(sessions: list[list[int]], session: list[int], weight: float) -> dict[int, float]:
    """Item -> what a session adds to its score."""
    near, found = near_by_hand(sessions), defaultdict(float)
    for place, item in enumerate(reversed(session), start=1):
        others = sorted(near.get(item, {}).items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_PAIRS]
        for other, value in others:
            found[other] += weight * log(1 + value / FLOOR) / place
    return dict(found)


def tensors(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Items and mask, (B, T)."""
    return torch.from_numpy(batch.items.astype(np.int64)), torch.from_numpy(batch.is_item)


@pytest.mark.parametrize(("weight", "every"), [(0.4, False), (1.0, False), (0.4, True)])
def test_scores_are_sums_over_the_items_of_a_session_or_prefix(weight, every) -> None:
    sessions = [[5], [1, 2, 3, 2], [60, 59, 7, 7, 9]]
    batch = whole_sessions(sessions, 10)

    found = term_of(TRAIN, weight)(*tensors(batch), every)

    sessions = [session[: end + 1] for session in sessions for end in range(len(session))] if every else sessions
    scores = [{} for _ in sessions]
    for row, item, value in zip(*(one.tolist() for one in found), strict=True):
        scores[row][item + 1] = value
    for row, session in enumerate(sessions):
        assert scores[row] == pytest.approx(by_hand(TRAIN, session, weight), rel=1e-5)


def test_the_nearest_are_kept_and_of_equal_ones_the_first() -> None:
    sessions = [[50, other] for other in range(40, 0, -1)] + [[50, 41], [50, 41]]
    counts, others, values = nearest(N, Sessions.from_lists(sessions))

    assert counts[49] == MOST_PAIRS == len(others) - (counts.sum() - counts[49])
    begin = int(counts[:49].sum())
    assert others[begin : begin + MOST_PAIRS].tolist() == [41, *range(1, MOST_PAIRS)]
    assert values[begin].item() == pytest.approx(log(1 + 2 * 0.5 / 42 / FLOOR))


def test_serving_adds_the_same() -> None:
    term, batch = term_of(TRAIN), whole_sessions([[5], [1, 2, 3, 2], [60, 59, 7, 7, 9]], 10)
    found = term(*tensors(batch), every=False)
    starts = np.concatenate([[0], term.counts.numpy().cumsum()])
    pairs = Pairs(starts, term.others.numpy(), term.values.numpy() * np.float32(0.4))
    own = np.where(batch.is_item, np.float32(0.25), 0)

    served, with_own = session_scores(batch, [], [pairs]), session_scores(batch, [own], [pairs])

    for row, scores in enumerate(served):
        mine = found.rows == row
        assert scores.items.tolist() == (found.classes[mine] + 1).tolist()
        np.testing.assert_allclose(scores.values, found.values[mine], rtol=1e-5)
        every = np.arange(1, N + 1, dtype=np.int32)
        [alone] = session_scores(
            type(batch)(batch.items[row : row + 1], batch.lengths[row : row + 1]), [own[row : row + 1]]
        )
        np.testing.assert_allclose(with_own[row].of(every), scores.of(every) + alone.of(every), rtol=1e-5)
    assert session_scores(batch, [], [Pairs(starts * 0, pairs.others[:0], pairs.values[:0])]) == [NOTHING] * 3
    [empty] = session_scores(whole_sessions([[]], 10), [], [pairs])
    assert (empty.items.size, empty.values.size) == (0, 0)


def test_without_a_weight_it_adds_nothing() -> None:
    term = Cooccurrence(N, nearest(N, Sessions.from_lists(TRAIN)), "fit").eval()
    assert term.weight.item() == 0
    assert len(term(torch.tensor([[1, 2]]), torch.tensor([[True, True]]), every=False).values) == 0


def test_it_is_not_trained_and_training_does_not_know_it() -> None:
    sessions = Sessions.from_lists(world.lists(40, seed=3))
    torch.manual_seed(0)
    plain = build_model(world.recipe(), world.catalog(), sessions)
    torch.manual_seed(0)
    made = build_model(world.recipe("tasks.item.cooccurrence=0.5"), world.catalog(), sessions)
    items, lengths = world.tensors(world.batch(5))

    assert [name for name, _ in made.named_parameters()] == [name for name, _ in plain.named_parameters()]
    losses = []
    for model in (made, plain):
        torch.manual_seed(1)
        losses.append(model.train().loss(items, lengths, Targets(items[:, 0]))[0].item())
    assert losses[0] == losses[1]
    scores = [model.eval()(items, lengths)["item"] for model in (made, plain)]
    assert (scores[0] > scores[1] + 0.1).any()
    assert (scores[0] >= scores[1] - 1e-5).all()
    session = made.encode(items, lengths)
    torch.testing.assert_close(made.predict(session)["item"], scores[1])


def test_cleared_it_is_as_if_it_were_not_there() -> None:
    term = term_of(TRAIN)
    term.clear()
    assert (len(term.others), len(term.values), term.counts.sum()) == (0, 0, 0)
    assert len(term(torch.tensor([[1, 2]]), torch.tensor([[True, True]]), every=False).values) == 0


def test_a_refit_takes_the_number_it_is_given() -> None:
    assert build(Config(cooccurrence=0.3), world.catalog(), 8, 10, None).weight.item() == pytest.approx(0.3)
    assert build(Config(), world.catalog(), 8, 10, None) is None
