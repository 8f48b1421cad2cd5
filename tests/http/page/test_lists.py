"""Lists, reasons and likely categories, next to those of the recommender."""

import pytest
from playwright.sync_api import Route, expect

from hiersrec.retrieval.candidates import ALL, Candidates
from tests.http.page.browser import settled, shared
from tests.http.page.parts import K, bars, chips, compared, open_comparison, titles
from tests.toy import NUM_ITEMS

pytestmark = pytest.mark.slow
MINUS = "\N{MINUS SIGN}"


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
