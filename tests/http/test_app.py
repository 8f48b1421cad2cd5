"""The contract: what each endpoint answers, and how it says no."""

import asyncio
import json
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hiersrec.http import schemas
from hiersrec.http.holder import Holder
from hiersrec.http.keys import Keys
from hiersrec.http.settings import ServiceSettings
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.recommender import Recommender
from tests.http import world
from tests.serving.world import Explained, Sum


def test_an_answer_is_that_of_the_recommender_and_who_gave_it(holder, client) -> None:
    expected = holder.model.recommender.recommend([["a", "zzz", "c"]], 3, explain=True)[0].to_dict()

    answer = client.post("/v1/recommend", json={"session": ["a", "zzz", "c"], "k": 3, "explain": True})

    content = answer.json()
    assert answer.status_code == 200
    assert {name: content[name] for name in expected} == expected
    assert content["catalog_size"] == 6
    assert content["model_version"] == "0123456789ab"
    assert 0 < content["milliseconds"] < 5_000
    assert set(content) == {*expected, "catalog_size", "model_version", "milliseconds"}


@pytest.mark.parametrize(
    "options",
    [
        {"exclude_seen": True},
        {"allow": ["b", "e"]},
        {"deny": ["b", "e"]},
        {"categories": [["Nature", "Animals"], ["Geography"]]},
        {"per_category": 1},
        {"k": 1},
        {"boost": {"e": 100, "a": -0.25}},
        {"diversity": 0.9},
    ],
)
def test_every_option_reaches_the_recommender(holder, client, options) -> None:
    expected = holder.model.recommender.recommend([["a", "c"]], **options)[0].to_dict()
    unlike = holder.model.recommender.recommend([["a", "c"]])[0].to_dict()

    content = client.post("/v1/recommend", json={"session": ["a", "c"], **options}).json()

    assert {name: content[name] for name in expected} == expected
    assert expected != unlike


def test_boosts_of_categories_reach_the_recommender_and_are_reasons(holder, client) -> None:
    paths = {("Nature", "Animals"): 100, ("Geography",): -0.5}
    expected = holder.model.recommender.recommend([["a"]], explain=True, boost={"b": 1}, boost_categories=paths)[0]
    boosts = [{"path": list(path), "value": value} for path, value in paths.items()]

    body = {"session": ["a"], "explain": True, "boost": {"b": 1}, "boost_categories": boosts}
    content = client.post("/v1/recommend", json=body).json()

    assert content["items"] == expected.to_dict()["items"]
    assert {item["item_id"] for item in content["items"][:2]} == {"c", "d"}
    assert {item["item_id"]: item["reasons"][-1]["value"] for item in content["items"]}["b"] == 0.5


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"boost": {"a": 1001}}, 422, "boost.a: should be less than or equal to 1000; got 1001"),
        ({"boost": {"a": "1"}}, 422, "boost.a: should be a valid number"),
        ({"boost": {"a": 1e999}}, 422, "boost.a: "),
        ({"boost": {str(number): 1 for number in range(10_001)}}, 422, "at most 10000 items"),
        ({"boost_categories": [{"path": ["Nature"], "value": 1}] * 2}, 400, "boost_categories has Nature 2 times"),
        ({"boost_categories": [{"path": ["Nothing"], "value": 1}]}, 400, "No item has the category Nothing"),
        ({"boost_categories": [{"path": ["Nature"]}]}, 422, "value"),
        ({"diversity": 1.5}, 422, "diversity: should be less than or equal to 1; got 1.5"),
    ],
)
def test_other_boosts_and_diversities_are_refused(client, options, status, message) -> None:
    text = json.dumps({"session": ["a"], **options}).replace("Infinity", "1e999")

    answer = client.post("/v1/recommend", content=text)

    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_candidates_by_category_by_share_and_all(client) -> None:
    def ranked(candidates) -> int:
        return client.post("/v1/recommend", json={"session": ["a"], "candidates": candidates}).json()["candidates"]

    assert ranked(None) == ranked({"policy": "all"}) == 6
    assert ranked({"policy": "category", "top": 1}) < 6
    assert ranked({"policy": "category", "share": 1.0}) == 6


