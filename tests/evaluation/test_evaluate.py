import json
import math
import re
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest

from hiersrec.errors import BadInput, HiersrecError, UnknownName
from hiersrec.evaluation import outcomes
from hiersrec.evaluation.evaluate import EvaluationOptions, at_once, evaluate
from hiersrec.retrieval.candidates import Candidates
from hiersrec.store.sessions import Sessions
from hiersrec.types import Batch, Scores
from tests.evaluation.other_metrics import GAIN, TIED, registered
from tests.toy import NUM_ITEMS, toy

CATALOG = toy().data.catalog
NODES = CATALOG.item_nodes
KNOWN = [level.num_known for level in CATALOG.levels]
TASKS = {"category_1": 2, "category_2": 6, "event_type": 2}
"""Task -> known classes."""


@dataclass(frozen=True)
class Rounded:
    """Scores that depend on all items of the session, rounded so that many tie."""

    seed: int = 0
    steps: int = 4
    max_length: int = 3

    def score(self, batch: Batch) -> Scores:
        tables = np.random.default_rng(self.seed).random((NUM_ITEMS + 1, NUM_ITEMS + 1)).astype(np.float32)
        items, *tasks = (
            np.stack(
                [self._one(tables[:, :size], items[:n]) for items, n in zip(batch.items, batch.lengths, strict=True)]
            )
            for size in (NUM_ITEMS + 1, *(known + 1 for known in TASKS.values()))
        )
        return Scores(items, dict(zip(TASKS, tasks, strict=True)))

    def _one(self, table: np.ndarray, items: np.ndarray) -> np.ndarray:
        return (np.round(table[items].mean(axis=0) * self.steps) / self.steps).astype(np.float32)


def sessions(seed: int = 0, number: int = 25) -> list[list[int]]:
    """Random sessions with repeats, unseen items (negative) also at the start, and single items."""
    random = np.random.default_rng(seed)
    lists = [random.integers(1, NUM_ITEMS + 1, random.integers(1, 9)).tolist() for _ in range(number)]
    lists[0] = [-1, 5, -2, 7, 5]
    lists[1] = [-3, -4, 48, 48]
    return lists


def types(lists: list[list[int]]) -> list[list[int]]:
    """Types of their events, which have nothing to do with the items; 0 is unknown."""
    return [[(3 * number + place) % 4 % 3 for place in range(len(session))] for number, session in enumerate(lists)]


def split(lists: list[list[int]] | None = None) -> Sessions:
    """The sessions as a split of a dataset has them."""
    lists = lists or sessions()
    return Sessions.from_lists(lists, types(lists))


def class_of(task: str, item: int, type_: int) -> int:
    """Known class of an event, 0 where unknown."""
    if task == "event_type":
        return type_
    level = int(task[-1]) - 1
    node = NODES[max(item, 0), level]
    return int(node) if node <= KNOWN[level] else 0


def slow_order(line: np.ndarray) -> list[int]:
    return sorted((n for n in range(len(line)) if line[n] > -np.inf), key=lambda n: (-line[n], n))


