"""Implicit categories: planted groups are found from training sessions only; numbers against slow twins."""

import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from math import exp, log

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiersrec.errors import BadInput
from hiersrec.preparation.implicit import embedding, naming
from hiersrec.preparation.implicit.agreement import agreement
from hiersrec.preparation.implicit.choosing import choose, perplexity
from hiersrec.preparation.implicit.clustering import clusters, distinct, kmeans, shares
from hiersrec.preparation.implicit.find import find
from hiersrec.preparation.settings import Implicit, PrepareSettings, SplitSettings
from hiersrec.store.sessions import Sessions
from tests.preparation.tables import LATEST, Rows, contents, made, with_part

pytestmark = pytest.mark.slow

GROUPS, SIZE = 8, 6


def walks(seed: int, sessions: int, strays: float = 0.0) -> list[list[int]]:
    """Sessions that stay in one of 8 groups of 6 items, 1 to 48, but for a share of strays."""
    random = np.random.default_rng(seed)
    result = []
    for session in range(sessions):
        group = session % GROUPS * SIZE
        inside = group + random.integers(1, SIZE + 1, random.integers(2, 7))
        anywhere = random.integers(1, GROUPS * SIZE + 1, len(inside))
        result.append(np.where(random.random(len(inside)) < strays, anywhere, inside).tolist())
    return result


def group(item: int) -> int:
    return (item - 1) // SIZE


def rows(sessions: list[list[int]], start: int = 0) -> Rows:
    return [
        {"session_id": start + number, "item_id": item, "timestamp": 1_460_000_000 + (start + number) * 100 + position}
        for number, session in enumerate(sessions)
        for position, item in enumerate(session)
    ]


def items() -> Rows:
    return [
        {"item_id": item, "category_1": f"half {group(item) // 4}", "category_2": f"group {group(item)}", "brand": "a"}
        for item in range(1, GROUPS * SIZE + 1)
    ]


def implicit(*sizes: int, **split: object) -> PrepareSettings:
    settings = PrepareSettings(split=SplitSettings(method="fraction", value=0.2, **split))
    return with_part(settings, "implicit", clusters=sizes)


def vocabulary(sessions: list[list[int]]) -> pa.Table:
    count = Counter(item for session in sessions for item in session)
    ids = list(range(1, GROUPS * SIZE + 1))
    return pa.table({"item_id": ids, "train_count": [count[item_id] for item_id in ids]})


@pytest.mark.parametrize("strays", [0.0, 0.1])
def test_planted_groups_are_found_exactly(tmp_path, strays):
    data = made(tmp_path / "d", rows(walks(0, 400, strays)), implicit(8), items())

    names = data.catalog.items["category_1"].to_pylist()
    assert len(set(zip(names, map(group, range(1, 49)), strict=True))) == 8
    assert data.document["implicit"]["clusters"] == data.document["statistics"]["categories"] == [8]
    coarse, fine = data.document["statistics"]["agreement"]
    assert (coarse["level"], coarse["given_level"], coarse["purity"], coarse["items"]) == (1, 1, 1.0, 48)
    assert (fine["given_level"], fine["purity"]) == (2, 1.0)
    assert fine["nmi"] == pytest.approx(1)
    assert coarse["nmi"] == pytest.approx(2 * log(2) / (log(2) + log(8)))  # two of eight classes, known exactly


def test_given_categories_are_hidden(tmp_path):
    sessions = rows(walks(0, 200))

    data = made(tmp_path / "d", sessions, implicit(8), items())
    without = made(tmp_path / "without", sessions, implicit(8))

    assert [feature.name for feature in data.catalog.features] == ["brand"]
    assert not {"half 0", "group 0"} & set(map(str, data.catalog.items["category_1"].to_pylist()))
    assert [level.names for level in data.catalog.levels] == [level.names for level in without.catalog.levels]
    assert without.document["statistics"]["agreement"] == []
    assert without.document["implicit"]["clusters"] == [8]


