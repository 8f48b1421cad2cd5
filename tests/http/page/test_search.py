"""The search field: by words, by id, by keyboard; what is found is text."""

import re

import pytest
from playwright.sync_api import Route, expect

from hiersrec.retrieval.candidates import ALL
from tests.http.page.browser import settled, shared
from tests.http.page.parts import HOSTILE, K, chips, open_comparison, titles
from tests.toy import NUM_ITEMS

pytestmark = pytest.mark.slow


def test_search_click_and_see_what_comes_next(page, address, recommender) -> None:
    page.goto(address)
    settled(page)
    expect(page.get_by_role("heading", name="Popular items")).to_be_visible()

    page.get_by_role("combobox").press_sequentially("apples 2")
    page.get_by_role("option", name="Apples no 2").click()

    expect(chips(page)).to_have_text(["Apples no 2"])
    expect(page.locator("#list-title")).to_have_text("Recommended items")
    settled(page)
    [answer] = recommender.recommend([["a2"]], K, candidates=ALL)
    assert titles(page) == [item.title for item in answer.items]
    assert page.locator("#items .score").all_inner_texts() == [f"{item.score:.2f}" for item in answer.items]
    assert page.locator("#items .path").all_inner_texts() == [
        " / ".join(filter(None, item.category_path)) for item in answer.items
    ]
    open_comparison(page)
    assert re.fullmatch(rf"Scored {NUM_ITEMS} of {NUM_ITEMS} items in [\d.]+ ms\.", page.inner_text("#all-scored"))
    assert page.url == shared(address, "a2")
    assert recommender.model_version is not None
    expect(page.locator("#model")).to_contain_text(recommender.model_version)


def test_the_keyboard_alone(page, address) -> None:
    page.goto(address)
    settled(page)
    search = page.get_by_role("combobox")
    search.focus()
    page.keyboard.type("hammers")
    options = page.get_by_role("option")
    expect(options.first).to_be_visible()
    second = options.nth(1).locator("span").first.inner_text()
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(search).to_have_attribute("aria-activedescendant", "match-1")
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_text([second])
    expect(search).to_be_focused()
    expect(search).to_have_value("")
    settled(page)

    page.keyboard.type("apples")
    expect(options.first).to_be_visible()
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    expect(search).to_have_value("apples")

    first = page.locator("#items .title").first
    first.focus()
    name = first.inner_text()
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_text([second, name])
    settled(page)
    expect(page.locator("#items .title").first).to_be_focused()

    page.get_by_role("button", name=f"Remove {second}", exact=True).focus()
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_text([name])
    settled(page)
    expect(page.get_by_role("button", name=f"Remove {name}", exact=True)).to_be_focused()

    page.locator("#compare > summary").focus()
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator("#top-value")).to_have_text("1")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#top-value")).to_have_text("2")
    expect(page.locator("#few-scored")).to_contain_text(f"Scored {NUM_ITEMS} of")


def test_an_item_is_found_by_its_id(page, address) -> None:
    page.goto(address)
    settled(page)
    options = page.get_by_role("option")
    page.get_by_role("combobox").press_sequentially("a2")
    expect(options).to_have_count(1)
    expect(options.locator("span")).to_have_text(["Apples no 2", "item id a2"])
    page.keyboard.press("Enter")
    expect(chips(page)).to_have_text(["Apples no 2"])
    assert page.url == shared(address, "a2")

    page.get_by_role("combobox").press_sequentially("apples no 2")
    expect(options.first.locator("span")).to_have_text(["Apples no 2", "Food / Apples"])


def test_an_item_without_a_title_has_its_id_once(page, address) -> None:
    def answer(route: Route) -> None:
        body = route.fetch().json()
        route.fulfill(json=body | {"items": [item | {"title": None} for item in body["items"]]})

    page.route("**/v1/recommend", answer)
    page.goto(address)
    settled(page)
    page.get_by_role("combobox").press_sequentially("a2")
    expect(page.get_by_role("option").locator("span")).to_have_text(["a2", "Food / Apples"])


def test_an_id_that_is_also_a_word_of_titles_comes_first_and_once(page, address) -> None:
    def answer(route: Route) -> None:
        facts = {"category_path": ["Food"], "train_count": 1}
        route.fulfill(
            json={"items": [{"item_id": one, "title": f"Route {one}", **facts} for one in ("b1", "a2", "c3")]}
        )

    page.route("**/v1/items?*", answer)
    page.goto(address)
    settled(page)
    page.get_by_role("combobox").fill("a2")
    expect(page.get_by_role("option").locator("span:first-child")).to_have_text(["Apples no 2", "Route b1", "Route c3"])


def test_titles_and_names_are_text(page, address) -> None:
    page.goto(shared(address, "d3", "e1", "<b>x"))
    settled(page)
    expect(chips(page)).to_have_text([HOSTILE, "<b>Files no 1", "<b>x"])
    page.get_by_role("combobox").press_sequentially("onerror")
    expect(page.get_by_role("option").locator("span").first).to_have_text(HOSTILE)
    expect(page.locator("#levels")).to_contain_text("<b>Files")
    assert page.locator("main img, main b").count() == 0
    assert page.title() == "hiersrec"
