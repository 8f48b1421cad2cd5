"""What is the same in two catalogues, each kind against a loop or an equation."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hiersrec.errors import BadFolder
from hiersrec.preparation import codebook, tree
from hiersrec.preparation.features import multi, numeric, text, tfidf
from hiersrec.store.catalog import Catalog, Feature
from hiersrec.store.item_catalog import Level
from hiersrec.training.warm_start import vocabulary
from hiersrec.training.warm_start.vocabulary import NEW
from hiersrec.types import Int32


def catalog(items: dict[Any, tuple[str | None, ...]], types: tuple[str, ...] = ()) -> Catalog:
    """Items by id, with their paths; the nodes are those that prepare gives them."""
    built = tree.build(list(items.values()))
    columns = {"item": pa.array(range(1, len(items) + 1), pa.int32()), "item_id": list(items)}
    columns |= {f"node_{level + 1}": pa.array(built.item_nodes[:, level]) for level in range(built.depth)}
    levels = []
    for level in range(1, built.depth + 1):
        rows = [row for row in built.table.to_pylist() if row["level"] == level]
        names = [None, *(row["name"] for row in rows)]
        parents = np.array([0, *(row["parent"] for row in rows)], np.int32)
        levels.append(Level(sum(name is not None for name in names), names, parents))
    return Catalog(pa.table(columns), levels, [], dict.fromkeys(types, 1))


def column(folder: Path, kind: str, learnt: dict[str, Any], values: Int32 | None = None) -> Feature:
    """A column as prepare leaves it in the catalogue `folder`."""
    (folder / "features").mkdir(parents=True)
    codebook.save(folder / "features", "x", kind, learnt)
    vocabulary = {"numeric": numeric, "multi": multi, "text": text, "categorical": multi}[kind].vocabulary(learnt)
    return Feature("x", kind, vocabulary, 1.0, np.zeros((1, 1), np.int32) if values is None else values)


@pytest.mark.parametrize("older_ids", [["c", "a", "9"], ["9", "7"]])
def test_items_go_by_their_ids(older_ids) -> None:
    older, newer = catalog(dict.fromkeys(older_ids, ())), catalog(dict.fromkeys(["a", "b", "9"], ()))

    expected = [0, *(older_ids.index(item) + 1 if item in older_ids else NEW for item in ["a", "b", "9"])]
    assert vocabulary.items(older, newer).tolist() == expected


def test_ids_as_numbers_and_as_text_are_one() -> None:
    numbers, words = catalog({7: (), 12: ()}), catalog({"12": (), "x": (), "7": ()})

    assert vocabulary.items(numbers, words).tolist() == [0, 2, NEW, 1]
    assert vocabulary.items(words, numbers).tolist() == [0, 3, 1]


OLDER = {"a": ("Food", "New"), "b": ("Food", None), "c": ("Tools", "New"), "d": (None, "Odd"), "e": (None, None)}
NEWER = {"f": ("Art", "New"), "g": ("Food", "New"), "h": ("Tools", None), "i": (None, None), "j": (None, "Odd")}


def test_nodes_go_by_their_paths_and_unknown_ones_by_their_parents() -> None:
    """ "New" is three things, and so is the missing level."""
    older, newer = catalog(OLDER), catalog(NEWER)

    for level in (1, 2):
        matched = vocabulary.nodes(older, newer, level)
        then = {tuple(path[:level]): node for path, node in zip(OLDER.values(), _nodes(older, level), strict=True)}
        now = {tuple(path[:level]): node for path, node in zip(NEWER.values(), _nodes(newer, level), strict=True)}
        assert matched.tolist() == [
            0,
            *(then.get(path, NEW) for path, _ in sorted(now.items(), key=lambda pair: pair[1])),
        ]
    assert (matched == NEW).sum() == 2  # Art > New and Tools > (missing)


def _nodes(of: Catalog, level: int) -> list[int]:
    return of.item_nodes[1:, level - 1].tolist()


def test_clusters_go_by_the_items_they_share() -> None:
    """Of "2: ..." two items came from one cluster and one from another; the last cluster is made of new items."""
    older = catalog({"a": ("1: x",), "b": ("1: x",), "c": ("2: y",), "d": ("2: y",), "e": (None,)})
    newer = catalog({"a": ("2: z",), "b": ("2: z",), "c": ("2: z",), "d": ("1: x",), "e": ("3: n",), "n": ("3: n",)})

    matched = vocabulary.nodes_by_items(older, newer, 1, vocabulary.items(older, newer))

    assert newer.levels[0].names == [None, "1: x", "2: z", "3: n"]
    assert matched.tolist() == [0, 2, 1, NEW]


def test_of_clusters_with_as_many_items_the_first_is_taken_and_one_may_serve_twice() -> None:
    older = catalog({"a": ("1",), "b": ("2",), "c": ("1",), "d": (None,)})
    newer = catalog({"a": ("5",), "b": ("5",), "c": ("4",), "d": (None,)})

    assert vocabulary.nodes_by_items(older, newer, 1, vocabulary.items(older, newer)).tolist() == [0, 1, 1, 3]


def test_no_item_in_common_means_no_cluster_in_common() -> None:
    older, newer = catalog({"a": ("1",)}), catalog({"b": ("1",)})

    assert vocabulary.nodes_by_items(older, newer, 1, vocabulary.items(older, newer)).tolist() == [0, NEW]


def test_event_types_go_by_name() -> None:
    older, newer = catalog({"a": ()}, ("order", "view")), catalog({"a": ()}, ("cart", "view"))

    assert vocabulary.event_types(older, newer).tolist() == [0, NEW, 2]


VALUES = [
    ("categorical", {"values": ["blue", "green", "red"]}, {"values": ["green", "red", "violet"]}, [2, 3, NEW]),
    ("categorical", {"values": [7, 12]}, {"values": ["12", 7.0, "x"]}, [2, 1, NEW]),
    ("multi", {"values": ["b"]}, {"values": ["a", "b"]}, [NEW, 1]),
    ("text", {"words": ["lamp", "red"]}, {"words": ["blue", "red"]}, [NEW, 2]),
]


@pytest.mark.parametrize(("kind", "older", "newer", "expected"), VALUES)
def test_tokens_go_by_value_or_word(tmp_path, kind, older, newer, expected) -> None:
    column(tmp_path / "older", kind, older)
    feature = column(tmp_path / "newer", kind, newer)

    matched = vocabulary.tokens(tmp_path / "older", tmp_path / "newer", feature, pa.table({}))

    assert matched.tolist() == [0, *expected]


def numbers(folder: Path, values: list[float | None]) -> tuple[Feature, pa.Table]:
    learnt = numeric.fit(values)
    rows = np.concatenate([np.zeros((1, 1), np.int32), numeric.apply(learnt, values)])
    return column(folder, "numeric", learnt, rows), pa.table({"x": pa.array(values, pa.float64())})


def test_a_bin_of_numbers_is_the_older_bin_of_its_median(tmp_path) -> None:
    random = np.random.default_rng(0)
    then = [float(value) for value in random.normal(10, 3, 300)]
    now = [None, *(float(value) for value in random.normal(12, 4, 200))]
    numbers(tmp_path / "older", then)
    feature, table = numbers(tmp_path / "newer", now)

    matched = vocabulary.tokens(tmp_path / "older", tmp_path / "newer", feature, table)

    bins = numeric.apply(numeric.fit(now), now)[:, 0]
    for number in range(1, feature.vocabulary):
        median = float(
            np.median([value for value, bin_ in zip(now, bins, strict=True) if bin_ == number and value is not None])
        )
        assert matched[number] == numeric.apply(numeric.fit(then), [median])[0, 0]
    assert matched[0] == 0
    assert (np.diff(matched) >= 0).all()


def test_few_different_numbers_keep_their_bins(tmp_path) -> None:
    numbers(tmp_path / "older", [1.0, 2.0, 3.0, 10.0])
    feature, table = numbers(tmp_path / "newer", [1.0, 2.0, 2.0, 10.0, None])

    assert vocabulary.tokens(tmp_path / "older", tmp_path / "newer", feature, table).tolist() == [0, 1, 2, 4]


def test_a_column_that_had_no_number_has_no_bins(tmp_path) -> None:
    numbers(tmp_path / "older", [None, None])
    feature, table = numbers(tmp_path / "newer", [1.0, 2.0])

    assert vocabulary.tokens(tmp_path / "older", tmp_path / "newer", feature, table).tolist() == [0, NEW, NEW]


WORDS = ["red lamp", "blue lamp", "red chair", "blue chair", "green table", "green lamp", "red table", "old blue table"]


def texts(folder: Path, values: list[str | None]) -> dict[str, Any]:
    (folder / "features").mkdir(parents=True)
    learnt = tfidf.fit(values)
    codebook.save(folder / "features", "x", "tfidf", learnt)
    return learnt


def test_the_same_texts_need_no_turn(tmp_path) -> None:
    texts(tmp_path / "older", [*WORDS])
    texts(tmp_path / "newer", [*WORDS])

    assert vocabulary.directions(tmp_path / "older", tmp_path / "newer", "x") is None


def test_turned_vectors_of_text_are_the_older_ones(tmp_path) -> None:
    """Other texts give other directions; a text of words that both know has nearly its older vector once turned."""
    older = texts(tmp_path / "older", [*WORDS, "old red chair"])
    newer = texts(tmp_path / "newer", ["new green bed", "new bed", *WORDS[::-1], "green chair", None])

    turn = vocabulary.directions(tmp_path / "older", tmp_path / "newer", "x")

    assert turn is not None
    then, now = tfidf.apply(older, [*WORDS]), tfidf.apply(newer, [*WORDS])
    assert turn.shape == (then.shape[1], now.shape[1])
    assert older["words"] != newer["words"]
    turned = now @ turn.T
    likeness = (turned * then).sum(1) / np.linalg.norm(turned, axis=1)
    assert likeness[:7].min() > 0.99
    straight = np.zeros_like(then)
    straight[:, : now.shape[1]] = now[:, : then.shape[1]]
    assert abs((straight * then).sum(1)).max() < 0.95


def test_a_catalogue_without_a_codebook_is_refused(tmp_path) -> None:
    feature = column(tmp_path / "newer", "text", {"words": ["a"]})

    with pytest.raises(
        BadFolder, match=r"features/x\.json is missing: an older hiersrec made .* Prepare the dataset again"
    ):
        vocabulary.tokens(tmp_path / "older", tmp_path / "newer", feature, pa.table({}))