def test_without_the_flag_there_is_none(tmp_path):
    data = made(tmp_path / "d", rows(walks(0, 60)), implicit(), items())

    assert data.document["implicit"] is None
    assert data.document["statistics"]["agreement"] == []
    assert data.catalog.items["category_1"][0].as_py() == "half 0"


@pytest.mark.parametrize("has_some", [False, True])
def test_where_there_are_no_categories_it_says_how_to_have_some(tmp_path, has_some):
    lines: list[str] = []
    made(tmp_path / "d", rows(walks(0, 60)), implicit(), items() if has_some else None, say=lines.append)

    assert any("there are no categories; name columns" in line for line in lines) == (not has_some)


def test_test_sessions_play_no_part(tmp_path):
    settings = with_part(PrepareSettings(), "implicit", clusters=(3, 9))
    training, mixed = walks(1, 200, 0.2), walks(2, 400, 1.0)

    catalogs = []
    for name, later in (("a", walks(3, 40)), ("b", mixed)):
        data = made(tmp_path / name, rows(training), settings, items(), rows(later, start=1000))
        assert len(data.sessions("test")) == len(later)
        catalogs.append(
            {path: content for path, content in contents(data.folder).items() if path.startswith("catalog/")}
        )

    assert catalogs[0] == catalogs[1]


def test_validation_sessions_play_no_part_where_the_number_is_given():
    training = walks(1, 200, 0.2)
    other = Sessions.from_lists(walks(5, 40, 1.0))
    same = Sessions.from_lists(training)

    result = [
        find(same, valid, vocabulary(training), None, Implicit(clusters=(3, 9)), 0, lambda _: None)
        for valid in (same, other)
    ]

    assert result[0] == result[1]


def test_neither_the_order_of_the_rows_nor_a_second_run_change_anything(tmp_path):
    ordered = rows(walks(0, 200, 0.3))
    shuffled = [ordered[index] for index in np.random.default_rng(0).permutation(len(ordered))]

    result = [
        contents(made(tmp_path / name, listed, implicit(5, 11), items()).folder)
        for name, listed in (("a", ordered), ("b", shuffled), ("c", ordered))
    ]

    assert result[0] == result[1] == result[2]


def test_items_without_a_training_session_have_no_category(tmp_path):
    training = [*walks(0, 100), [1, 99]]  # the last one is all of validation

    settings = with_part(LATEST, "split", value=0.01, valid_share=0.01)

    data = made(tmp_path / "d", rows([*training, [1, 2]]), with_part(settings, "implicit", clusters=(2, 8)))

    only_valid = data.catalog.to_internal([99])[0]
    assert data.catalog.train_count[only_valid] == 0
    assert data.catalog.path(only_valid) == [None, None]
    assert all(None not in data.catalog.path(item) for item in range(1, 49))
    assert data.document["implicit"]["items"] == 48


@pytest.mark.parametrize("sizes", [(2, 8), (3, 7, 20), (2, 47)])
def test_levels_lie_inside_one_another_and_have_the_numbers_asked_for(sizes):
    edges, _ = embedding.graph(Sessions.from_lists(walks(0, 300, 0.3)))

    result = clusters(embedding.vectors(edges, 0), sizes, 0)

    assert [len(set(level)) for level in result.T.tolist()] == list(sizes)
    for coarse, fine in zip(result.T, result.T[1:], strict=False):
        assert len(set(zip(coarse.tolist(), fine.tolist(), strict=True))) == len(set(fine.tolist()))


def test_one_level_is_k_means_of_all():
    edges, _ = embedding.graph(Sessions.from_lists(walks(0, 300, 0.3)))
    points, index, counts = distinct(embedding.vectors(edges, 0))

    result = clusters(points[index], [5], 0)[:, 0]

    assert np.array_equal(result, kmeans(points, counts, 5, 0)[index])


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=6), st.integers(0, 60))
def test_shares_are_those_of_the_largest_quotients(groups, more):
    items_, most = (np.array(column) for column in zip(*((a + b, a) for a, b in groups), strict=True))
    total = min(len(groups) + more, most.sum())

    given_ = shares(items_, most, total)

    quotients = sorted((-items_[index] / n, index) for index in range(len(groups)) for n in range(1, most[index]))
    twin = Counter(index for _, index in quotients[: total - len(groups)])
    assert given_.tolist() == [1 + twin[index] for index in range(len(groups))]
    assert given_.sum() == total


