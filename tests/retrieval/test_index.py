"""The index against the dense way: the same lists for every policy and filter, ties included.

Vectors hold small whole numbers, so that every product is exact whichever way it is summed, and many scores tie.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiersrec.errors import BadInput, HiersrecError
from hiersrec.retrieval import index, search
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.index import Encoded, IndexRanker
from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.ranking import FullRanker, ListRequest
from hiersrec.retrieval.slabs import Slabs
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog
from hiersrec.types import Batch, Scores
from tests.retrieval.test_layout import tree
from tests.retrieval.world import ITEMS, KNOWN, world

WIDTH = 6
SESSIONS = [[1, 2], [3], [], [5, 6, 1, 2, 40], [7, 7], [11, 12, 13, 14, 15], []]
BATCH = whole_sessions(SESSIONS, 9)


@dataclass
class LinearModel:
    """An Encoder, and the Scorer of the same model."""

    catalog: Catalog
    seed: int
    levels: tuple[int, ...] = (1, 2, 3)
    max_length: int = 3
    broken: dict[str, float] = field(default_factory=dict)
    """"items" or a task -> what its first score is made."""
    repeating: bool = False
    """Whether the items of a session add to their own scores."""

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        self.of_item = random.integers(-2, 3, (ITEMS + 1, WIDTH)).astype(np.float32)
        self.vectors = random.integers(-2, 3, (ITEMS + 1, WIDTH)).astype(np.float32)
        self.biases = random.integers(-1, 2, ITEMS + 1).astype(np.float32)
        self.heads = {
            f"category_{level}": random.integers(-2, 3, (KNOWN[level - 1], WIDTH)).astype(np.float32)
            for level in self.levels
        }
        self.reads = {
            task: (random.integers(-2, 3, (WIDTH, len(head))).astype(np.float32), fed)
            for (task, head), fed in zip(self.heads.items(), ["logits", "probs", "logits"], strict=False)
        }

    def encode(self, batch: Batch) -> Encoded:
        assert batch.lengths.min() >= 1
        assert batch.lengths.max() <= self.max_length
        real = np.arange(batch.items.shape[1]) < batch.lengths[:, None]
        own = np.where(real[..., None], self.of_item[batch.items], 0).sum(axis=1)
        tasks, query, factor = {}, own.copy(), np.full(len(batch), 2, np.float32)
        for task, head in self.heads.items():
            logits = own @ head.T
            tasks[task] = np.concatenate([np.full((len(batch), 1), -np.inf), logits], axis=1).astype(np.float32)
            matrix, fed = self.reads[task]
            if fed == "logits":  # the softmax is no whole number, so only explanations meet it
                query += 2 * (logits @ matrix.T)
        for name, value in self.broken.items():
            (query if name == "items" else tasks[name])[0, 1] = value
        from_end = batch.lengths[:, None] - np.arange(batch.items.shape[1])  # from 1
        repeats = np.where(real, 7 * (batch.items % 3 - 1) * from_end, 0).astype(np.float32) if self.repeating else None
        positions = {} if repeats is None else {"repeat": repeats}
        return Encoded(query.astype(np.float32), tasks, own.astype(np.float32), factor, positions)

    def score(self, batch: Batch) -> Scores:
        encoded = self.encode(batch)
        items = encoded.query @ self.vectors.T + self.biases
        if self.repeating:
            for row, session in enumerate(batch.items):
                for position in range(batch.lengths[row]):
                    items[row, session[position]] += encoded.positions["repeat"][row, position]
        items[:, 0] = -np.inf
        return Scores(items.astype(np.float32), encoded.tasks)


def rankers(model: LinearModel, type_: str = "float32") -> tuple[IndexRanker, FullRanker]:
    catalog = model.catalog
    layout = Layout.of(catalog.item_nodes, [level.num_known for level in catalog.levels], catalog.train_count)
    slabs = Slabs.of(model.vectors[layout.order], model.biases[layout.order], type_)
    return IndexRanker(model, slabs, layout, catalog, {}, {}), FullRanker(model, catalog)


def assert_same(found, expected) -> None:
    assert [items.tolist() for items in found.items] == [items.tolist() for items in expected.items]
    assert [scores.tolist() for scores in found.scores] == [scores.tolist() for scores in expected.scores]
    assert all(items.dtype == np.int32 for items in found.items)
    assert found.ranked.tolist() == expected.ranked.tolist()
    assert list(found.tasks) == list(expected.tasks)
    assert all((found.tasks[task] == expected.tasks[task]).all() for task in found.tasks)


candidates = st.one_of(
    st.just(ALL),
    st.builds(Candidates, policy=st.just("category"), top=st.integers(1, 6)),
    st.builds(Candidates, policy=st.just("category"), share=st.sampled_from([0.01, 0.3, 0.6, 1.0])),
)
some_offsets = st.one_of(
    st.none(),
    st.lists(st.sampled_from([0, 0, 0.5, -2, 30]), min_size=ITEMS + 1, max_size=ITEMS + 1).map(np.float32),
)
some_items = st.one_of(st.none(), st.sets(st.integers(1, ITEMS)).map(lambda items: np.array(sorted(items), np.int32)))
requests = st.builds(
    ListRequest,
    k=st.sampled_from([1, 5, 20, 99]),
    candidates=candidates,
    exclude_seen=st.booleans(),
    only=some_items,
    never=some_items,
    per_category=st.sampled_from([None, None, 1, 3]),
    offsets=some_offsets,
    available=st.one_of(
        st.none(), st.lists(st.booleans(), min_size=ITEMS + 1, max_size=ITEMS + 1).map(lambda flags: np.array(flags))
    ),
    diversity=st.sampled_from([0.0, 0.0, 0.2, 0.7, 1.0]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([world, tree]),
    st.sampled_from([(1, 2, 3), (2,), (3, 1)]),
    st.booleans(),
    requests,
)
def test_lists_are_those_of_the_dense_way(seed, make, levels, repeating, request) -> None:
    indexed, full = rankers(LinearModel(make(seed), seed, levels, repeating=repeating))

    assert_same(indexed.rank(BATCH, request), full.rank(BATCH, request))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), requests)
def test_int8_slabs_give_the_same_lists_where_all_are_scored_again(seed, repeating, request) -> None:
    indexed, full = rankers(LinearModel(world(seed), seed, repeating=repeating), "int8")

    assert_same(indexed.rank(BATCH, request), full.rank(BATCH, request))  # 40 items, and at least 100 are


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), requests)
def test_a_session_is_answered_alike_in_any_batch(seed, request) -> None:
    indexed, _ = rankers(LinearModel(world(seed), seed))
    together = indexed.rank(BATCH, request)

    for row, session in enumerate(SESSIONS):
        by_itself = indexed.rank(whole_sessions([session], 9), request)
        assert by_itself.items[0].tolist() == together.items[row].tolist()
        assert by_itself.scores[0].tolist() == together.scores[row].tolist()


def test_a_batch_too_large_for_the_memory_is_answered_in_groups(monkeypatch) -> None:
    indexed, full = rankers(LinearModel(world(2), 2))
    for most in (1, ITEMS, 3 * ITEMS):
        monkeypatch.setattr(index, "AT_ONCE", most)
        assert_same(indexed.rank(BATCH, ListRequest(k=5)), full.rank(BATCH, ListRequest(k=5)))


def test_only_sessions_without_a_known_item() -> None:
    indexed, full = rankers(LinearModel(world(3), 3))
    nothing = whole_sessions([[], [0, -2]], 9)
    for chosen in (ALL, Candidates(policy="category", top=1)):
        assert_same(
            indexed.rank(nothing, ListRequest(candidates=chosen)), full.rank(nothing, ListRequest(candidates=chosen))
        )


@pytest.mark.parametrize("fed", ["logits", "probs"])
def test_explanations_sum_to_the_scores_class_by_class(fed) -> None:
    model = LinearModel(world(4), 4)
    model.reads = {task: (matrix, fed) for task, (matrix, _) in model.reads.items()}
    indexed, _ = rankers(model)
    batch, items = whole_sessions([[5, 6, 1, 2]], 9), np.array([3, 40, 1], np.int32)
    parts = indexed.explain(batch, items)

    assert indexed.explains
    levels = ["category_1", "category_2", "category_3"]
    assert [part.source for part in parts] == ["session", "bias", *levels, "average_item"]
    own = model.vectors[items] - model.vectors[1:].mean(axis=0)
    seen = model.encode(whole_sessions([[6, 1, 2]], 9))
    query = seen.own[0].astype(np.float64)
    for part in parts[2:-1]:
        matrix, logits = model.reads[part.source][0], seen.tasks[part.source][0, 1:].astype(np.float64)
        prediction = logits if fed == "logits" else np.exp(logits) / np.exp(logits).sum()
        query += 2 * (matrix @ prediction)
        np.testing.assert_allclose(part.by_class, 2 * (own @ matrix) * prediction, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(part.values, part.by_class.sum(axis=1), rtol=1e-5, atol=1e-5)
    total = sum(part.values for part in parts)
    np.testing.assert_allclose(total, model.vectors[items] @ query + model.biases[items], rtol=1e-5, atol=1e-4)


def test_what_an_item_of_the_session_adds_is_a_part_of_its_score() -> None:
    indexed, full = rankers(LinearModel(world(4), 4, repeating=True))
    batch = whole_sessions([[2, 6, 2, 1]], 9)  # the newest three are looked at

    parts = indexed.explain(batch, np.array([2, 1, 6, 3], np.int32))

    # Against items that were not seen, whose part is 0, and not against the mean, which these items would raise.
    assert [part.source for part in parts][:3] == ["session", "bias", "repeat"]
    assert parts[2].values.tolist() == [7 * 2, 0, -7 * 3, 0]
    found = indexed.rank(batch, ListRequest(k=99))
    assert_same(found, full.rank(batch, ListRequest(k=99)))


def test_an_item_of_the_session_is_scored_again_however_low_its_int8_score(monkeypatch) -> None:
    monkeypatch.setattr(search, "LEAST", 1)
    monkeypatch.setattr(search, "AGAIN", 1)
    for seed in range(10):
        indexed, full = rankers(LinearModel(world(seed), seed, repeating=True), "int8")
        session = whole_sessions([[2, 5, 8]], 9)  # whose items add 21, 14 and 7
        found, expected = (ranker.rank(session, ListRequest(k=3)) for ranker in (indexed, full))
        assert set(expected.items[0].tolist()) & {2, 5, 8} <= set(found.items[0].tolist())


def test_a_trend_is_a_part_of_the_bias_that_is_told_apart() -> None:
    model = LinearModel(world(4), 4)
    plain, _ = rankers(model)
    trend = np.arange(ITEMS, dtype=np.float32) % 3
    slabs = replace(plain.slabs, biases=plain.slabs.biases + trend)
    indexed = IndexRanker(model, slabs, plain.layout, model.catalog, {"trend": trend}, {})
    batch, items = whole_sessions([[1]], 9), np.array([1, 7, 2], np.int32)

    found, before = indexed.explain(batch, items), plain.explain(batch, items)

    assert [part.source for part in found] == ["session", "bias", "trend", *(part.source for part in before[2:])]
    assert found[1].values == pytest.approx(before[1].values, abs=1e-6)
    assert found[2].values == pytest.approx(trend[plain.layout.row_of[items]] - trend.mean(), abs=1e-6)


@pytest.mark.parametrize("repeating", [False, True])
def test_every_part_is_zero_for_all_items_together_but_for_what_they_share(repeating) -> None:
    indexed, _ = rankers(LinearModel(world(7), 7, repeating=repeating))
    indexed.slabs = replace(indexed.slabs, mean=None)  # as an older bundle has it

    *parts, shared = indexed.explain(whole_sessions([[5, 6]], 9), np.arange(1, ITEMS + 1, dtype=np.int32))

    for part in parts:
        if part.source != "repeat":
            assert part.values.mean() == pytest.approx(0, abs=1e-4)
            assert part.by_class is None or part.by_class.mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert len(set(shared.values.tolist())) == 1


def test_without_biases_that_part_is_zero() -> None:
    indexed, _ = rankers(LinearModel(world(4), 4))
    indexed.slabs = replace(indexed.slabs, biases=None)

    assert indexed.explain(whole_sessions([[1]], 9), np.array([1, 2], np.int32))[1].values.tolist() == [0, 0]


def test_random_candidates_and_models_without_categories_are_refused() -> None:
    indexed, _ = rankers(LinearModel(world(5), 5, levels=()))

    with pytest.raises(BadInput, match=r"Random candidates are for evaluation .*got 'random'.*'all' or 'category'"):
        indexed.rank(BATCH, ListRequest(candidates=Candidates(policy="random", top=2)))
    with pytest.raises(BadInput, match="come from predicted categories, and this run predicts none"):
        indexed.rank(BATCH, ListRequest(candidates=Candidates(policy="category", top=2)))
    assert len(indexed.rank(BATCH, ListRequest(k=3)).items) == len(SESSIONS)


@pytest.mark.parametrize("name", ["items", "category_2"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_model_stops_everything(name, value) -> None:
    indexed, _ = rankers(LinearModel(world(6), 6, broken={name: value}))

    with pytest.raises(HiersrecError, match=f"scores of {name} contain {value}; they must be numbers.*train it again"):
        indexed.rank(BATCH, ListRequest())
