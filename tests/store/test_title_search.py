"""Titles are found as a look at each one would find them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.store import title_search as module
from hiersrec.store.title_search import TitleSearch, write_titles


def written(folder: Path, titles: list[str]) -> TitleSearch:
    """Items 101, 102, ... with these titles."""
    write_titles(folder / "search", titles, np.arange(101, 101 + len(titles), dtype=np.int32))
    return TitleSearch(folder / "search")


def slow(titles: list[str], query: str, limit: int) -> list[int]:
    """Look at each title."""
    texts, words = [" ".join(title.casefold().split()) for title in titles], query.casefold().split()
    holding = [row for row, text in enumerate(texts) if all(word in text for word in words)]
    return [row + 101 for row in sorted(holding, key=lambda row: not texts[row].startswith(" ".join(words)))][:limit]


WORDS = st.lists(st.sampled_from(["a", "A", "ab", "b", "Ba", "ß", "ss", "日本", "本", " ", "\n"]), max_size=4).map(
    "".join
)
TITLES = st.lists(WORDS, max_size=3).map(" ".join)


@settings(max_examples=150)
@given(st.lists(TITLES, min_size=1, max_size=12), TITLES, st.integers(1, 5), st.sampled_from([1, 5_000]))
def test_find_is_a_look_at_each_title(tmp_path_factory, titles, query, limit, most) -> None:
    search = written(tmp_path_factory.mktemp("titles"), titles)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_PARTS", most)
        items = search.find(query, limit)

    assert items.dtype == np.int32
    assert items.tolist() == slow(titles, query, limit)


def test_titles_that_begin_with_the_query_come_first_then_the_order_given(tmp_path) -> None:
    titles = written(tmp_path, ["Old red lamp", "Blue lamp", "Lamp, red", "red  LAMP of oak", "Red lamp"])

    assert titles.find("red lamp", 9).tolist() == [104, 105, 101, 103]
    assert titles.find("red lamp", 3).tolist() == [104, 105, 101]


def test_half_a_character_is_found_nowhere(tmp_path) -> None:
    assert written(tmp_path, ["Lamp", "😀"]).find("\ud83d", 5).tolist() == []


def test_a_shop_of_random_words(tmp_path) -> None:
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("abcdef"), random.integers(1, 6))) for _ in range(300)]
    titles = [" ".join(random.choice(words, random.integers(1, 8))) for _ in range(500)]
    search = written(tmp_path, titles)

    for query in ("a", "ab", "abc f", "a b c d e f", "zz", "", *words[:50], *titles[:50]):
        assert search.find(query, 20).tolist() == slow(titles, query, 20), query
