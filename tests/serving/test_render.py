import dataclasses
import io
import re

import numpy as np
import pytest
from rich.console import Console

from hiersrec.retrieval.candidates import Candidates
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.explain import guesses
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
        ") + session + bias + level 1 + level 2",
        "raised or lowered most by",
        "each level is predicted by itself",
        "█",
    ):
        assert expected in shown


def test_without_reasons_nothing_is_explained() -> None:
    shown = text(Recommender(catalog(), FullRanker(Sum(), catalog())), ["a"], explain=False)

    assert "Nature / unknown" in shown
    assert "raised or lowered" not in shown
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

    begin, shared, end = re.split(r"[()]", table.title)
    assert (begin, end) == ("Next items: score = average item ", " + session + level 1 + level 2")
    shared, *cells = (float(text) for text in (shared, *map(str, table.rows[0][4:7])))
    assert shared + sum(cells) == pytest.approx(item.score - bias.value, abs=0.03)  # each is rounded to 0.01
    assert list(table.headings)[3:] == [
        "score",
        "session",
        "level 1",
        "level 2",
        "raised or lowered most by",
    ]


def test_without_a_category_that_pulls_there_is_no_column_for_it() -> None:
    [answer] = Recommender(catalog(), FullRanker(Explained(), catalog())).recommend([["a"]], k=2, explain=True)
    quiet = [
        dataclasses.replace(item, reasons=[dataclasses.replace(reason, strongest=[]) for reason in item.reasons or []])
        for item in answer.items
    ]

    table = list(render(dataclasses.replace(answer, items=quiet)))[-1]

    assert "raised or lowered most by" not in table.headings
    assert len(table.rows) == 2


def test_popular_items_that_fill_a_list_have_no_parts_of_a_score() -> None:
    chosen = Candidates(policy="category", top=1)
    recommender = Recommender(catalog(), FullRanker(Explained(), catalog()))
    [answer] = recommender.recommend([["a"]], explain=True, candidates=chosen)
    assert {item.source for item in answer.items} > {"session"}

    *_, table = render(answer)

    popular = [str(cell) for cell in table.rows[-1]]
    column = table.headings.index("popular")
    assert popular[column] == f"{answer.items[-1].score:+.2f}"
    assert {cell for heading, cell in zip(table.headings[4:column], popular[4:column], strict=True)} == {""}


def test_one_distribution_over_the_tree_is_shown_as_paths_a_parent_before_its_children() -> None:
    [answer] = Recommender(catalog(), FullRanker(Explained(), catalog())).recommend([["a"]], explain=True)
    levels = {"category_1": [0, 0.3, 0.7], "category_2": [0, 0.3, 0.4, 0.1, 0.2]}
    tree = dataclasses.replace(
        answer,
        guesses=[guesses(catalog(), task, np.array(chances)) for task, chances in levels.items()],
        coherent=True,
    )

    table = next(part for part in render(tree) if getattr(part, "title", "").startswith("Likely"))

    assert table.title == "Likely to come next"
    assert [[str(cell) for cell in row[:3]] for row in table.rows] == [
        ["category", "Nature", "70.0%"],
        ["", "Nature / Animals", "40.0%"],
        ["", "Geography", "30.0%"],
        ["", "Geography / Africa", "30.0%"],
        ["", "Nature / ends here", "20.0%"],
        ["", "Nature / Plants", "10.0%"],
    ]
