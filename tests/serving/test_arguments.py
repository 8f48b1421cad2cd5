"""What `recommend` takes, and what it says to anything else."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest

from hiersrec.errors import BadInput
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.recommender import Recommender
from tests.serving.world import Explained, catalog


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(catalog(), FullRanker(Explained(), catalog()))


SESSIONS = [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    "sessions",
    [
        (("a", "b"), ("c",)),
        [np.array(["a", "b"]), ["c"]],
        (session for session in SESSIONS),
        [iter(session) for session in SESSIONS],
        pd.Series(SESSIONS),
        pl.Series(SESSIONS),
        pd.DataFrame({"items": SESSIONS}),
    ],
)
def test_sessions_come_in_any_list_of_lists(sessions, recommender) -> None:
    assert recommender.recommend(sessions, k=3) == recommender.recommend(SESSIONS, k=3)


def test_a_series_names_its_sessions(recommender) -> None:
    events = pd.DataFrame({"session_id": ["y", "y", "x"], "item_id": ["a", "b", "c"]})

    answers = recommender.recommend(events.groupby("session_id").item_id.agg(list), k=1)

    assert answers.session_ids == ["x", "y"]


@pytest.mark.parametrize("sessions", [None, 7, "a", {"x": ["a"]}, {("a",)}, catalog()])
def test_other_sessions_are_refused(sessions, recommender) -> None:
    with pytest.raises(BadInput, match=r"^sessions must be a list of lists of item ids.*got "):
        recommender.recommend(sessions)


@pytest.mark.parametrize("session", ["a", 7, None, {"a"}, {"a": 1}, np.array(7)])
def test_other_members_than_lists_are_refused(session, recommender) -> None:
    with pytest.raises(BadInput, match=r"^A session is a list of item ids, got "):
        recommender.recommend([session])


def test_ids_that_missing_values_turned_into_floats_are_refused(recommender) -> None:
    events = pd.DataFrame({"session_id": [1, 1], "item_id": [7, None]}).dropna()

    with pytest.raises(BadInput, match=r"floating-point numbers.*astype\('Int64'\)"):
        recommender.recommend(events)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": True}, "k must be a whole number, got True"),
        ({"k": "5"}, "k must be a whole number, got '5'"),
        ({"k": None}, "k must be a whole number, got None"),
        ({"k": 2.5}, r"k must be a whole number, got 2\.5"),
        ({"k": float("nan")}, "k must be a whole number, got nan"),
        ({"per_category": "1"}, "per_category must be a whole number, got '1'"),
        ({"per_category": 2.5}, "per_category must be a whole number"),
        ({"candidates": "category"}, r"candidates must be Candidates, such as .*got 'category'"),
        ({"categories": 7}, "A category is a list of 1 to 2 names, coarse to fine, got 7"),
        ({"categories": "Nature"}, "A category is a list of 1 to 2 names, coarse to fine, got 'Nature'"),
        ({"categories": ""}, "A category is a list of 1 to 2 names, coarse to fine, got ''"),
        ({"categories": [None]}, "A category is a list of 1 to 2 names, coarse to fine, got None"),
        ({"categories": [[7]]}, r"A category is a list of 1 to 2 names, coarse to fine, got \[7\]"),
        ({"explain": "no"}, "explain must be True or False, got 'no'"),
        ({"exclude_seen": 1}, "exclude_seen must be True or False, got 1"),
    ],
)
def test_wrong_arguments_are_one_error(arguments, message, recommender) -> None:
    with pytest.raises(BadInput, match=message):
        recommender.recommend([["a"]], **arguments)


def test_a_number_of_numpy_is_a_number(recommender) -> None:
    assert recommender.recommend([["a"]], k=np.int64(2)) == recommender.recommend([["a"]], k=2)


def test_a_slice_of_answers_is_a_table_too(recommender) -> None:
    answers = recommender.recommend(pd.Series(SESSIONS, index=["x", "y"]), k=2)

    assert answers[1:].columns() == {name: values[2:] for name, values in answers.columns().items()}
    assert type(answers[::-1]) is type(answers)
    assert answers[::-1].session_ids == ["y", "x"]
    assert answers[0] is next(iter(answers))
    assert copy.deepcopy(answers).columns() == answers.columns()


def test_answers_that_were_changed_are_no_table(recommender) -> None:
    answers = recommender.recommend(SESSIONS, k=2)
    answers.append(answers[0])

    with pytest.raises(BadInput, match="There are 3 answers to 2 sessions"):
        answers.columns()