def slow(scorer: Rounded, lists: list[list[int]], options: EvaluationOptions) -> tuple[dict[str, float], list[dict]]:
    """The same evaluation, one prefix after another, in plain Python."""
    rows = []
    for session, kinds in zip(lists, types(lists), strict=True):
        for end in range(len(session) - 1 if options.last_only else 1, len(session)):
            if end == 0:
                continue
            known = [item for item in session[:end] if item > 0]
            newest = np.array([known[-scorer.max_length :]], np.int32)
            if known:
                answer = scorer.score(Batch(newest, np.array([newest.shape[1]], np.int32)))
                lines = [answer.items[0], *(answer.tasks[task][0] for task in TASKS)]
            else:
                counts = CATALOG.train_count
                lines = [counts.astype(np.float32)]
                lines += [
                    np.array([counts[NODES[:, level] == node].sum() for node in range(KNOWN[level] + 1)], np.float32)
                    for level in (0, 1)
                ]
                lines.append(np.array([0, *CATALOG.event_types.values()], np.float32))
            for line in lines:
                line[0] = -np.inf
            if options.exclude_seen:
                lines[0][known] = -np.inf
            if options.candidates.top:
                best = [slow_order(line)[: options.candidates.top] for line in lines[1:3]]
                lines[0][
                    [n for n in range(NUM_ITEMS + 1) if NODES[n, 0] not in best[0] and NODES[n, 1] not in best[1]]
                ] = -np.inf
            row = {"known": known, "target": session[end], "ranked": len(slow_order(lines[0]))}
            row["future"] = len(set(session[end:]))
            row["places"] = [
                place for place, item in enumerate(slow_order(lines[0])[: options.k], 1) if item in session[end:]
            ]
            for task, line in zip(("", *TASKS), lines, strict=True):
                name = f"{task}/" if task else ""
                classes = [
                    class_of(task, item, kind) if task else item for item, kind in zip(session, kinds, strict=True)
                ]
                future = set(classes[end:]) - ({0} if task else set())
                order, target = slow_order(line), classes[end]
                top = order[: options.k]
                row[name + "labelled"] = name == "" or target > 0
                rank = order.index(target) + 1 if target in order else 0
                row[name + "rank"] = rank
                row[name + "mrr"] = 1 / rank if 0 < rank <= options.k else 0
                row[name + "hits"] = float(target in top)
                row[name + "recall"] = len(future & set(top)) / len(future) if future else math.nan
                row[name + "any_hit"] = float(bool(future & set(top)))
                row[name + "tied"] = rank > 0 and sum(line == line[target]) > 1
            rows.append(row)
    means = {}
    for name in ("", *(f"{task}/" for task in TASKS)):
        labelled = [row for row in rows if row[name + "labelled"]]
        for metric in ("mrr", "hits", "recall", "any_hit"):
            means[f"{name}{metric}@{options.k}"] = sum(row[name + metric] for row in labelled) / len(labelled)
        if name:
            means[name + "labelled"] = len(labelled)
    means["prefixes"] = len(rows)
    means["unseen_targets"] = sum(row["target"] < 0 for row in rows)
    means["empty_prefixes"] = sum(not row["known"] for row in rows)
    means["tied_targets"] = sum(row["tied"] for row in rows) / len(rows)
    if options.candidates.top:
        means["candidates/top"] = options.candidates.top
        means["candidates/share"] = sum(row["ranked"] for row in rows) / len(rows) / NUM_ITEMS
        means["candidates/target"] = sum(row["rank"] > 0 for row in rows) / len(rows)
    return means, rows


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_against_a_slow_twin(k, last_only, exclude_seen) -> None:
    check(EvaluationOptions(k=k, last_only=last_only, exclude_seen=exclude_seen, batch_size=7))


@pytest.mark.parametrize("top", [1, 2, 6])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_candidates_against_a_slow_twin(top, exclude_seen) -> None:
    options = EvaluationOptions(k=5, exclude_seen=exclude_seen, candidates=Candidates(policy="category", top=top))
    expected, rows = check(options)

    table = evaluate(Rounded(), CATALOG, split(), options).ranks
    assert table["candidates"].to_pylist() == [row["ranked"] for row in rows]
    assert (expected["candidates/share"] < 0.9) == (top == 1)
    assert 0 < expected["candidates/target"] < 1


def test_all_categories_give_what_all_items_give_and_as_many_random_items_lose_some() -> None:
    stored, shares = split(), {}
    usual = evaluate(Rounded(), CATALOG, stored)
    for policy, top in (("category", 6), ("random", 6), ("category", 1), ("random", 1)):
        options = EvaluationOptions(candidates=Candidates(policy=policy, top=top))
        evaluation = evaluate(Rounded(), CATALOG, stored, options)
        shares[policy, top] = evaluation.metrics["candidates/share"]
        plain = {name: value for name, value in evaluation.metrics.items() if not name.startswith("candidates/")}
        assert (plain == usual.metrics) == (top == 6)
        assert (evaluation.ranks.drop_columns(["candidates"]) == usual.ranks) == (top == 6)
    assert shares["category", 6] == shares["random", 6] == 1
    assert shares["category", 1] == shares["random", 1] < 1