def test_a_batch_gets_the_answers_of_its_sessions_in_order(client) -> None:
    sessions = [["a"], [], ["c", "d"], ["nobody"]]

    batch = client.post("/v1/recommend/batch", json={"sessions": sessions, "k": 2}).json()

    for session, answer in zip(sessions, batch["answers"], strict=True):
        alone = client.post("/v1/recommend", json={"session": session, "k": 2}).json()
        assert answer["items"] == alone["items"]
    assert set(batch) == {"answers", "catalog_size", "model_version", "milliseconds"}
    assert client.post("/v1/recommend/batch", json={"sessions": []}).json()["answers"] == []


def test_an_item_is_looked_up_by_its_id_and_found_by_its_title(client) -> None:
    nile = {"item_id": "a", "title": "Nile", "category_path": ["Geography", "Africa"], "train_count": 5}

    assert client.get("/v1/items/a").json() == nile
    assert client.get("/v1/items", params={"query": "nil"}).json() == {"items": [nile]}
    assert len(client.get("/v1/items", params={"query": "", "limit": 4}).json()["items"]) == 4
    assert client.get("/v1/items/zzz").status_code == 404
    assert client.get("/v1/items/" + "9" * 5_000).status_code == 404


def test_a_category_lists_what_is_below_it_and_its_items_by_popularity(client) -> None:
    nature = client.get("/v1/categories/Nature", params={"limit": 2}).json()

    assert (nature["level"], nature["path"], nature["total"]) == (1, ["Nature"], 4)
    assert nature["children"] == [
        {"level": 2, "path": ["Nature", "Animals"], "items": 2},
        {"level": 2, "path": ["Nature", "Plants"], "items": 1},
    ]
    assert [(item["item_id"], item["train_count"]) for item in nature["items"]] == [("d", 9), ("f", 2)]
    animals = client.get("/v1/categories/Nature/Animals").json()
    assert (animals["children"], [item["item_id"] for item in animals["items"]]) == ([], ["d", "c"])
    for path in ("Nothing", "Nature/Nothing", "Nature/Animals/Cats", "Nature%2FAnimals", "", "x" * 2_000):
        assert client.get(f"/v1/categories/{path}").status_code == 404


def test_similar_items_are_those_of_the_recommender(tmp_path) -> None:
    holder = Holder(world.model(tmp_path / "catalog", Compared()))
    expected = holder.model.recommender.similar_items("a", 2)[0].items

    with world.client(holder) as client:
        answer = client.get("/v1/items/a/similar", params={"k": 2}).json()
        assert client.get("/v1/items/zzz/similar").status_code == 404

    assert answer["item"]["item_id"] == "a"
    assert [item["item_id"] for item in answer["items"]] == [item.item_id for item in expected]
    assert [item["similarity"] for item in answer["items"]] == [item.score for item in expected]


def test_similar_items_of_a_model_without_vectors_are_a_bad_request(client) -> None:
    answer = client.get("/v1/items/a/similar")

    assert answer.status_code == 400
    assert "no vectors of items to compare" in answer.json()["error"]


def test_the_tree_is_listed_with_the_items_of_each_category(client) -> None:
    whole = client.get("/v1/categories").json()

    assert whole["levels"] == 2
    assert whole["categories"][:2] == [
        {"level": 1, "path": ["Geography"], "items": 2},
        {"level": 1, "path": ["Nature"], "items": 4},
    ]
    assert client.get("/v1/categories", params={"level": 2}).json()["categories"] == whole["categories"][2:]
    assert whole["categories"][2:] == [
        {"level": 2, "path": ["Geography", "Africa"], "items": 2},
        {"level": 2, "path": ["Nature", "Animals"], "items": 2},
        {"level": 2, "path": ["Nature", "Plants"], "items": 1},
    ]
    assert "has 2 category levels, got level 3" in client.get("/v1/categories", params={"level": 3}).json()["error"]