def test_the_graph_has_an_edge_for_each_pair_of_session_and_item():
    sessions = [[5, 9, 5], [9, 2], [2, 5, 9]]

    edges, known = embedding.graph(Sessions.from_lists(sessions))

    assert known.tolist() == [2, 5, 9]
    assert edges.toarray().tolist() == [[float(item in session) for item in (2, 5, 9)] for session in sessions]


def test_vectors_are_the_weighted_singular_vectors_of_the_normalised_graph():
    edges, _ = embedding.graph(Sessions.from_lists(walks(0, 200, 0.3)))
    dense = edges.toarray().astype(float)
    of_item = dense.sum(axis=0)

    result = embedding.vectors(edges, 0)

    _, values, right = np.linalg.svd(dense / np.sqrt(np.outer(dense.sum(axis=1), of_item)))
    width = min(embedding.WIDTH, 47)
    twin = (right[:width] * values[:width, None] ** 4).T / np.sqrt(of_item)[:, None]
    twin /= np.linalg.norm(twin, axis=1, keepdims=True)
    assert result.shape == (48, width)
    assert result @ result.T == pytest.approx(twin @ twin.T, abs=1e-3)  # vectors as a whole may be turned


def test_a_larger_graph_gets_64_numbers_an_item_and_the_seed_plays_a_part():
    random = np.random.default_rng(0)
    edges, _ = embedding.graph(Sessions.from_lists(random.integers(1, 200, (300, 4)).tolist()))

    first, second, other = (embedding.vectors(edges, seed) for seed in (0, 0, 1))

    assert first.shape[1] == 64
    assert np.array_equal(first, second)
    assert not np.allclose(first @ first.T, other @ other.T, atol=1e-2)


def test_auto_takes_the_planted_number(tmp_path):
    settings = with_part(implicit(), "implicit", auto=True)

    data = made(tmp_path / "d", rows(walks(0, 400, 0.05)), settings, items())

    curve = data.document["implicit"]["curve"]
    assert data.document["implicit"]["clusters"] == [8]
    assert [entry["clusters"] for entry in curve] == [2, 4, 8]  # 48 items, so 12 at most
    assert min(curve, key=lambda entry: entry["perplexity"])["clusters"] == 8


def test_auto_ends_two_numbers_after_the_best_one(monkeypatch):
    given_ = iter([90.0, 70.0, 80.0, 75.0, 10.0])
    monkeypatch.setattr("hiersrec.preparation.implicit.choosing.perplexity", lambda *_: next(given_))
    sessions = Sessions.from_lists(np.random.default_rng(0).integers(1, 200, (300, 4)).tolist())
    edges, known = embedding.graph(sessions)
    count, lines = np.zeros(200, np.int64), list[str]()

    best, curve = choose(embedding.vectors(edges, 0), known, count, sessions, sessions, 0, lines.append)

    assert [tuple(entry.values()) for entry in curve] == [(2, 90), (4, 70), (8, 80), (16, 75)]
    assert len(set(best[:, 0])) == 4
    assert lines[1] == "prepare: 4 clusters have perplexity 70.0 on validation"


ONE_THREAD = """
import pyarrow as pa
from threadpoolctl import threadpool_info
from hiersrec.preparation.implicit.find import find
from hiersrec.preparation.settings import Implicit
from hiersrec.store.sessions import Sessions

train = Sessions.from_lists([[1 + (a + b) % 16, 1 + (a * b) % 16, 1 + b % 16] for a in range(9) for b in range(9)])
table = pa.table({"item_id": range(1, 17), "train_count": [1] * 16})
threads = {}
note = lambda _: threads.update({pool["filepath"]: pool["num_threads"] for pool in threadpool_info()})
find(train, train, table, None, Implicit(auto=True), 0, lambda text: note(text) if "on validation" in text else None)
assert set(threads.values()) == {1}, threads
"""