def check(options: EvaluationOptions) -> tuple[dict[str, float], list[dict]]:
    lists = sessions()
    expected, rows = slow(Rounded(), lists, options)

    evaluation = evaluate(Rounded(), CATALOG, split(lists), options)

    k = options.k
    bounds = ("/optimistic", "/pessimistic")
    plain = {name: value for name, value in evaluation.metrics.items() if not name.endswith(bounds)}
    assert plain == pytest.approx(expected)
    ranks = evaluation.ranks.to_pylist()
    assert [row["rank"] for row in ranks] == [row["rank"] or None for row in rows]
    for task in TASKS:
        assert [row[f"{task}_rank"] for row in ranks] == [row[f"{task}/rank"] or None for row in rows]
    assert [row[f"recall@{k}"] for row in ranks] == pytest.approx([row["recall"] for row in rows])
    unseen = [row["target"] < 0 for row in rows]
    assert [row["item_id"] is None for row in ranks] == unseen
    assert json.loads(json.dumps(evaluation.metrics)) == evaluation.metrics
    assert json.loads(json.dumps(evaluation.slices)) == evaluation.slices
    return expected, rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ks", [(1, 2), (5, 3, 20), (47, 48, 70, 200)], ids=str)
def test_several_k_give_what_each_gives_by_itself(ks, seed) -> None:
    """Lists longer than 64 and than the catalogue of 48 items are among them; slices, bounds and columns too."""
    stored, scorer = split(sessions(seed)), Rounded(seed)
    several = evaluate(scorer, CATALOG, stored, EvaluationOptions(k=ks))

    each = {k: evaluate(scorer, CATALOG, stored, EvaluationOptions(k=k)) for k in ks}
    assert any(name.endswith("/optimistic") for name in several.metrics)
    assert several.metrics == {name: value for one in each.values() for name, value in one.metrics.items()}
    for group, rows in several.slices.items():
        for place, row in enumerate(rows):
            parts = [one.slices[group][place]["metrics"] for one in each.values()]
            assert row["metrics"] == {name: value for part in parts for name, value in part.items()}
    for k, one in each.items():
        assert several.ranks.select(one.ranks.column_names) == one.ranks
        assert f"category_2_recall@{k}" in several.ranks.column_names


def test_tasks_in_few_numbers_against_a_slow_twin() -> None:
    _, rows = slow(Rounded(), sessions(), EvaluationOptions())

    found = evaluate(Rounded(), CATALOG, split()).tasks

    for task, classes in TASKS.items():
        ranks = [row[f"{task}/rank"] for row in rows if row[f"{task}/labelled"]]
        assert found[task] == {
            "classes": classes,
            "prefixes": len(ranks),
            "first": pytest.approx(ranks.count(1) / len(ranks)),
            "k": 1,
            "hits": pytest.approx(ranks.count(1) / len(ranks)),
            "mrr": pytest.approx(sum(1 / rank for rank in ranks if rank) / len(ranks)),
        }


def test_the_order_of_k_and_repeats_change_nothing() -> None:
    usual = evaluate(Rounded(), CATALOG, split(), EvaluationOptions(k=(3, 5)))
    again = evaluate(Rounded(), CATALOG, split(), EvaluationOptions(k=(5, 3, 5)))

    assert list(usual.metrics)[:4] == ["mrr@3", "mrr@5", "hits@3", "hits@5"]
    assert (again.metrics, again.ranks) == (usual.metrics, usual.ranks)


def test_metrics_in_parts_are_the_same(monkeypatch) -> None:
    usual = evaluate(Rounded(), CATALOG, split())
    monkeypatch.setattr(outcomes, "AT_ONCE", 7)
    again = evaluate(Rounded(), CATALOG, split())

    assert (again.metrics, again.slices, again.ranks) == (usual.metrics, usual.slices, usual.ranks)


def test_fewer_metrics_are_a_part_of_all() -> None:
    usual = evaluate(Rounded(), CATALOG, split())
    fewer = evaluate(Rounded(), CATALOG, split(), EvaluationOptions(metrics=("hits", "recall")))

    left_out = ("mrr@20", "any_hit@20")
    kept = {name: value for name, value in usual.metrics.items() if not any(word in name for word in left_out)}
    assert fewer.metrics == kept
    assert all(set(row["metrics"]) == {"hits@20", "recall@20"} for rows in fewer.slices.values() for row in rows)
    columns = [name for name in usual.ranks.column_names if not name.endswith("any_hit@20")]
    assert fewer.ranks == usual.ranks.select(columns)


