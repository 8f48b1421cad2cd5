import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.errors import BadInput, MissingExtra
from hiersrec.retrieval import slabs as module
from hiersrec.retrieval.slabs import TYPES, Slabs

WIDTH = 24


def whole(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Small whole numbers: their products are exact in every type that holds them."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def random_ranges(random: np.random.Generator, size: int, most: int) -> np.ndarray:
    """Up to `most` random ranges, ascending and with gaps."""
    edges = np.sort(random.choice(size + 1, 2 * int(random.integers(0, most + 1)), replace=False))
    return edges.reshape(-1, 2).astype(np.int64)


def rows_of(ranges: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(0, int), *(np.arange(start, stop) for start, stop in ranges)])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([8, 60, 400]), st.booleans())
def test_float32_scores_are_the_products_for_one_and_for_many(seed, batch, size, biased) -> None:
    random = np.random.default_rng(seed)
    biases = whole((size,), seed + 1) if biased else None
    slabs = Slabs.of(whole((size, WIDTH), seed + 2), biases, "float32")
    queries, ranges = whole((batch, WIDTH), seed + 3), [random_ranges(random, size, 4) for _ in range(batch)]
    together = slabs.scan(queries, ranges)

    for row, line in enumerate(together):
        rows = rows_of(ranges[row])
        expected = slabs.vectors[rows] @ queries[row] + (0 if biases is None else biases[rows])
        assert line.dtype == np.float32
        assert line.tolist() == expected.tolist()
        assert slabs.scan(queries[[row]], [ranges[row]])[0].tolist() == expected.tolist()
        assert slabs.exact(queries[row], rows).tolist() == expected.tolist()


@pytest.mark.parametrize("biased", [False, True])
def test_int8_scores_are_near_and_rank_alike(biased) -> None:
    random = np.random.default_rng(5)
    vectors = random.standard_normal((3000, WIDTH), np.float32) * random.random((3000, 1), np.float32)
    biases = random.standard_normal(3000, np.float32) if biased else None
    slabs = Slabs.of(vectors, biases, "int8")
    query = random.standard_normal((1, WIDTH), np.float32)
    [rough] = slabs.scan(query, [np.array([[0, 3000]])])
    exact = slabs.exact(query[0], np.arange(3000))

    assert np.corrcoef(rough, exact)[0, 1] > 0.999
    assert set(np.argsort(-exact)[:20]) <= set(np.argsort(-rough)[:60])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_int8_scores_do_not_depend_on_the_batch(seed) -> None:
    random = np.random.default_rng(seed)
    slabs = Slabs.of(random.standard_normal((300, WIDTH), np.float32), random.standard_normal(300, np.float32), "int8")
    queries, ranges = random.standard_normal((4, WIDTH), np.float32), [random_ranges(random, 300, 3) for _ in range(4)]

    for row, line in enumerate(slabs.scan(queries, ranges)):
        assert (line == slabs.scan(queries[[row]], [ranges[row]])[0]).all()


@pytest.mark.parametrize("biased", [False, True])
def test_int8_ranges_copied_together_or_not_score_as_the_whole_does(biased, monkeypatch) -> None:
    random = np.random.default_rng(2)
    vectors, biases = random.standard_normal((3000, WIDTH), np.float32), random.standard_normal(3000, np.float32)
    slabs, query = Slabs.of(vectors, biases if biased else None, "int8"), random.standard_normal((1, WIDTH), np.float32)
    [whole_line] = slabs.scan(query, [np.array([[0, 3000]])])
    pieces = [[0, 40], [50, 300], [301, 330], [340, 380], [400, 420], [500, 1500], [1600, 1950], [2000, 2100]]

    for long, copied in ((module.LONG, module.COPIED), (1, 1), (30, 60), (100, 10**6), (10**6, 90)):
        monkeypatch.setattr(module, "LONG", long)
        monkeypatch.setattr(module, "COPIED", copied)
        for some in (pieces, pieces[:1], pieces[:5], pieces[5:6], pieces[1:]):
            line = slabs.scan(query, [np.array(some)])[0]
            assert line.tolist() == whole_line[rows_of(np.array(some))].tolist()


def test_the_codes_of_a_row_reach_127_and_times_its_scale_are_near_its_vector() -> None:
    vectors = np.random.default_rng(1).standard_normal((50, WIDTH), np.float32)
    slabs = Slabs.of(vectors, None, "int8")

    assert (np.abs(slabs.codes.astype(int)).max(axis=1) == 127).all()
    assert (np.abs(slabs.codes * slabs.scales[:, None] - vectors) <= slabs.scales[:, None] * 0.501).all()
    assert [each.type_ for each in (slabs, Slabs.of(vectors, None, "float32"))] == ["int8", "float32"]


def test_a_row_of_zeros_and_a_query_of_zeros_score_zero_in_int8() -> None:
    vectors, queries = whole((200, WIDTH), 1), whole((3, WIDTH), 2)
    vectors[7] = 0
    every = [np.array([[0, 200]])] * 3
    slabs = Slabs.of(vectors, None, "int8")

    assert (slabs.scan(np.zeros((1, WIDTH), np.float32), every[:1])[0] == 0).all()
    assert (np.stack(slabs.scan(queries, every))[:, 7] == 0).all()


def test_long_pieces_are_multiplied_in_parts(monkeypatch) -> None:
    monkeypatch.setattr(module, "ROWS", 7)
    slabs, queries = Slabs.of(whole((100, WIDTH), 1), whole((100,), 3), "float32"), whole((9, WIDTH), 2)
    ranges = [np.array([[0, 100]]), np.array([[3, 5], [50, 97]]), np.array([[row, row + 1] for row in range(0, 90, 4)])]
    ranges = ranges * 3  # rows that many queries read, that few do, and rows gathered

    for row, line in enumerate(slabs.scan(queries, ranges)):
        rows = rows_of(ranges[row])
        assert line.tolist() == (slabs.vectors[rows] @ queries[row] + slabs.biases[rows]).tolist()


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("type_", TYPES)
def test_saved_slabs_open_as_they_were(type_, biased, tmp_path) -> None:
    slabs = Slabs.of(whole((40, WIDTH), 1), whole((40,), 2) if biased else None, type_)
    slabs.save(tmp_path)
    opened = Slabs.open(tmp_path)
    query, every = whole((1, WIDTH), 3), [np.array([[0, 40]])]

    assert opened.type_ == type_
    assert (opened.scan(query, every)[0] == slabs.scan(query, every)[0]).all()
    assert not opened.vectors.flags.writeable
    assert (opened.average == slabs.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)).all()
    (tmp_path / "mean.npy").unlink()
    assert (Slabs.open(tmp_path).average == opened.average).all(), "a folder of an earlier version has no mean"


def test_an_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"no slabs of type 'int4'\. Did you mean 'int8'"):
        Slabs.of(whole((2, 2), 1), None, "int4")


def test_int8_slabs_without_their_package_say_what_to_install(tmp_path, monkeypatch) -> None:
    Slabs.of(whole((2, 2), 1), None, "int8").save(tmp_path)
    monkeypatch.setitem(sys.modules, "simsimd", None)
    module._cdist.cache_clear()

    with pytest.raises(MissingExtra, match=r"'simsimd'.*'\.\[serve\]'"):
        Slabs.open(tmp_path)
