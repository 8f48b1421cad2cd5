"""What tests read off the page."""

from playwright.sync_api import Locator, Page

from tests.http.page.browser import settled

HOSTILE = "<img src=/x onerror=document.title='cracked'>"
"""The title of item d3, in place of "Drills no 3"."""
K = 20
"""Items of a list."""


def chips(page: Page) -> Locator:
    return page.locator("#session > li > span")


def titles(page: Page) -> list[str]:
    return page.locator("#items .title").all_inner_texts()


def compared(page: Page, which: str, part: str = ".name") -> list[str]:
    return page.locator(f"#{which}-items {part}").all_inner_texts()


def open_comparison(page: Page) -> None:
    page.get_by_text("Compare with candidates only").click()
    settled(page)


def bars(page: Page) -> list[float]:
    """Widths of all bars, once they stand still."""
    page.evaluate("() => Promise.allSettled(document.getAnimations().map(one => one.finished))")
    return page.locator("#levels .bar").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
