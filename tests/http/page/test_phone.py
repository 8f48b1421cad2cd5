"""The page on a phone, light and dark."""

import pytest
from playwright.sync_api import Route, expect

from tests.http.page.browser import broken_words, contrast, settled, shared, visit
from tests.http.page.parts import open_comparison

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_phone_in_light_and_dark(browser, address, scheme) -> None:
    with visit(
        browser, address, viewport={"width": 320, "height": 640}, color_scheme=scheme, reduced_motion="reduce"
    ) as page:
        page.goto(shared(address, "d3", "a2", "x" * 80))
        settled(page)
        page.locator("#items summary").first.click()
        page.locator("#compare > summary").click()
        settled(page)
        expect(page.locator("#all-items .mark").first).to_be_visible()
        page.get_by_role("combobox").press_sequentially("no")
        expect(page.get_by_role("option").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert page.evaluate("getComputedStyle(document.querySelector('.bar')).transitionDuration") == "0s"
        for part in ("body", ".card h2", ".quiet", ".title", "#session .ignored", "#clear", "#all-items .mark"):
            assert contrast(page, part) >= 4.5, part
        for part in ("summary", ".legend li", ".pull", "#more", "#compare > summary", "#matches span + span"):
            assert contrast(page, part) >= 4.5, part


def test_on_a_phone_the_page_is_under_four_screens_and_no_word_is_broken(browser, address) -> None:
    def lengthen(route: Route) -> None:
        answer = route.fetch().json()
        for item in answer["items"]:
            item["title"] = "Constitutional history of Liechtenstein"
            item["category_path"] = ["Geography", "European Geography", "European Countries"]
            for reason in item["reasons"] or ():
                for pull in reason["strongest"]:
                    pull["name"] = "Electromagnetism and thermodynamics"
        route.fulfill(json=answer)

    with visit(browser, address, viewport={"width": 390, "height": 844}) as page:
        page.route("**/v1/recommend", lengthen)
        page.goto(shared(address, "a2", "b6", "c1"))
        settled(page)
        assert page.evaluate("document.documentElement.scrollHeight") < 4 * 844
        order = [page.locator(part).bounding_box() for part in ("#list", "#guesses", "#compare")]
        tops = [box["y"] for box in order if box is not None]
        assert len(tops) == 3
        assert tops == sorted(tops), "the list comes first"
        assert broken_words(page) == []

        more = page.get_by_role("button", name="Show all 20 items")
        rows = page.locator("#items > li")
        expect(rows.last).to_be_hidden()
        more.click()
        expect(rows.last).to_be_visible()
        expect(more).to_be_hidden()
        expect(rows.nth(10).locator(".title")).to_be_focused()
        rows.first.locator("summary").click()
        open_comparison(page)
        assert broken_words(page) == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert broken_words(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 320
