"""What every metric promises: a number within its range for each prefix, or one for all lists."""

import dataclasses
from importlib import import_module
from typing import Any

import numpy as np

from hiersrec import registry
from hiersrec.testing.checks import check_docstring, check_parameters

FOLDER = "evaluation.metrics"
ITEMS = 40
OF_PREFIXES = ("rank", "future", "is_future", "lists", "history")
"""Fields of Results that have a row for each prefix; the others are facts of the catalogue and the scorer."""


def check_metric(name: str) -> None:
    """Raise AssertionError for the first promise that the metric `name` breaks."""
    for check in CHECKS:
        check(name)


def _contract() -> Any:
    return import_module("hiersrec.evaluation.metrics")


def _results(count: int = 60, length: int = 10, seed: int = 0) -> Any:
    """Random results: lists of `length`, whose rank agrees with them; some ranks are beyond, and some are 0, misses."""
    random = np.random.default_rng(seed)
    rank = random.integers(0, 2 * length, count)
    is_future = random.random((count, length)) < 0.2
    rows = np.flatnonzero((rank >= 1) & (rank <= length))
    is_future[rows, rank[rows] - 1] = True
    lists = random.permuted(np.tile(np.arange(1, ITEMS + 1, dtype=np.int32), (count, 1)), axis=1)[:, :length]
    ends = random.integers(0, length + 1, count)
    cut = (np.arange(length) >= ends[:, None]) & ~np.logical_or.accumulate(is_future[:, ::-1], axis=1)[:, ::-1]
    lists[cut] = 0  # some lists end early, after their last future item
    history = random.integers(1, ITEMS + 1, (count, 6), np.int32)
    history[np.arange(6) >= random.integers(0, 7, count)[:, None]] = 0
    counts = np.concatenate([[0], random.integers(0, 9, ITEMS)])
    nodes = np.concatenate([np.zeros((1, 2)), random.integers(0, 4, (ITEMS, 2))]).astype(np.int32)
    vectors = random.standard_normal((ITEMS, 5)).astype(np.float32)
    future = is_future.sum(1) + random.integers(1, 4, count)
    return _contract().Results(rank, future, is_future, lists, history, counts, nodes, vectors)


def _all_lists(seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    tables = (random.integers(0, 9, ITEMS), random.random(ITEMS), random.integers(1, 9, ITEMS))
    return _contract().AllLists(*(np.concatenate([[0], table]) for table in tables))


def _is_of_all(name: str) -> bool:
    return bool(_contract().is_of_all_lists(name))


def _values(name: str, results: Any, k: int = 5) -> Any:
    """Its values; of a metric of all lists, `results` are all lists, and k is theirs."""
    module = registry.load(FOLDER, name)
    return np.float64(module.value(results)) if _is_of_all(name) else module.values(results, k)


def _given(name: str, seed: int = 0) -> Any:
    return _all_lists(seed) if _is_of_all(name) else _results(seed=seed)


def says_what_it_uses(name: str) -> None:
    """USES names fields of what it is given, which is its parameter, and the docstring says what it measures."""
    module = registry.load(FOLDER, name)
    check_docstring(module)
    _contract().about(name)
    if _is_of_all(name):
        check_parameters(module.value, ["lists"])
    else:
        check_parameters(module.values, ["results", "k"])


def values_lie_in_its_range(name: str) -> None:
    """Float64, one for each prefix, also for k beyond the lists and for a single prefix."""
    _, low, high = _contract().about(name)
    given: list[tuple[Any, tuple[int, ...], int]] = [(_all_lists(seed), (), 1) for seed in range(3)]
    if not _is_of_all(name):
        given = [(_results(count), (count,), k) for count in (1, 60) for k in (1, 5, 10, 50)]
    for results, shape, k in given:
        values = _values(name, results, k)
        assert (values.shape, values.dtype) == (shape, np.float64), f"got {values.dtype} of {values.shape}"
        assert ((values >= low) & (values <= high)).all(), f"values go from {values.min()} to {values.max()}"
        assert np.isfinite(values).all(), "values are infinite"


def prefixes_do_not_see_one_another(name: str) -> None:
    """A split is passed in parts."""
    if _is_of_all(name):
        return
    results = _results()
    whole = _values(name, results)
    for start in range(0, 60, 7):
        rows = slice(start, start + 7)
        part = dataclasses.replace(results, **{field: getattr(results, field)[rows] for field in OF_PREFIXES})
        np.testing.assert_array_equal(_values(name, part), whole[rows])


def changes_no_array(name: str) -> None:
    """Of what it is given."""
    results, before = _given(name), _given(name)
    _values(name, results)
    for field, array in vars(before).items():
        np.testing.assert_array_equal(getattr(results, field), array)


def depends_on_what_it_uses(name: str) -> None:
    """Fields that USES leaves out change nothing."""
    results, other = _given(name), _given(name, seed=1)
    uses = registry.load(FOLDER, name).USES
    unread = {field: array for field, array in vars(other).items() if field not in uses}
    np.testing.assert_array_equal(_values(name, dataclasses.replace(results, **unread)), _values(name, results))


def only_the_first_k_count(name: str) -> None:
    """What the list has after k changes nothing."""
    if _is_of_all(name):
        return
    results = _results()
    is_future, lists = results.is_future.copy(), results.lists.copy()
    is_future[:, 5:], lists[:, 5:] = False, 0
    other = dataclasses.replace(results, is_future=is_future, lists=lists)
    np.testing.assert_array_equal(_values(name, other), _values(name, results))


CHECKS = (
    says_what_it_uses,
    values_lie_in_its_range,
    prefixes_do_not_see_one_another,
    changes_no_array,
    depends_on_what_it_uses,
    only_the_first_k_count,
)
