"""What every metric promises: a number from 0 to 1 for each prefix, which depends on this prefix only."""

from importlib import import_module
from typing import Any

import numpy as np

from hiersrec import registry
from hiersrec.testing.checks import check_docstring, check_parameters

FOLDER = "evaluation.metrics"


def check_metric(name: str) -> None:
    """Raise AssertionError for the first promise that the metric `name` breaks."""
    for check in CHECKS:
        check(name)


def _results(count: int = 60, length: int = 10, seed: int = 0) -> Any:
    """Random results: lists of `length`, whose rank agrees with them; some ranks are beyond, and some are 0, misses."""
    results: Any = import_module("hiersrec.evaluation.metrics").Results
    random = np.random.default_rng(seed)
    rank = random.integers(0, 2 * length, count)
    is_future = random.random((count, length)) < 0.2
    rows = np.flatnonzero((rank >= 1) & (rank <= length))
    is_future[rows, rank[rows] - 1] = True
    return results(rank, is_future.sum(1) + random.integers(1, 4, count), is_future)


def _values(name: str, results: Any, k: int) -> Any:
    return registry.load(FOLDER, name).values(results, k)


def says_what_it_uses(name: str) -> None:
    """USES names fields of Results, `values` takes results and k, and the docstring says what it measures."""
    module = registry.load(FOLDER, name)
    check_docstring(module)
    check_parameters(module.values, ["results", "k"])
    import_module("hiersrec.evaluation.metrics").load(name)


def values_lie_between_0_and_1(name: str) -> None:
    """Float64, one for each prefix, also for k beyond the lists and for a single prefix."""
    for count in (1, 60):
        for k in (1, 5, 10, 50):
            values = _values(name, _results(count), k)
            assert (values.shape, values.dtype) == ((count,), np.float64), f"got {values.dtype} of {values.shape}"
            assert ((values >= 0) & (values <= 1)).all(), f"values go from {values.min()} to {values.max()}"


def prefixes_do_not_see_one_another(name: str) -> None:
    """A split is passed in parts."""
    whole, results = _values(name, _results(), 5), _results()
    for start in range(0, 60, 7):
        rows = slice(start, start + 7)
        part = type(results)(results.rank[rows], results.future[rows], results.is_future[rows])
        np.testing.assert_array_equal(_values(name, part, 5), whole[rows])


def changes_no_array(name: str) -> None:
    """Of the results."""
    results, before = _results(), _results()
    _values(name, results, 5)
    for field in ("rank", "future", "is_future"):
        np.testing.assert_array_equal(getattr(results, field), getattr(before, field))


def depends_on_what_it_uses(name: str) -> None:
    """Fields that USES leaves out change nothing."""
    results, other = _results(), _results(seed=1)
    uses = registry.load(FOLDER, name).USES
    fields = {field: getattr(results if field in uses else other, field) for field in ("rank", "future", "is_future")}
    np.testing.assert_array_equal(_values(name, type(results)(**fields), 5), _values(name, results, 5))


def only_the_first_k_count(name: str) -> None:
    """What the list has after k changes nothing."""
    results = _results()
    cut = results.is_future.copy()
    cut[:, 5:] = False
    other = type(results)(results.rank, results.future, cut)
    np.testing.assert_array_equal(_values(name, other, 5), _values(name, results, 5))


CHECKS = (
    says_what_it_uses,
    values_lie_between_0_and_1,
    prefixes_do_not_see_one_another,
    changes_no_array,
    depends_on_what_it_uses,
    only_the_first_k_count,
)
