"""The session in the address, and what the service may answer: errors, a key, late answers, a proxy."""

import pytest
from playwright.sync_api import Route, expect

from hiersrec.http.app import make_app
from hiersrec.http.holder import Holder
from hiersrec.http.keys import Keys
from hiersrec.http.model import open_model
from hiersrec.http.settings import ServiceSettings
from tests.http.page.browser import serving, settled, shared, visit
from tests.http.page.parts import chips, titles

pytestmark = pytest.mark.slow


def test_back_forward_and_clear(page, address) -> None:
    page.goto(shared(address, "a2"))
    settled(page)
    page.locator("#items .title").first.click()
    expect(chips(page)).to_have_count(2)
    page.go_back()
    expect(chips(page)).to_have_text(["Apples no 2"])
    page.go_forward()
    expect(chips(page)).to_have_count(2)
    page.get_by_role("button", name="Clear").click()
    expect(chips(page)).to_have_count(0)
    expect(page.locator("#list-title")).to_have_text("Popular items")
    assert page.url == f"{address}/"


def test_ignored_items_are_named(page, address) -> None:
    page.goto(shared(address, "nobody's", "a0"))
    settled(page)
    expect(page.locator("#notes")).to_have_text("Ignored, not in the catalogue: nobody's.")
    expect(page.locator("#session > li").first).to_have_class("ignored")
    expect(page.locator("#session > li").last).not_to_have_class("ignored")

    page.goto(shared(address, "nobody's"))
    expect(page.locator("#notes")).to_contain_text("No item of the session is known: these are popular items.")

    page.goto(shared(address, *["a0", "b0", "c0", "d0", "e0", "f0", "a1", "b1"]))
    expect(page.locator("#notes")).to_have_text("The model uses the last 6 items.")
    expect(page.locator("#session > li.ignored")).to_have_count(2)

    page.get_by_role("combobox").press_sequentially("zzz")
    page.get_by_role("option", name="zzz").click()
    expect(page.locator("#notes")).to_contain_text("not in the catalogue: zzz")


def test_a_key_is_asked_for_and_kept_for_the_tab(browser, bundle) -> None:
    app = make_app(Holder(open_model(bundle), Keys([("shop", b"secret")])), ServiceSettings())
    with serving(app) as address, visit(browser, address, expected="401 (Unauthorized)") as page:
        page.goto(shared(address, "a2"))
        field = page.get_by_label("This server requires an API key")
        expect(field).to_be_focused()
        field.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("X-API-Key")
        field.fill("secret")
        page.keyboard.press("Enter")
        settled(page)
        expect(field).to_be_hidden()
        expect(page.get_by_role("alert")).to_be_hidden()
        page.reload()
        settled(page)
        assert "secret" not in page.url


def test_errors_are_said_and_go_away(browser, address) -> None:
    with visit(browser, address, expected="Failed to load resource") as page:
        page.goto(shared(address, "a2"))
        settled(page)
        page.route("**/v1/recommend", lambda route: route.fulfill(status=503, json={"error": "Too many wait."}))
        page.locator("#items .title").first.click()
        expect(page.get_by_role("alert")).to_have_text("Too many wait.")
        page.unroute("**/v1/recommend")
        page.route("**/v1/recommend", lambda route: route.abort())
        page.get_by_role("button", name="Clear").click()
        expect(page.get_by_role("alert")).to_contain_text("can't be reached")
        page.unroute("**/v1/recommend")
        page.go_back()
        settled(page)
        expect(page.get_by_role("alert")).to_be_hidden()


def test_an_answer_that_comes_late_is_dropped(page, address) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.goto(address)
    settled(page)
    page.route("**/v1/recommend", hold_the_first)
    page.goto(shared(address, "a2"))
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    page.goto(shared(address, "b6", "c1"))
    settled(page)
    before = titles(page)
    held[0].continue_()
    page.wait_for_timeout(200)
    assert titles(page) == before
    expect(chips(page)).to_have_text(["Bread no 6", "Cheese no 1"])


def test_behind_the_path_of_a_proxy(browser, bundle) -> None:
    app = make_app(Holder(open_model(bundle)), ServiceSettings(root_path="/rec"))
    with serving(app) as url, visit(browser, f"{url}/rec") as page:
        page.goto(f"{url}/rec/")
        settled(page)
        page.get_by_role("link", name="API").click()
        expect(page).to_have_url(f"{url}/rec/docs")
        page.get_by_role("link", name="the page").click()
        settled(page)