def test_the_model_says_what_it_is(client) -> None:
    assert client.get("/v1/model").json() == {
        "model_version": "0123456789ab",
        "recipe": "toy",
        "dataset": "articles",
        "catalog_size": 6,
        "max_length": 3,
        "tasks": ["category_1", "category_2"],
        "candidates": {"policy": "all", "top": None, "share": None, "mass": None},
        "explains": True,
    }


REFUSED = [
    ("{", 400, "not JSON"),
    ("[" * 100_000, 400, "not JSON"),
    ("[]", 422, "The body: should be an object; got []"),
    ("{}", 422, "session: Field required"),
    ('{"session": "a"}', 422, 'session: should be a valid array; got "a"'),
    ('{"session": [1, true]}', 422, "session[1]: should be a valid string, or should be a valid integer; got true"),
    ('{"session": [1.5]}', 422, "session[0]"),
    ('{"session": [null]}', 422, "session[0]"),
    ('{"session": [99999999999999999999]}', 422, "session[0]"),
    ('{"session": [], "k": 0}', 422, "k: should be greater than or equal to 1; got 0"),
    ('{"session": [], "k": 1001}', 422, "k: should be less than or equal to 1000; got 1001"),
    ('{"session": [], "k": "5"}', 422, 'k: should be a valid integer; got "5"'),
    ('{"session": [], "top": 5}', 422, "top: Extra inputs are not permitted; got 5"),
    ('{"session": [], "candidates": {"policy": "random", "top": 1}}', 422, "candidates.policy"),
    ('{"session": [], "candidates": {"policy": "all", "top": 1}}', 400, "Leave one out"),
    ('{"session": ["a"], "candidates": {"policy": "category"}}', 400, "need one of top"),
    ('{"session": ["a"], "categories": [["Music"]]}', 400, "No item has the category Music"),
    ('{"session": ["\\ud800"]}', 400, "not JSON"),
    (json.dumps({"session": ["x" * 1001]}), 422, "session[0]"),
    (json.dumps({"session": [1] * 10_001}), 422, "session: List should have at most 10000 items"),
]


@pytest.mark.parametrize(("body", "status", "message"), REFUSED)
def test_a_bad_body_is_refused_in_one_sentence(client, body, status, message) -> None:
    answer = client.post("/v1/recommend", content=body)

    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert len(answer.json()["error"]) < 400


def test_more_than_256_sessions_are_refused_and_256_are_not(client) -> None:
    assert client.post("/v1/recommend/batch", json={"sessions": [["a"]] * 256}).status_code == 200
    assert client.post("/v1/recommend/batch", json={"sessions": [["a"]] * 257}).status_code == 422


def test_more_than_20_000_items_in_the_lists_of_a_batch_are_refused_and_20_000_are_not(client) -> None:
    assert client.post("/v1/recommend/batch", json={"sessions": [["a"]] * 20, "k": 1000}).status_code == 200

    refused = client.post("/v1/recommend/batch", json={"sessions": [["a"]] * 21, "k": 1000})

    assert refused.status_code == 422
    assert refused.json()["error"] == (
        "sessions times k, the items of all lists, must be at most 20,000, got 21 times 1000. "
        "Send fewer sessions at once, or a smaller k."
    )


def test_a_session_of_10_000_ids_is_answered_by_its_newest(client) -> None:
    answer = client.post("/v1/recommend", json={"session": ["e", "zz"] * 4_999 + ["a", "c"]}).json()

    assert [item["item_id"] for item in answer["session"]] == ["e", "a", "c"]
    assert len(answer["unknown_ids"]) == 4_999


