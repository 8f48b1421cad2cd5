"""Requests of those the service is not for, and of those behind a proxy: hosts, web sites, paths, ids."""

import json
import logging

import pytest

from hiersrec.http.holder import Holder
from hiersrec.http.keys import Keys
from hiersrec.http.log_lines import JsonLines
from hiersrec.http.security import default_hosts
from hiersrec.http.settings import ServiceSettings
from tests.http import world

LOCAL = ServiceSettings(hosts=("localhost", "127.0.0.1", "[::1]", "Shop.example"))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("shop.example", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("evil.example:127.0.0.1", 400),
        ("::1", 400),
        ("", 400),
        ("x" * 5_000, 400),
    ],
)
def test_only_named_hosts_are_answered_but_probes_always(holder, host, status) -> None:
    with world.client(holder, LOCAL) as client:
        answer = client.get("/v1/model", headers={"Host": host})
        assert client.get("/readyz", headers={"Host": host}).status_code == 200

    assert answer.status_code == status
    assert status == 200 or len(answer.json()["error"]) < 200


def test_hosts_are_restricted_only_where_this_machine_alone_can_ask() -> None:
    assert default_hosts("127.0.0.1", "127.0.0.1") == ("localhost", "127.0.0.1", "[::1]", "127.0.0.1")
    assert "[::1]" in default_hosts("::1", "::1")
    assert "shop.local" in default_hosts("shop.local", "127.0.1.1")
    assert default_hosts("0.0.0.0", "0.0.0.0") == default_hosts("::", "::") == ()  # noqa: S104


def test_a_site_that_is_named_may_call_and_read_refusals_and_others_may_not(holder) -> None:
    holder.keys = Keys([("shop", b"secret")])
    settings = ServiceSettings(origins=("https://shop.example",))
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-API-Key, Content-Type"}
    with world.client(holder, settings) as client:
        good = client.options("/v1/recommend", headers={"Origin": "https://shop.example", **ask})
        bad = client.options("/v1/recommend", headers={"Origin": "https://evil.example", **ask})
        refused = client.get("/v1/model", headers={"Origin": "https://shop.example"})
        other = client.get("/v1/model", headers={"Origin": "https://evil.example"})

    assert good.status_code == 200
    assert good.headers["access-control-allow-origin"] == "https://shop.example"
    assert bad.status_code == 400
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://shop.example")
    assert "access-control-allow-origin" not in {*bad.headers, *other.headers}


def test_behind_a_prefix_both_kinds_of_proxy_work_and_the_page_names_nothing_at_the_root(holder) -> None:
    with world.client(holder, ServiceSettings(root_path="/rec")) as client:
        for path in ("/v1/model", "/rec/v1/model", "/rec/", "/rec/page/app.js", "/rec/v1/categories/Nature"):
            assert client.get(path).status_code == 200, path
        assert client.get("/rec", follow_redirects=False).headers["location"] == "/rec/"
        holder.keys = Keys([("shop", b"secret")])
        assert [client.get(path).status_code for path in ("/rec", "/rec/", "/rec/v1/model")] == [200, 200, 401]
        holder.keys = None
        assert client.get("/record").status_code == client.get("/rec/rec/").status_code == 404
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/rec"}]
        texts = [client.get(path).text for path in ("/", "/docs", "/page/app.js", "/page/search.js", "/page/style.css")]

    for text in texts:
        assert not any(mark in text for mark in ('="/', "ask(`/", 'ask("/', "url(/", 'from "/'))


def test_a_long_wrong_value_is_quoted_in_part(client) -> None:
    answer = client.post("/v1/recommend", json={"session": ["a"], "categories": [["x" * 1000] * 2]})

    assert answer.status_code == 400
    assert len(answer.content) < 700
    assert answer.json()["error"].startswith("No item has the category xxx")
    assert answer.json()["error"].endswith("Those of an item are its category_path.")


BIG = 900_000_000_000_000_000
"""More than 2^53."""


@pytest.fixture
def big(tmp_path) -> Holder:
    return Holder(world.model(tmp_path / "big", ids=[BIG + 100 + number for number in range(6)]))


def test_ids_that_javascript_would_round_are_text_everywhere_and_are_understood_as_text(big) -> None:
    with world.client(big) as client:
        found = client.get("/v1/items", params={"query": "nile"}).json()["items"][0]["item_id"]
        answer = client.post("/v1/recommend", json={"session": [found, BIG + 101, "nothing", 7]}).json()
        near = client.get(f"/v1/items/{found}").json()
        listed = client.get("/v1/categories/Nature").json()["items"]

    assert found == near["item_id"] == str(BIG + 100)
    assert [item["item_id"] for item in answer["session"]] == [found, str(BIG + 101)]
    assert answer["unknown_ids"] == ["nothing", "7"]
    assert all(isinstance(item["item_id"], str) for item in answer["items"] + listed)


def test_a_large_id_among_small_ones_is_text_wherever_it_stands(tmp_path) -> None:
    """As after `add-items`, whose items come last whatever their ids are."""
    for number, ids in enumerate([[5, 2**60, 7, 8, 9, 10], [5, -(2**60), 7, 8, 9, 10], [11, 6, 7, 8, 9, 10]]):
        assert world.model(tmp_path / str(number), ids=ids).ids_as_text == (number < 2)


def test_a_large_unknown_number_is_text_and_the_others_stay_what_they_were(client) -> None:
    answer = client.post("/v1/recommend", json={"session": ["zzz", 7, 2**53 - 1, 2**53, -(2**60)]}).json()

    assert answer["unknown_ids"] == ["zzz", 7, 2**53 - 1, str(2**53), str(-(2**60))]


@pytest.mark.parametrize(("sent", "used"), [("abc-1.2:3", True), ("x" * 129, False), ("a b", False), ("", False)])
def test_the_id_of_a_request_is_the_client_s_if_it_is_one(client, sent, used) -> None:
    answer = client.get("/nothing", headers={"X-Request-Id": sent})

    assert (answer.headers["x-request-id"] == sent) == used
    assert len(answer.headers["x-request-id"]) > 8


def test_json_lines_say_who_asked_what_and_what_became_of_it(holder, caplog) -> None:
    holder.keys = Keys([("shop", b"secret")])
    with (
        world.client(holder, ServiceSettings(log_format="json")) as client,
        caplog.at_level(logging.INFO, "hiersrec"),
    ):
        client.head("/v1/items/a", headers={"X-API-Key": "secret", "X-Request-Id": "one"})
        client.get("/v1/items/\u00e4%0A", headers={"X-API-Key": "wrong"})

    first, second = (json.loads(JsonLines().format(record)) for record in caplog.records)
    assert first.pop("milliseconds") > 0
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "message": "request",
        "request_id": "one",
        "method": "HEAD",
        "path": "/v1/items/a",
        "endpoint": "/v1/items/{item_id:path}",
        "status": 200,
        "address": "testclient",
        "client": "shop",
    }
    assert (second["status"], second["client"], second["endpoint"]) == (401, None, "other")


def test_a_line_holds_its_traceback() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord("hiersrec", logging.ERROR, "", 0, "A request failed", (), (type(error), error, None))

    line = JsonLines().format(record)

    assert "\n" not in line
    assert json.loads(line)["exception"] == "ValueError: two\nlines"
