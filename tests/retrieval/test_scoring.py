from dataclasses import dataclass, field

import numpy as np
import pytest

from hiersrec.errors import HiersrecError
from hiersrec.retrieval.scoring import score
from hiersrec.store.batches import whole_sessions
from hiersrec.types import Batch, Scores
from tests.toy import NUM_ITEMS, WITHOUT_SHELF, toy

CATALOG = toy().data.catalog


@dataclass
class Recorder:
    """Scores 1 for the newest item and 0 for others, and keeps the batches it got."""

    max_length: int = 3
    value: float = 1.0
    batches: list[Batch] = field(default_factory=list)

    def score(self, batch: Batch) -> Scores:
        self.batches.append(batch)
        items = np.zeros((len(batch), NUM_ITEMS + 1), np.float32)
        every = np.arange(len(batch))
        items[every, batch.items[every, batch.lengths - 1]] = self.value
        return Scores(items, {"category_2": np.ones((len(batch), 7), np.float32)})


def test_scorer_gets_only_known_items_and_only_the_newest() -> None:
    scorer = Recorder()
    scores = score(scorer, CATALOG, whole_sessions([[1, 2, 3, 4, 5], [], [7], [8, 9, 10]], 100))

    (batch,) = scorer.batches
    assert batch.items.tolist() == [[3, 4, 5], [7, 0, 0], [8, 9, 10]]
    assert batch.lengths.tolist() == [3, 1, 3]
    assert scores.items[0].argmax() == 5
    assert scores.items[2].argmax() == 7
    assert scores.items[3].argmax() == 10


def test_empty_session_gets_popularity_of_items_and_categories() -> None:
    scores = score(Recorder(), CATALOG, whole_sessions([[1], [0, -3]], 5))

    assert scores.items[1, 1:].tolist() == CATALOG.train_count[1:].tolist()
    by_hand = [sum(CATALOG.train_count[1 + 8 * shelf : 9 + 8 * shelf]) for shelf in range(6)]
    by_hand[5] -= CATALOG.train_count[WITHOUT_SHELF]
    assert scores.categories[2][1, 1:].tolist() == by_hand
    assert scores.categories[2][0, 1:].tolist() == [1] * 6


def test_batch_of_empty_sessions_names_the_same_levels() -> None:
    scores = score(Recorder(), CATALOG, whole_sessions([[], []], 5))
    assert scores.items[:, 1:].tolist() == [CATALOG.train_count[1:].tolist()] * 2
    assert list(scores.categories) == [2]
    assert scores.categories[2].shape == (2, 7)


def test_padding_never_has_a_score() -> None:
    scores = score(Recorder(value=-1.0), CATALOG, whole_sessions([[1], []], 5))
    assert (scores.items[:, 0] == -np.inf).all()
    assert (scores.categories[2][:, 0] == -np.inf).all()


def test_seen_items_are_removed_only_on_request_even_those_the_scorer_does_not_see() -> None:
    batch = whole_sessions([[1, 2, 3, 4, 5], [7], []], 100)
    kept = score(Recorder(), CATALOG, batch).items
    removed = score(Recorder(), CATALOG, batch, exclude_seen=True).items

    assert np.isfinite(kept[:, 1:]).all()
    assert [np.flatnonzero(row == -np.inf).tolist() for row in removed] == [[0, 1, 2, 3, 4, 5], [0, 7], [0]]
    left = removed > -np.inf
    assert (removed[left] == kept[left]).all()


def test_more_padding_changes_nothing() -> None:
    batch = whole_sessions([[1, 2], [3, 4, 5, 6]], 100)
    wider = Batch(np.pad(batch.items, ((0, 0), (0, 9))), batch.lengths)
    for exclude_seen in (False, True):
        first, second = (score(Recorder(), CATALOG, padded, exclude_seen).items for padded in (batch, wider))
        assert (first == second).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_scores_stop_everything(value) -> None:
    with pytest.raises(HiersrecError, match=f"scores of items contain {value}.*train it again"):
        score(Recorder(value=value), CATALOG, whole_sessions([[1]], 5))
