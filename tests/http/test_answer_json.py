"""The fast writer writes the bytes of the plain one, whatever an answer holds."""

import json

import numpy as np
import pytest

from hiersrec.http import answer_json
from hiersrec.http.answer_json import AnswerWriter
from hiersrec.http.responses import encoded, safe
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.list_request import list_request
from hiersrec.serving.listed import Listed
from tests.http import world

LARGE = [2**53 + number for number in range(6)]
SESSIONS = [["a", "c"], [], ["nobody"], ["a", 2**60, "zzz", 'q"\\\ud800é\u2028'], ["f"] * 9]


def _lists(model, sessions, explain=False, **options) -> list[Listed]:
    recommender = model.recommender
    filters = {"allow": None, "deny": None, "categories": None, "per_category": None} | options
    request = list_request(recommender.catalog, 20, filters.pop("candidates", recommender.candidates), **filters)
    return recommender.lists(sessions, request, explain)


def _plain(model, listed: Listed) -> bytes:
    return encoded(safe(listed.records(model.recommender.catalog), model.ids_as_text))


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("ids", [world.world.IDS, [1, 20, 300, 4000, 50000, 600000], LARGE])
@pytest.mark.parametrize(
    "options",
    [{}, {"exclude_seen": True}, {"candidates": Candidates(policy="category", top=1)}, {"categories": [["Geography"]]}],
)
def test_it_writes_the_bytes_of_the_records(tmp_path, ids, options, explain) -> None:
    model = world.model(tmp_path / "catalog", ids=ids)
    sessions = [[ids["abcdef".index(i)] if i in world.world.IDS else i for i in session] for session in SESSIONS]
    lists = _lists(model, sessions, explain, **options)

    for listed in [*lists, *lists]:  # the second time of what is kept
        assert model.written(listed) == _plain(model, listed)
    sources = {source for listed in lists for source in listed.sources}
    assert sources >= ({"session", "popular"} if "candidates" not in options else {"popular_in_category"})


@pytest.mark.parametrize("score", [0.0, -0.0, 1.0, 1e-7, -2.5e-5, 1e16, 1e22, 123456789.125, float(np.float32(0.1))])
def test_scores_are_written_as_the_standard_library_does(tmp_path, score) -> None:
    model = world.model(tmp_path / "catalog")
    listed = Listed(np.zeros(0, np.int32), [], None, [], True, 6, np.array([2], np.int32), [score], ["session"], None)

    assert model.written(listed) == _plain(model, listed)
    assert json.loads(model.written(listed))["items"][0]["score"] == score


def test_what_is_kept_is_bounded_and_what_was_dropped_is_written_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(answer_json, "KEPT", 2)
    model = world.model(tmp_path / "catalog")
    writer = AnswerWriter(model.recommender.catalog, ids_as_text=False)
    [listed] = _lists(model, [["a"]])

    for _ in range(2):
        assert writer(listed) == _plain(model, listed)
        assert writer._facts_of.cache_info().currsize == 2
