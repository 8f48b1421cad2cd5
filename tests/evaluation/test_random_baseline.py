import doctest
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from hiersrec.evaluation import random_baseline
from hiersrec.evaluation.outcomes import Outcomes
from hiersrec.store.catalog import Catalog
from tests.toy import NUM_ITEMS, PER_SHELF, WITHOUT_SHELF, toy

K = 4
NONE = np.zeros(1, np.int64)
FOOD, TOOLS = 3 * PER_SHELF, 3 * PER_SHELF


def with_new(*new: int) -> Catalog:
    """The toy shop, in which no training session has the items `new`."""
    catalog = toy().data.catalog
    counts = [0 if item in new else 7 for item in range(1, NUM_ITEMS + 1)]
    column = catalog.items.column_names.index("train_count")
    return replace(catalog, items=catalog.items.set_column(column, "train_count", pa.array(counts, pa.int64())))


def outcomes(targets: list[int], ranks: list[int] | None = None) -> Outcomes:
    filled = Outcomes.empty((K,), len(targets), NUM_ITEMS)
    filled.target[:] = targets
    filled.rank[:] = ranks or [0] * len(targets)
    return filled


def baselines(catalog: Catalog, targets: list[int], level_2: list[int] | None = None) -> dict[str, float]:
    tasks = {} if level_2 is None else {"category_2": outcomes([1] * len(targets), level_2)}
    metrics = random_baseline.within_category(catalog, outcomes(targets), tasks, np.zeros(len(targets), np.int64))
    return {name: value for name, value in metrics.items() if name.startswith("random")}


def test_doctests() -> None:
    failed, tried = doctest.testmod(random_baseline)

    assert (failed, tried) == (0, 2)


@pytest.mark.parametrize("size", [1, 3, 4, 11])
def test_against_shuffled_lists(size) -> None:
    random = np.random.default_rng(size)
    places = np.array([1 + random.permutation(size)[0] for _ in range(20_000)])

    listed = places <= K
    assert random_baseline.hits(np.array([size]), K)[0] == pytest.approx(listed.mean(), abs=0.02)
    assert random_baseline.mrr(np.array([size]), K)[0] == pytest.approx((listed / places).mean(), abs=0.02)


def test_by_hand() -> None:
    """New: item 3, on a shelf of 8; the last item, which has no shelf but a department of 24; and one unknown."""
    values = baselines(with_new(3, WITHOUT_SHELF), [3, 1, WITHOUT_SHELF, -5, 2])

    quarter = 1 + 1 / 2 + 1 / 3 + 1 / 4
    assert values == {
        "random_within_category/hits@4": pytest.approx((4 / 8 + 4 / 24 + 0) / 3),
        "random_within_category/mrr@4": pytest.approx((quarter / 8 + quarter / 24 + 0) / 3),
    }


def test_an_item_without_any_category_is_sought_in_the_whole_catalogue() -> None:
    catalog = replace(with_new(3), levels=[])

    assert baselines(catalog, [3])["random_within_category/hits@4"] == pytest.approx(4 / NUM_ITEMS)


def test_the_baseline_that_predicts_the_category_misses_where_the_scorer_does() -> None:
    values = baselines(with_new(3, 11, WITHOUT_SHELF), [3, 11, WITHOUT_SHELF, -5, 2], level_2=[1, 2, 0, 0, 1])

    assert values["random_within_predicted_category/hits@4"] == pytest.approx((4 / 8 + 0 + 0 + 0) / 4)
    assert values["random_within_predicted_category/mrr@4"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 8 / 4)
    assert values["random_within_category/hits@4"] == pytest.approx((4 / 8 + 4 / 8 + 4 / 24 + 0) / 4)


def test_the_finest_predicted_level_counts() -> None:
    catalog, targets = with_new(3), outcomes([3])
    tasks = {"category_1": outcomes([1], [1]), "event_type": outcomes([1], [1])}
    coarse = random_baseline.within_category(catalog, targets, tasks, NONE)
    fine = random_baseline.within_category(catalog, targets, tasks | {"category_2": outcomes([1], [2])}, NONE)

    assert coarse["random_within_predicted_category/hits@4"] == pytest.approx(4 / FOOD)
    assert fine["random_within_predicted_category/hits@4"] == 0


def test_without_a_new_target_in_the_catalogue_there_is_nothing_to_say() -> None:
    assert baselines(with_new(3), [1, 2, -1]) == {}
    assert baselines(with_new(), [1, 2]) == {}


def test_the_scorers_own_order_within_the_category_against_a_slow_twin() -> None:
    catalog = with_new(3, 11, 12, WITHOUT_SHELF)
    random = np.random.default_rng(0)
    targets = np.array([3, 11, 12, WITHOUT_SHELF, 5, -2, 3], np.int32)
    scores = random.integers(0, 5, (len(targets), NUM_ITEMS + 1)).astype(np.float32)  # many ties
    scores[:, 0] = -np.inf
    scores[6, 3] = -np.inf  # no candidate

    within = random_baseline.ranks(catalog, scores, targets)

    for target, line, rank in zip(targets.tolist(), scores, within.tolist(), strict=True):
        start = (target - 1) // PER_SHELF * PER_SHELF + 1
        shelf = range(start, start + PER_SHELF) if target != WITHOUT_SHELF else range(FOOD + 1, NUM_ITEMS + 1)
        best = sorted((item for item in shelf if line[item] > -np.inf), key=lambda item: (-line[item], item))
        is_asked = target in (3, 11, 12, WITHOUT_SHELF) and target in best
        assert rank == (best.index(target) + 1 if is_asked else 0)


def test_the_scorers_own_order_by_hand() -> None:
    targets = [3, 11, 5]
    values = random_baseline.within_category(with_new(3, 11), outcomes(targets), {}, np.array([2, 5, 0]))

    assert values["within_category/mrr@4"] == pytest.approx((1 / 2 + 0) / 2)
    assert values["within_category/hits@4"] == 1 / 2
