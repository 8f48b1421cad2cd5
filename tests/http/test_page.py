"""The page at / in a real browser, on a real server with a real, small model."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from hiersrec.export_run import export
from hiersrec.http.app import make_app
from hiersrec.http.holder import Holder
from hiersrec.http.keys import Keys
from hiersrec.http.model import open_model
from hiersrec.http.settings import ServiceSettings
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.serving.recommender import Recommender
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.http.browser import broken_words, chromium, contrast, serving, settled, shared, visit
from tests.toy import NUM_ITEMS, write_toy

pytestmark = pytest.mark.slow

SMALL = [
    *("inputs.item_width=16", "inputs.category_width=8", "inputs.metadata_width=8", "encoder.layers=1"),
    *("encoder.heads=2", "encoder.max_length=6", "training.precision=float32", "training.batch_size=128"),
    *("training.learning_rate=5e-3", "training.epochs=3"),
]
HOSTILE = "<img src=/x onerror=document.title='cracked'>"
"""The title of item d3, in place of "Drills no 3"."""
K = 20
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    folder = write_toy(tmp_path_factory.mktemp("toy"), sessions=300)
    items = folder / "items.csv"
    text = items.read_text(encoding="utf-8").replace("Drills no 3", HOSTILE).replace("Files", "<b>Files")
    items.write_text(text, encoding="utf-8")
    source = Source("toy", folder / "events.csv", items)
    prepare(
        source, folder / "data", PrepareSettings(split=SplitSettings(method="fraction", value=0.1)), say=lambda _: None
    )
    train(
        Dataset.open(folder / "data"),
        read_recipe(find_recipe("hiersrec", "toy"), SMALL),
        folder / "run",
        SilentReporter(),
    )
    export(folder / "run", folder / "bundle", lambda _: None, candidates=Candidates(policy="category", top=1))
    return folder / "bundle"


@pytest.fixture(scope="module")
def address(bundle) -> Iterator[str]:
    with serving(make_app(Holder(open_model(bundle)), ServiceSettings())) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(address, browser) -> Iterator[Page]:
    with visit(browser, address) as page:
        yield page


@pytest.fixture(scope="module")
def recommender(bundle) -> Recommender:
    return Recommender.load(bundle)


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


def test_every_click_moves_the_bars(page, address, recommender) -> None:
    page.goto(shared(address, "a2"))
    settled(page)
    before = bars(page)

    second = page.locator("#items .title").nth(1)
    name = second.inner_text()
    second.click()

    expect(chips(page)).to_have_text(["Apples no 2", name])
    settled(page)
    after = bars(page)
    assert after != before
    ids = [item.item_id for item in recommender.recommend([["a2"]], 2, candidates=ALL)[0].items]
    guesses = recommender.recommend([["a2", ids[1]]], K, explain=True, candidates=ALL)[0].guesses
    chances = [guess.probability for level in guesses for guess in level]
    assert page.locator("#levels .percent").all_inner_texts() == [f"{chance:.1%}" for chance in chances]
    track = page.locator("#levels .track").first.bounding_box()
    assert track is not None
    assert after == pytest.approx([max(2, chance * track["width"]) for chance in chances], abs=1)


def test_reasons_add_up_and_say_which_category_pulled(page, address, recommender) -> None:
    page.goto(shared(address, "a2", "b6"))
    settled(page)
    [answer] = recommender.recommend([["a2", "b6"]], K, explain=True, candidates=ALL)
    best = answer.items[0]
    assert best.reasons is not None
    parts = [reason for reason in best.reasons if reason.value]

    row = page.locator("#items > li").first
    row.locator("summary").click()

    adds = [float(text.replace(MINUS, "-")) for text in row.locator("tbody td:nth-child(2)").all_inner_texts()]
    assert adds == pytest.approx([reason.value for reason in parts], abs=0.006)
    assert sum(adds) == pytest.approx(best.score, abs=0.03)
    pulls = [(pull.name, pull.value) for reason in parts for pull in reason.strongest]
    whole = [reason for reason in parts if not reason.strongest and reason.source not in ("session", "average_item")]
    pulls += [(reason.source, reason.value) for reason in whole]
    named = sorted((pull for pull in pulls if abs(pull[1]) >= 0.005), key=lambda pull: -abs(pull[1]))[:3]
    expect(row.locator(".pulls > .pull")).to_have_text(
        [f"{name} {value:+.2f}".replace(" -", f" {MINUS}") for name, value in named]
    )
    assert parts[-1].source == "average_item", "which all items share, so that it is in the table and not in the bar"
    assert row.locator("tbody th").all_inner_texts()[-1] == "Average item"
    assert row.locator(".parts > span:not(.zero)").count() == len(parts) - 1
    expect(page.locator("#independent")).to_have_text("Each level is predicted by itself.")


def test_a_coherent_tree_is_one_list_of_paths(page, address) -> None:
    def answer(route) -> None:
        document = route.fetch().json()
        shelves = [("Apples", 0.5, ["Food", "Apples"]), ("Tools / ends here", 0.1, ["Tools", None])]
        levels = {1: [("Food", 0.6, ["Food"]), ("Tools", 0.4, ["Tools"])], 2: shelves}
        document["guesses"] = [
            [{"task": f"category_{level}", "name": name, "probability": p, "path": path} for name, p, path in nodes]
            for level, nodes in levels.items()
        ]
        route.fulfill(json=document | {"coherent": True})

    page.route("**/v1/recommend", answer)
    page.goto(shared(address, "a2"))
    settled(page)

    assert page.locator("#levels h3").all_inner_texts() == ["Category"]
    assert page.locator("#levels .name").all_inner_texts() == ["Food", "Food / Apples", "Tools", "Tools / ends here"]
    expect(page.locator("#independent")).to_be_hidden()


def test_candidates_beside_the_full_ranking(page, address, recommender) -> None:
    page.goto(shared(address, "a2"))
    settled(page)
    expect(page.locator("#few-items")).to_be_hidden()
    open_comparison(page)
    for top in (1, 2):
        page.locator("#top").fill(str(top))
        [full], [few] = (
            recommender.recommend([["a2"]], K, candidates=candidates)
            for candidates in (ALL, Candidates(policy="category", top=top))
        )
        expect(page.locator("#few-scored")).to_contain_text(f"Scored {few.candidates} of {NUM_ITEMS} items")
        settled(page)
        ids = {item.item_id for item in few.items}
        both = [item.item_id in ids for item in full.items]
        assert page.inner_text("#same") == f"{sum(both)} of {K} the same"
        assert compared(page, "few") == [item.title for item in few.items]
        marks = compared(page, "all", ".mark")
        assert marks == ["in both" if shared else "only here" for shared in both]
    assert few.candidates == NUM_ITEMS  # both departments


def test_a_list_that_popular_items_fill_says_so(page, address) -> None:
    def shorten(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        if body["candidates"] < NUM_ITEMS:
            body["fallback"] = body["items"][-1]["source"] = "popular_in_category"
            body["items"][-1]["score"] = 1234.0
        route.fulfill(response=answer, json=body)

    page.route("**/v1/recommend", shorten)
    page.goto(shared(address, "a2"))
    settled(page)
    open_comparison(page)
    page.locator("#top").fill("1")
    expect(page.locator("#few-scored")).to_contain_text(
        "There are few, so popular items of the likely categories fill the list."
    )
    last = page.locator("#few-items > li").last
    expect(last.locator(".mark")).to_have_text("popular in its category: 1,234 training events")
    assert last.inner_text().endswith("popular in its category: 1,234 training events"), "and no score"


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


def test_a_legend_says_what_the_colours_are(page, address, recommender) -> None:
    def colours(within: str) -> set[str]:
        return set(page.locator(f"{within}[data-hue]").evaluate_all("all => all.map(one => one.dataset.hue)"))

    page.goto(address)
    settled(page)
    expect(page.locator("#colours")).to_be_hidden()
    page.goto(shared(address, "a2"))
    settled(page)
    [answer] = recommender.recommend([["a2"]], K, explain=True, candidates=ALL)
    sources = {reason.source for item in answer.items for reason in item.reasons or () if reason.value}
    names = {source.replace("category_", "level ") for source in sources - {"average_item"}}
    entries = page.locator("#legend li").all_inner_texts()
    assert set(", ".join(entries).split(", ")) == names
    assert colours("#legend li") == colours("#items .parts span") >= colours("#items .pull")
    paint = "all => all.map(one => getComputedStyle(one, '::before').backgroundColor)"
    assert len(set(page.locator("#legend li").evaluate_all(paint))) == len(entries) > 1


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


def test_a_model_without_categories_or_reasons(page, address, recommender) -> None:
    def plain(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "tasks": [], "explains": False})

    page.route("**/v1/model", plain)
    page.goto(shared(address, "a2"))
    settled(page)
    assert titles(page) == [item.title for item in recommender.recommend([["a2"]], K, candidates=ALL)[0].items]
    for part in ("#guesses", "#compare", "#few-items", "#colours"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator(".parts, .pulls, #items details")).to_have_count(0)


def test_behind_the_path_of_a_proxy(browser, bundle) -> None:
    app = make_app(Holder(open_model(bundle)), ServiceSettings(root_path="/rec"))
    with serving(app) as url, visit(browser, f"{url}/rec") as page:
        page.goto(f"{url}/rec/")
        settled(page)
        page.get_by_role("link", name="API").click()
        expect(page).to_have_url(f"{url}/rec/docs")
        page.get_by_role("link", name="the page").click()
        settled(page)