def test_one_thread_whatever_the_machine_has():
    # A process of its own, in which no numeric library is loaded yet.
    more = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")

    done = subprocess.run(
        [sys.executable, "-c", ONE_THREAD], env={**os.environ, **more}, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_the_perplexity_is_that_of_the_rule_written_out():
    random = np.random.default_rng(0)
    cluster = np.concatenate([[0], random.integers(0, 3, 29)])
    count = np.concatenate([[0], random.integers(0, 9, 29)])
    train, valid = (random.integers(1, 30, (50, 5)).tolist() for _ in range(2))

    result = perplexity(cluster, count, Sessions.from_lists(train), Sessions.from_lists(valid))

    steps = [cluster[last] == cluster[target] for session in train for last, target in pairwise(session)]
    stays = (sum(steps) + 1) / (len(steps) + 2)
    everything = sum(count[1:] + 1)
    surprise = []
    for session in valid:
        for last, target in pairwise(session):
            alike = [item for item in range(1, 30) if cluster[item] == cluster[last]]
            shares_ = {item: (count[item] + 1) / everything for item in range(1, 30)}
            if cluster[last] > 0:
                shares_ = {item: (1 - stays) * share for item, share in shares_.items()}
                for item in alike:
                    shares_[item] += stays * (count[item] + 1) / sum(count[member] + 1 for member in alike)
            assert sum(shares_.values()) == pytest.approx(1)
            surprise.append(-log(shares_[target]))
    assert result == pytest.approx(exp(sum(surprise) / len(surprise)))


def test_of_planted_groups_the_right_number_has_the_least_perplexity():
    train, valid = (Sessions.from_lists(walks(seed, 400, 0.05)) for seed in (0, 1))
    item = np.arange(1, GROUPS * SIZE + 1)
    whole = {4: (item - 1) // (2 * SIZE), 8: (item - 1) // SIZE, 16: (item - 1) // (SIZE // 2)}

    result = {
        size: perplexity(np.concatenate([[0], cluster + 1]), np.bincount(train.items), train, valid)
        for size, cluster in whole.items()
    }

    assert result[8] < min(result[4], result[16])


def test_names_show_number_and_most_frequent_items():
    cluster = np.array([[0, 0], [0, 1], [1, 2], [1, 2], [1, 2]])
    shown = ["Banana", "Kiwi", "Hammer", "A saw with a name that is longer than any name ought to be", "Nail"]

    result = naming.paths(cluster, np.array([5, 4, 1, 9, 3]), shown)

    saw = "A saw with a name that is longer ..."
    tools = f"1: {saw}, Nail"
    assert result == [
        ("2: Banana, Kiwi", "2: Banana"),
        ("2: Banana, Kiwi", "3: Kiwi"),
        (tools, tools),
        (tools, tools),
        (tools, tools),
    ]


def test_names_are_unique_though_titles_are_not(tmp_path):
    listed = [{"item_id": item, "title": "Thing" if item % 3 else None} for item in range(1, 49)]

    data = made(tmp_path / "d", rows(walks(0, 200, 0.1)), implicit(4, 12), listed)

    for level, size in enumerate((4, 12)):
        names = data.catalog.levels[level].names[1:]
        assert len(names) == len(set(names)) == size
        shown = {title for name in names for title in name.split(": ")[1].split(", ")}
        assert "Thing" in shown
        assert shown - {"Thing"} <= {str(item) for item in range(3, 49, 3)}  # ids where there is no title


def test_agreement_against_hand_counts():
    result = [("1",), ("1",), ("1",), ("2",), ("2",), (None,)]
    hidden = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"), (None, None), ("a", "x")]

    first, second = agreement(result, hidden)

    assert (first["items"], first["purity"]) == (4, 3 / 4)
    joint = log(4 / 3) / 2 + log(2 / 3) / 4 + log(2) / 4  # p log(p / (p of cluster * p of category)) of aa, ab, bb
    entropy = -(3 / 4) * log(3 / 4) - log(1 / 4) / 4
    assert first["nmi"] == pytest.approx(joint / ((entropy + log(2)) / 2))
    assert (second["given_level"], second["purity"]) == (2, 2 / 4)  # x under a is not x under b
    assert agreement([(None,)], [("a",)]) == [{"level": 1, "given_level": 1, "items": 0, "purity": None, "nmi": None}]


def test_too_many_clusters(tmp_path):
    with pytest.raises(BadInput, match=r"got 49 clusters, but the 48 items .* only 48 distinct vectors"):
        made(tmp_path / "d", rows(walks(0, 300, 0.3)), implicit(49))


def test_items_that_no_direction_reaches_have_zeros_and_no_direction_of_rounding(monkeypatch):
    """Each session is a component of its own, and all three have the singular value 1: which two directions a solver
    finds of that subspace is an accident of the processor. So they are given here, with rounding in the third."""

    def two_of_three(matrix, width, **_):
        assert width == 2
        right = np.zeros((2, 7), np.float32)
        right[0, :3], right[1, 3:5], right[:, 5:] = 3**-0.5, 2**-0.5, 1e-8
        return np.asarray(matrix @ right.T), np.ones(2, np.float32), right

    edges, _ = embedding.graph(Sessions.from_lists([[1, 2, 3], [4, 5], [6, 7]]))
    monkeypatch.setattr("sklearn.utils.extmath.randomized_svd", two_of_three)

    lengths = np.linalg.norm(embedding.vectors(edges, 0), axis=1)

    assert lengths.round(6).tolist() == [1.0] * 5 + [0.0] * 2


def test_items_of_the_same_sessions_have_one_vector_of_length_one_or_zeros():
    """True of any two directions of the subspace."""
    edges, _ = embedding.graph(Sessions.from_lists([[1, 2, 3], [4, 5], [6, 7]]))

    result = embedding.vectors(edges, 0)

    for group in ([0, 1, 2], [3, 4], [5, 6]):
        np.testing.assert_allclose(result[group], result[[group[0]] * len(group)], atol=1e-5)
        assert np.linalg.norm(result[group[0]]) == pytest.approx(1, abs=1e-5) or not result[group].any()


def test_items_of_a_single_session_can_not_be_told_apart():
    train = Sessions.from_lists([[1, 2, 3], [4, 5], [6, 7]])
    table = vocabulary([])

    with pytest.raises(BadInput, match="the 7 items of the training sessions have only 3 distinct"):
        find(train, train, table, None, Implicit(clusters=(4,)), 0, lambda _: None)
    with pytest.raises(BadInput, match="auto needs at least 8 items with distinct vectors, got 3"):
        find(train, train, table, None, Implicit(auto=True), 0, lambda _: None)
    with pytest.raises(BadInput, match="only 1 distinct vectors"):
        find(Sessions.from_lists([[1, 2]]), train, table, None, Implicit(clusters=(2,)), 0, lambda _: None)


def test_categories_that_contradict_each_other_may_be_hidden(tmp_path) -> None:
    """Who has a poor tree may ask for another one."""
    listed = [
        {"item_id": item, "category_1": f"top {item % 3}", "category_2": "the same under three parents"}
        for item in range(1, GROUPS * SIZE + 1)
    ]
    sessions = rows(walks(0, 200))
    with pytest.raises(BadInput, match="A category has one parent"):
        made(tmp_path / "refused", sessions, item_rows=listed)

    data = made(tmp_path / "out", sessions, with_part(LATEST, "implicit", clusters=(GROUPS,)), item_rows=listed)

    assert [level.num_known for level in data.catalog.levels] == [GROUPS]