def test_a_body_past_the_limit_is_refused_with_and_without_its_length(client) -> None:
    def parts():
        for _ in range(40):
            yield b" " * 32_768

    assert client.post("/v1/recommend", content=b" " * (1 << 20) + b" ").status_code == 413
    assert client.post("/v1/recommend", content=parts()).status_code == 413
    assert client.post("/v1/recommend", content=b" " * (1 << 19) + b'{"session": []}').status_code == 200


def _status(app, receive) -> int:
    """The status of a recommendation whose body comes from `receive`."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/recommend", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"]


def test_a_body_that_comes_too_slowly_is_given_up(client, monkeypatch) -> None:
    async def receive():
        await asyncio.sleep(10)

    monkeypatch.setattr(schemas, "MOST_SECONDS", 0.1)

    assert _status(client.app, receive) == 408


def test_a_client_that_leaves_inside_its_body_is_no_bug(client, caplog) -> None:
    async def receive():
        return {"type": "http.disconnect"}

    assert _status(client.app, receive) == 499
    assert caplog.text == ""


@pytest.mark.parametrize("url", ["/nothing", "/page/nothing", "/page/..%2Fapp.py", "/v1/", "/v1/recommend/"])
def test_an_unknown_address_is_404_in_the_form_of_all_errors(client, url) -> None:
    answer = client.get(url)

    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_a_wrong_method_and_wrong_parameters(client) -> None:
    assert client.get("/v1/recommend").status_code == 405
    assert client.get("/v1/items").json() == {"error": "query: Field required. See /docs."}
    assert client.get("/v1/items?query=a&limit=x").json()["error"].startswith("limit: should be a valid integer")


@pytest.mark.parametrize("url", ["/", "/healthz", "/readyz", "/page/app.js", "/docs", "/v1/items/a", "/nothing"])
def test_head_is_answered_as_get_without_the_body(client, url) -> None:
    same = {"X-Request-Id": "1"}
    head, get = client.head(url, headers=same), client.get(url, headers=same)

    assert (head.status_code, head.headers) == (get.status_code, get.headers)
    assert (head.content, bool(get.content)) == (b"", True)


def test_head_of_what_can_only_be_posted_is_a_wrong_method(client) -> None:
    answer = client.head("/v1/recommend")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


class Compared(Explained):
    """Has vectors of its items."""

    def item_vectors(self):
        return np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


class Held(Explained):
    """Scores nothing before the gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.gate = threading.Event(), threading.Event()

    def score(self, batch):
        self.begun.set()
        assert self.gate.wait(10)
        return super().score(batch)


def test_a_request_behind_a_long_one_is_told_to_come_again_at_its_time_limit(tmp_path) -> None:
    scorer = Held()
    holder = Holder(world.model(tmp_path / "catalog", scorer))

    with world.client(holder, ServiceSettings(timeout=0.1)) as client, ThreadPoolExecutor(1) as aside:
        long = aside.submit(client.post, "/v1/recommend", json={"session": ["a"]})
        assert scorer.begun.wait(10)
        refused = client.post("/v1/recommend", json={"session": ["b"]})
        scorer.gate.set()
        late = long.result()

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"] == (
        "The request waited longer than 0.1 seconds, because the server is overloaded. Try again in a second."
    )
    assert late.status_code == 200


def test_reasons_of_a_model_that_has_none_are_a_bad_request(tmp_path) -> None:
    with world.client(Holder(world.model(tmp_path / "catalog", Sum()))) as client:
        answer = client.post("/v1/recommend", json={"session": ["a"], "explain": True})
        assert client.get("/v1/model").json()["explains"] is False

    assert answer.status_code == 400
    assert "no reasons to give" in answer.json()["error"]


class Broken(Explained):
    """Fails on the item b."""

    def score(self, batch):
        if (batch.items == 2).any():
            raise RuntimeError("the secret of the bug")
        return super().score(batch)


