import dataclasses
import io

from rich.console import Console

from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.recommender import Recommender
from hiersrec.serving.render import render
from tests.serving.world import Explained, Sum, catalog


def text(recommender: Recommender, session: list[str], explain: bool) -> str:
    [answer] = recommender.recommend([session], explain=explain)
    console = Console(file=io.StringIO(), width=160)
    for part in render(answer):
        console.print(part)
    return console.file.getvalue()


def test_titles_paths_and_reasons_are_readable() -> None:
    shown = text(Recommender(catalog(), FullRanker(Explained(), catalog())), ["a", "x", "c"], explain=True)

    for expected in (
        "Session: Nile > Tiger",
        "Ignored, not in the catalogue: x",
        "Geography / Africa",
        "the score is the sum of session, bias, level 1, level 2",
        "pulled most by",
        "█",
    ):
        assert expected in shown


def test_without_reasons_nothing_is_explained() -> None:
    shown = text(Recommender(catalog(), FullRanker(Sum(), catalog())), ["a"], explain=False)

    assert "Nature / unknown" in shown
    assert "pulled" not in shown
    assert "Likely to come next" not in shown
    assert "Ignored" not in shown


def test_the_fallback_is_named() -> None:
    shown = text(Recommender(catalog(), FullRanker(Sum(), catalog())), [], explain=False)

    assert "(no known item)" in shown
    assert "these are the most popular items" in shown


def test_how_many_items_were_ranked_is_said_only_on_request() -> None:
    [answer] = Recommender(catalog(), FullRanker(Sum(), catalog())).recommend([["a"]])
    few = dataclasses.replace(answer, candidates=4)

    assert "Ranked 4 of 6,000 items." in [str(part) for part in render(few, 6000)]
    assert not any(str(part).startswith("Ranked") for part in render(few))


def test_names_in_brackets_are_text_and_no_markup() -> None:
    world = catalog()
    world.levels[0].names[:] = [None, "[red]Geography", "Nature"]

    assert "[red]Geography" in text(Recommender(world, FullRanker(Explained(), world)), ["a"], explain=True)


def test_the_columns_shown_add_up_and_zeros_are_left_out() -> None:
    [answer] = Recommender(catalog(), FullRanker(Explained(), catalog())).recommend([["a"]], k=1, explain=True)
    [item] = answer.items
    bias = next(reason for reason in item.reasons or [] if reason.source == "bias")
    silent = [dataclasses.replace(reason, value=0.0) if reason is bias else reason for reason in item.reasons or []]
    answer = dataclasses.replace(answer, items=[dataclasses.replace(item, reasons=silent)])

    table = list(render(answer))[-1]

    assert table.title == "Next items: the score is the sum of session, level 1, level 2"
    assert list(table.headings)[3:] == [
        "score",
        "session",
        "level 1",
        "level 2",
        "pulled most by",
    ]


def test_without_a_category_that_pulls_there_is_no_column_for_it() -> None:
    [answer] = Recommender(catalog(), FullRanker(Explained(), catalog())).recommend([["a"]], k=2, explain=True)
    quiet = [
        dataclasses.replace(item, reasons=[dataclasses.replace(reason, strongest=[]) for reason in item.reasons or []])
        for item in answer.items
    ]

    table = list(render(dataclasses.replace(answer, items=quiet)))[-1]

    assert "pulled most by" not in table.headings
    assert len(table.rows) == 2
