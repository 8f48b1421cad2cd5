"""The work of a request, before any of it is done."""

import pytest

from hiersrec.http.batching import TURN
from hiersrec.http.errors import Problem
from hiersrec.http.schemas import Many, One
from hiersrec.http.work import check_work, work_of


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"sessions": [["a"]] * 20, "k": 1_000}, None),
        ({"sessions": [["a"]] * 21, "k": 1_000}, "must be at most 20,000, got 21 times 1000"),
        ({"sessions": [["a"]] * 8, "k": 1_000, "explain": True}, None),
        ({"sessions": [["a"]] * 9, "k": 1_000, "explain": True}, "at most 8,000 with explain, got 9 times 1000"),
        ({"sessions": [["a"] * 10_000] * 10, "k": 1}, None),
        ({"sessions": [["a"] * 10_000] * 10 + [["a"]], "k": 1}, "at most 100,000 ids together, got 100,001"),
        ({"sessions": []}, None),
    ],
)
def test_a_batch_of_too_much_work_is_refused_with_the_rule(body, message) -> None:
    if message is None:
        check_work(Many(**body))
        return
    with pytest.raises(Problem, match=message) as refused:
        check_work(Many(**body))
    assert refused.value.status == 422


def test_work_grows_with_all_that_is_asked_for_and_lists_are_no_longer_than_the_catalogue() -> None:
    def work(catalog_size: int = 10_000, **options: object) -> int:
        return sum(work_of(One(session=[], **options), [5], catalog_size))

    plain = work()
    more = [{"k": 21}, {"explain": True}, {"allow": ["a"]}, {"deny": ["a"]}, {"categories": [["a"]]}]
    more += [{"boost": {"a": 1}}, {"boost_categories": [{"path": ["a"], "value": 1}]}, {"diversity": 0.5}]

    assert all(work(**options) > plain for options in more)
    assert work(k=1_000, catalog_size=20) == plain
    assert work_of(One(session=[], allow=["a"]), [1, 2], 10_000) == [122, 122]  # filters are read once


def test_ordinary_requests_are_short() -> None:
    assert sum(work_of(One(session=[], explain=True), [50], 10**6)) < TURN
    assert sum(work_of(One(session=[], k=1_000), [100], 10**6)) < TURN