def test_a_bug_is_500_for_its_request_and_nothing_leaks(tmp_path, caplog) -> None:
    with world.client(Holder(world.model(tmp_path / "catalog", Broken()))) as client, caplog.at_level(logging.ERROR):
        answer = client.post("/v1/recommend", json={"session": ["b"]})
        after = client.post("/v1/recommend", json={"session": ["a"]})

    assert answer.status_code == 500
    assert answer.json() == {"error": "An error in the server; see its log."}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "the secret of the bug" in caplog.text
    assert after.status_code == 200


def test_health_and_readiness(holder, client) -> None:
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200

    holder.stopping = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json() == {"error": "The server is stopping."}


def test_a_model_that_is_swapped_in_answers_from_then_on(holder, client) -> None:
    catalog = holder.model.recommender.catalog
    ranker = FullRanker(Sum(), catalog)

    holder.swap(type(holder.model)(Recommender(catalog, ranker, model_version="new"), world.DOCUMENT))

    assert client.post("/v1/recommend", json={"session": ["a"]}).json()["model_version"] == "new"
    assert 'hiersrec_model_workers{version="new"} 1.0' in client.get("/metrics").text
    assert 'hiersrec_model_workers{version="0123456789ab"} 0.0' in client.get("/metrics").text


def test_without_the_key_only_the_page_the_manual_and_health_are_open(holder) -> None:
    holder.keys = Keys([("shop", b"another"), ("site", "só secret".encode())])
    with world.client(holder) as client:
        for url in ("/v1/model", "/metrics", "/v1/items/a", "/nothing"):
            assert client.get(url).status_code == 401
            assert client.get(url, headers={"X-API-Key": "wrong"}).status_code == 401
            assert client.get(url, headers={"X-API-Key": "só secret".encode()}).status_code != 401
        assert client.post("/v1/recommend", content=b"x" * (1 << 21)).status_code == 401
        for url in ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/page/app.js"):
            assert client.get(url).status_code == 200


def test_headers_keep_a_browser_honest(client) -> None:
    for url in ("/", "/v1/model", "/nothing"):
        headers = client.get(url, headers={"Origin": "https://elsewhere.example"}).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_the_page_has_types_and_tags(client) -> None:
    start = client.get("/")

    assert start.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/page/style.css").headers["content-type"] == "text/css; charset=utf-8"
    assert client.get("/page/app.js").headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/", headers={"If-None-Match": start.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_manual_names_every_endpoint_and_field(client) -> None:
    text = client.get("/docs").text

    for word in ("/v1/recommend", "/v1/items/{item_id}", "per_category", "milliseconds", "/metrics", "probability"):
        assert word in text
    assert text.count("curl -s") == sum(map(len, client.get("/openapi.json").json()["paths"].values()))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r'id="([^"]+)"', text))
    assert "<script" not in text


def test_the_numbers_count_what_happened(client) -> None:
    client.post("/v1/recommend", json={"session": ["a", "x", "y"]})
    client.post("/v1/recommend/batch", json={"sessions": [["a"], ["x"]]})
    client.post("/v1/recommend", content="{")
    client.get("/v1/items/zzz")
    client.get("/../../etc/passwd")
    text = client.get("/metrics").text

    for line in (
        'hiersrec_requests_total{endpoint="/v1/recommend",status="200"} 1.0',
        'hiersrec_requests_total{endpoint="/v1/recommend",status="400"} 1.0',
        'hiersrec_requests_total{endpoint="/v1/items/{item_id:path}",status="404"} 1.0',
        'hiersrec_requests_total{endpoint="other",status="404"} 1.0',
        'hiersrec_request_seconds_count{endpoint="/v1/recommend"} 2.0',
        "hiersrec_candidates_scored_count 3.0",
        "hiersrec_candidates_scored_sum 18.0",
        "hiersrec_unknown_ids_total 3.0",
        'hiersrec_fallbacks_total{kind="popular"} 1.0',
        "hiersrec_batch_sessions_count 2.0",
        "hiersrec_batch_sessions_sum 3.0",
        "hiersrec_queue_length 0.0",
        'hiersrec_model_workers{version="0123456789ab"} 1.0',
    ):
        assert line in text
