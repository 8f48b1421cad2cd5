import numpy as np

from hiersrec.baselines.popularity import Config, fit
from hiersrec.retrieval.order import top_k
from hiersrec.store.batches import whole_sessions
from tests.toy import NUM_ITEMS, toy


def test_the_most_bought_of_the_training_sessions_come_first() -> None:
    shop = toy()
    scores = fit(Config(), shop.data).score(whole_sessions([[3], [9, 4]], 5))
    count = np.bincount(shop.data.train.items, minlength=NUM_ITEMS + 1)
    expected = sorted(range(1, NUM_ITEMS + 1), key=lambda item: (-count[item], item))
    assert top_k(scores.items, NUM_ITEMS)[0].tolist() == [expected, expected]
    assert not scores.categories
