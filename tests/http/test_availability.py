"""The list of available items: what it does to lists, who may change it, and what is left of it after anything."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hiersrec.errors import BadInput
from hiersrec.http import availability as module
from hiersrec.http import setting_availability
from hiersrec.http.availability import Availability, ItemList, default_file, stock_of
from hiersrec.http.holder import Holder
from hiersrec.http.keys import Keys
from hiersrec.http.settings import ServiceSettings
from tests.http import world
from tests.serving.world import catalog

KEY = {"X-API-Key": "secret"}


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "shop.availability.json"


@pytest.fixture
def holder(tmp_path, file) -> Holder:
    model = world.model(tmp_path / "catalog")
    return Holder(model, Keys([("shop", b"secret")]), Availability(file))


def ids(client, **options: object) -> list[str]:
    answer = client.post("/v1/recommend", json={"session": ["a"], **options}, headers=KEY).json()
    return [item["item_id"] for item in answer["items"]]


def test_every_list_after_the_answer_obeys_and_the_rest_of_the_order_stays(holder) -> None:
    with world.client(holder) as client:
        before = ids(client)
        none = client.get("/v1/availability", headers=KEY).json()
        facts = client.put("/v1/availability", json={"unavailable": ["a", "zzz", "d", "a"]}, headers=KEY).json()
        without = ids(client)
        batch = client.post("/v1/recommend/batch", json={"sessions": [["b"], []]}, headers=KEY).json()["answers"]
        other = client.put("/v1/availability", json={"available": ["b", "d"]}, headers=KEY)
        only = ids(client)
        known = client.get("/v1/availability", headers=KEY).json()
        client.put("/v1/availability", json={"unavailable": []}, headers=KEY)
        after = ids(client)

    assert none == {
        **{"list": None, "ids": 0, "known": 0, "unknown": 0, "listed": 6, "catalog_size": 6, "set_at": None}
    }
    assert facts.pop("set_at")
    assert facts == {"list": "unavailable", "ids": 3, "known": 2, "unknown": 1, "listed": 4, "catalog_size": 6}
    assert without == [item for item in before if item not in ("a", "d")]
    assert {item["item_id"] for answer in batch for item in answer["items"]} == {"b", "c", "e", "f"}
    assert batch[0]["candidates"] == 4
    assert other.status_code == 200
    assert set(only) == {"b", "d"}
    assert known == other.json()
    assert (known["list"], known["listed"]) == ("available", 2)
    assert after == before


def test_it_narrows_what_a_request_allows_and_fills_and_leaves_candidates_as_they_are(holder) -> None:
    top = {"policy": "category", "top": 1}
    with world.client(holder) as client:
        before = client.post("/v1/recommend", json={"session": ["a"], "candidates": top}, headers=KEY).json()
        gone = before["items"][0]["item_id"]
        client.put("/v1/availability", json={"unavailable": [gone]}, headers=KEY)
        after = client.post("/v1/recommend", json={"session": ["a"], "candidates": top}, headers=KEY).json()
        allowed = ids(client, allow=[gone, "e"])
        empty = ids(client, allow=[gone])

    assert after["candidates"] == before["candidates"] - 1
    assert [item["item_id"] for item in after["items"]] == [item["item_id"] for item in before["items"][1:]]
    assert (allowed, empty) == (["e"] if gone != "e" else [], [])


def test_without_keys_nobody_may_change_it_and_with_keys_only_their_owners(holder) -> None:
    body = {"unavailable": ["a"]}
    with world.client(holder) as client:
        assert client.put("/v1/availability", json=body).status_code == 401
        assert client.get("/v1/availability").status_code == 401
        holder.keys = None
        refused = client.put("/v1/availability", json=body)
        assert client.get("/v1/availability").json()["list"] is None

    assert refused.status_code == 403
    assert "Start the service with --api-key-file" in refused.json()["error"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, "Give one of the lists unavailable and available, got none"),
        ({"available": [], "unavailable": []}, 422, "got both"),
        ({"available": ["a", 1.5]}, 422, "available[1]: should be a valid string, or should be a valid integer"),
        ({"available": "a"}, 422, "available: should be a valid array"),
        ({"sold_out": ["a"]}, 422, "sold_out"),
        ({"available": ["x" * 1001]}, 422, "at most 1000 characters"),
        ({"available": ["a"] * 6}, 422, "at most 5 items"),
        ({"available": ["x" * 900] * 5}, 413, "larger than 3,000 bytes"),
    ],
)
def test_other_bodies_change_nothing(holder, file, monkeypatch, body, status, message) -> None:
    monkeypatch.setattr(setting_availability, "MOST_BYTES", 3_000)
    if "at most 5" in message:
        body = {"available": ["a"] * (setting_availability.MOST_IDS + 1)}
        message = message.replace("5", str(setting_availability.MOST_IDS))
        monkeypatch.setattr(setting_availability, "MOST_BYTES", 3_000_000)
    with world.client(holder) as client:
        answer = client.put("/v1/availability", json=body, headers=KEY)

    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.json()
    assert not file.exists()


def test_similar_items_obey_too(tmp_path) -> None:
    stock = stock_of(ItemList("unavailable", ("b",), ""), catalog())
    seen = []

    class Like(world.world.Explained):
        def item_vectors(self):
            return np.eye(6, 4, dtype=np.float32) + 1

    model = world.model(tmp_path / "catalog", Like())
    for flags in (None, stock.flags):
        result = model.similar("a", 5, flags)
        assert result is not None
        seen.append({item.item_id for item in result.items})

    assert seen == [set("bcdef"), set("cdef")]


def test_another_process_finds_the_list_without_being_told_and_a_restart_does(file, tmp_path) -> None:
    one, other, known = Availability(file), Availability(file), catalog()
    assert other.stock(known) is None

    one.replace("unavailable", ["a"])
    first = other.stock(known)
    one.replace("available", ["a", 7])
    second = other.stock(known)

    assert first is not None
    assert second is not None
    assert first.flags.tolist() == [False, False, True, True, True, True, True]
    assert second.flags.tolist() == [False, True, False, False, False, False, False]
    assert other.stock(known) is second, "read once"
    assert other.stock(catalog()) is not second, "another model has other numbers"
    assert Availability(file).stock(known).items == second.items == one.stock(known).items
    file.unlink()
    assert one.stock(known) is other.stock(known) is None
    assert list(tmp_path.iterdir()) == []


def test_many_lists_in_a_moment_are_told_apart(file) -> None:
    one, other, known = Availability(file), Availability(file), catalog()
    for number in range(200):
        item = "abcdef"[number % 6]
        one.replace("available", [item])
        found = other.stock(known)
        assert found is not None
        assert found.items.ids == (item,)


def test_readers_see_a_whole_list_while_it_is_replaced(file) -> None:
    known, writer = catalog(), Availability(file)
    writer.replace("available", ["a"])
    readers = [Availability(file) for _ in range(3)]

    def read(reader: Availability) -> set[tuple[str | int, ...]]:
        return {stock.items.ids for _ in range(150) if (stock := reader.stock(known))}

    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(read, reader) for reader in readers]
        for _ in range(30):
            writer.replace("available", ["a", "b", "c"])
            writer.replace("available", ["a"])
        seen = set().union(*(future.result() for future in futures))

    assert seen <= {("a",), ("a", "b", "c")}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_whatever_breaks_before_the_rename_leaves_the_old_list(holder, file, monkeypatch, step) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with world.client(holder) as client:
        client.put("/v1/availability", json={"unavailable": ["a"]}, headers=KEY)
        content = file.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(*((os, "fsync", fail) if step == "fsync" else (Path, "replace", fail)))
            answer = client.put("/v1/availability", json={"unavailable": ["b"]}, headers=KEY)
        listed = ids(client)
        again = client.put("/v1/availability", json={"unavailable": ["b"]}, headers=KEY)

    assert answer.status_code == 500
    assert "No space left on device. The old one is still in use" in answer.json()["error"]
    assert "a" not in listed
    assert "b" in listed
    assert again.status_code == 200
    assert json.loads(content)["ids"] == ["a"]
    assert [path.name for path in file.parent.glob("*.part")] == []


DAMAGED = ["", "{", "[]", '{"format_version": 1, "list": "available", "set_at": "", "ids": [1.5]}']
LATER = ['{"format_version": 2, "list": "available", "set_at": "", "ids": []}']


def test_a_list_must_have_a_folder(tmp_path) -> None:
    with pytest.raises(BadInput, match=r"There is no folder at .*none for the list of available items"):
        Availability(tmp_path / "none" / "availability.json")


@pytest.mark.parametrize("content", [*DAMAGED, *LATER])
def test_a_damaged_file_is_an_error_at_the_start_and_changes_nothing_later(file, content, caplog) -> None:
    running, known = Availability(file), catalog()
    running.replace("available", ["a"])
    before = running.stock(known)
    file.write_text(content, encoding="utf-8")

    assert running.stock(known) is running.stock(known) is before
    assert caplog.text.count("The list of available items stays as it was: ") == 1
    with pytest.raises(BadInput, match=r"availability.json (is damaged|was written by a later).*remove the file"):
        Availability(file)
    running.replace("unavailable", ["a"])
    assert running.stock(known).items.kind == "unavailable"


def test_a_file_that_can_not_be_read_changes_nothing(file, monkeypatch, caplog) -> None:
    running, known = Availability(file), catalog()
    running.replace("available", ["a"])
    before = running.stock(known)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert running.stock(known) is running.stock(known) is before
    assert caplog.text.count("can't be read: Permission denied") == 1


def test_the_file_is_next_to_the_bundle_and_a_link_has_its_own(tmp_path, monkeypatch) -> None:
    (tmp_path / "v2").mkdir()
    (tmp_path / "current").symlink_to("v2")
    monkeypatch.chdir(tmp_path / "v2")

    assert default_file(tmp_path / "current") == tmp_path / "current.availability.json"
    assert default_file(Path()) == tmp_path / "v2.availability.json"


def test_settings_travel_to_workers() -> None:
    settings = ServiceSettings(availability_file=Path("a/b"), key_file=Path("k"), hosts=("h",))

    assert ServiceSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert ServiceSettings.from_json(json.loads(json.dumps(ServiceSettings().to_json()))) == ServiceSettings()


def test_the_file_holds_any_id(file) -> None:
    odd = ("\u00e4", "\ud800", 2**63 - 1, -5, "")
    Availability(file).replace("available", odd)

    assert Availability(file)._list == module.ItemList("available", odd, json.loads(file.read_bytes())["set_at"])