def test_a_metric_of_others_is_reported_sliced_bounded_and_kept(tmp_path) -> None:
    lists = sessions()
    _, rows = slow(Rounded(), lists, EvaluationOptions(k=5))
    with registered(tmp_path, gain=GAIN, tied=TIED):
        evaluation = evaluate(Rounded(), CATALOG, split(lists), EvaluationOptions(k=5, metrics=("mrr", "gain", "tied")))

    gains = [sum(1 / math.log2(place + 1) for place in row["places"]) for row in rows]
    ideals = [sum(1 / math.log2(place + 2) for place in range(min(5, row["future"]))) for row in rows]
    expected = [gain / ideal for gain, ideal in zip(gains, ideals, strict=True)]
    assert evaluation.metrics["gain@5"] == pytest.approx(sum(expected) / len(rows))
    assert evaluation.ranks["gain@5"].to_pylist() == pytest.approx(expected)
    assert {"category_1/gain@5", "category_1/tied@5", "tied@5/optimistic"} <= set(evaluation.metrics)
    assert "gain@5/optimistic" not in evaluation.metrics
    assert {"category_1_tied@5", "tied@5"} <= set(evaluation.ranks.column_names)
    for group in evaluation.slices.values():
        assert sum(row["prefixes"] * row["metrics"]["gain@5"] for row in group) == pytest.approx(sum(expected))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, BadInput, "k must be at least 1, got 0"),
        ({"k": (5, -1)}, BadInput, "k must be at least 1, got -1"),
        ({"k": ()}, BadInput, "k must be at least one number, such as 20, got none"),
        ({"metrics": ()}, BadInput, "Name at least one metric, such as mrr"),
        ({"metrics": ("mrr", "mrr")}, BadInput, "Each metric is named once, got mrr, mrr"),
        ({"metrics": ("mmr",)}, UnknownName, "Did you mean 'mrr'?"),
        ({"metrics": ("mrr@20",)}, UnknownName, "Did you mean 'mrr'?"),
    ],
)
def test_options_that_are_refused(options, error, message) -> None:
    with pytest.raises(error, match=re.escape(message)):
        EvaluationOptions(**options)


def test_by_hand() -> None:
    """Two sessions, scores that fall with the item's number: item n has rank n."""

    class Falling:
        max_length = 5

        def score(self, batch: Batch) -> Scores:
            return Scores(np.tile(-np.arange(NUM_ITEMS + 1, dtype=np.float32), (len(batch), 1)), {})

    values = evaluate(
        Falling(), CATALOG, Sessions.from_lists([[9, 2, 30, 2], [9, 4, -1]]), EvaluationOptions(k=4)
    ).metrics
    # Prefixes: 2 (future 2 30) | 30 (future 30 2) | 2 (future 2) | 4 (future 4 -1) | -1 (future -1)
    assert values == {
        "mrr@4": pytest.approx((1 / 2 + 0 + 1 / 2 + 1 / 4 + 0) / 5),
        "hits@4": 3 / 5,
        "recall@4": pytest.approx((1 / 2 + 1 / 2 + 1 + 1 / 2 + 0) / 5),
        "any_hit@4": 4 / 5,
        "prefixes": 5,
        "unseen_targets": 1,
        "empty_prefixes": 0,
        "tied_targets": 0,
    }


def test_ties_are_counted_and_bounded() -> None:
    class Constant:
        max_length = 5

        def score(self, batch: Batch) -> Scores:
            return Scores(np.zeros((len(batch), NUM_ITEMS + 1), np.float32), {})

    evaluation = evaluate(Constant(), CATALOG, Sessions.from_lists([[9, 2], [9, 40]]), EvaluationOptions(k=4))
    assert evaluation.metrics["tied_targets"] == 1
    assert evaluation.metrics["mrr@4"] == 1 / 4
    assert evaluation.metrics["mrr@4/optimistic"] == 1
    assert evaluation.metrics["mrr@4/pessimistic"] == evaluation.metrics["hits@4/pessimistic"] == 0
    assert evaluation.ranks["rank"].to_pylist() == [2, 40]
    assert evaluation.ranks["rank_pessimistic"].to_pylist() == [48, 48]


