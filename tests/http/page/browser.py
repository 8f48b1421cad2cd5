"""A real server and a real headless Chromium that tells what goes wrong inside it."""

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
WAIT = 60_000
"""Milliseconds after which what doesn't show never will."""

expect.set_options(timeout=WAIT)


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address at which `app` is served inside the block."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this system; the test is skipped where there is none."""
    command = next(filter(None, map(shutil.which, COMMANDS)), None)
    if command is None:
        pytest.skip(f"no browser: none of {', '.join(COMMANDS)} is a command here; `make setup` says more")
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, which is what tests run as in a container; it only sees our own page.
        browser = playwright.chromium.launch(executable_path=command, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visit(browser: Browser, address: str, expected: str = "", **context: Any) -> Iterator[Page]:
    """A page of a fresh profile. At the end nothing may have gone wrong in it, and nobody else been asked.

    expected: part of what the console may say. context: viewport, color_scheme and the like.
    """
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (expected and expected in message.text):
            wrong.append(f"console: {message.text}")

    def follow(request: Request) -> None:
        if not request.url.startswith(f"{address}/"):
            wrong.append(f"asked {request.url}")

    with contextlib.closing(browser.new_context(**context)) as profile:
        profile.set_default_timeout(WAIT)
        page = profile.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", follow)
        try:
            yield page
        finally:  # an answer that a test changes may be under way; without its page it would fail in the next test
            page.unroute_all(behavior="wait")
    assert wrong == []


def shared(address: str, *ids: str) -> str:
    """The address of the page with a session."""
    return f"{address}/#{urlencode([('session', one) for one in ids])}"


def settled(page: Page) -> None:
    """Wait until the answers to the last change are on the page."""
    expect(page.locator("#items > li").first).to_be_visible()
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


def contrast(page: Page, part: str) -> float:
    """WCAG 2 contrast of the text of the first such part with the ground behind it."""

    def luminance(colour: str) -> float:
        shares = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
        linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colours = page.locator(part).first.evaluate(
        """part => {
          let ground = part;
          while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
          return [getComputedStyle(part).color, getComputedStyle(ground).backgroundColor];
        }"""
    )
    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


def broken_words(page: Page) -> list[str]:
    """Words of visible texts of which a line ends inside, in the order of the page."""
    broken: list[str] = page.evaluate(
        """() => {
          const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const broken = [];
          while (texts.nextNode()) {
            const node = texts.currentNode;
            if (!node.parentElement.checkVisibility() || node.parentElement.closest(".unseen, .skip")) continue;
            for (const word of node.data.matchAll(/\\S+/g)) {
              const range = document.createRange();
              range.setStart(node, word.index);
              range.setEnd(node, word.index + word[0].length);
              const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
              if (lines.size > 1) broken.push(word[0]);
            }
          }
          return broken;
        }"""
    )
    return broken