def test_every_option_changes_something_but_the_batch_size() -> None:
    stored = split()
    usual = evaluate(Rounded(), CATALOG, stored)
    random = (EvaluationOptions(candidates=Candidates(policy="random", top=1, seed=seed)) for seed in (0, 1))
    assert len({evaluate(Rounded(), CATALOG, stored, options).metrics["mrr@20"] for options in random}) == 2
    for changed in (EvaluationOptions(k=5), EvaluationOptions(last_only=True), EvaluationOptions(exclude_seen=True)):
        assert evaluate(Rounded(), CATALOG, stored, changed).metrics != usual.metrics
    for size in (1, 3, 10**6):
        again = evaluate(Rounded(), CATALOG, stored, EvaluationOptions(batch_size=size))
        assert again.metrics == usual.metrics
        assert again.ranks == usual.ranks


def test_ranks_carry_the_session_ids_in_the_order_of_the_split() -> None:
    lists = [[3, 4, 5], [7], [1, 2]]
    stored = replace(Sessions.from_lists(lists), session_ids=pa.chunked_array([["u", "v", "w"]]))
    table = evaluate(Rounded(), CATALOG, stored).ranks
    assert table["session_id"].to_pylist() == ["u", "u", "w"]
    assert table["position"].to_pylist() == [1, 2, 1]
    assert table["item_id"].to_pylist() == ["a3", "a4", "a1"]
    assert evaluate(Rounded(), CATALOG, Sessions.from_lists(lists)).ranks["session_id"].to_pylist() == [0, 0, 2]


def test_metrics_can_be_computed_again_from_the_ranks() -> None:
    evaluation = evaluate(Rounded(), CATALOG, Sessions.from_lists(sessions()), EvaluationOptions(k=5))
    ranks = [rank or 0 for rank in evaluation.ranks["rank"].to_pylist()]
    assert evaluation.metrics["mrr@5"] == pytest.approx(sum(1 / rank for rank in ranks if 0 < rank <= 5) / len(ranks))
    labelled = [row for row in evaluation.ranks.to_pylist() if row["category_2"] is not None]
    assert evaluation.metrics["category_2/labelled"] == len(labelled)
    assert evaluation.metrics["category_2/any_hit@5"] == pytest.approx(
        sum(row["category_2_any_hit@5"] for row in labelled) / len(labelled)
    )


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    evaluate(
        Rounded(),
        CATALOG,
        Sessions.from_lists([[1, 2, 3, 4], [5, 6]]),
        EvaluationOptions(batch_size=3),
        lambda *count: told.append(count),
    )
    assert told == [(3, 4), (4, 4)]


def test_a_large_catalogue_is_scored_a_few_prefixes_at_a_time(monkeypatch) -> None:
    sizes: list[int] = []

    class Counting(Rounded):
        def score(self, batch: Batch) -> Scores:
            sizes.append(len(batch))
            return super().score(batch)

    stored = Sessions.from_lists([[1, 2, 3, 4, 5]])
    whole = evaluate(Counting(), CATALOG, stored)
    monkeypatch.setattr("hiersrec.evaluation.evaluate.MOST_SCORES", 3 * CATALOG.num_items)

    assert evaluate(Counting(), CATALOG, stored).metrics == whole.metrics
    assert sizes == [4, 3, 1]
    assert [at_once(EvaluationOptions(), items) for items in (10, CATALOG.num_items, 10**9)] == [
        3 * CATALOG.num_items // 10,
        3,
        1,
    ]


@pytest.mark.parametrize(("name", "value"), [("k", 0), ("batch_size", -1)])
def test_impossible_options_are_refused(name, value) -> None:
    with pytest.raises(BadInput, match=f"{name} must be at least 1, got {value}"):
        EvaluationOptions(**{name: value})


def test_nothing_to_evaluate() -> None:
    with pytest.raises(BadInput, match="none of the 2 sessions has two items"):
        evaluate(Rounded(), CATALOG, Sessions.from_lists([[1], [2]]))


def test_a_broken_scorer_is_an_error_and_no_zero() -> None:
    class Broken(Rounded):
        def score(self, batch: Batch) -> Scores:
            scores = super().score(batch)
            scores.items[-1, 7] = np.nan
            return scores

    with pytest.raises(HiersrecError, match="contain nan"):
        evaluate(Broken(), CATALOG, Sessions.from_lists([[1, 2]]))
