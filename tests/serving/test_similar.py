"""Similar items: the nearest by cosine, the same from a run and from its bundle."""

import numpy as np
import pytest

import hiersrec
from hiersrec.errors import BadInput
from tests.cli.conftest import run_here
from tests.toy import NUM_ITEMS, item_id

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(toy_run) -> hiersrec.Run:
    return hiersrec.Run.open(toy_run)


def test_lists_are_those_of_a_slow_twin(run) -> None:
    vectors = run.recommender.ranker.scorer.item_vectors().astype(np.float64)

    def cosine(one: int, other: int) -> float:
        return float(vectors[one] @ vectors[other] / np.linalg.norm(vectors[one]) / np.linalg.norm(vectors[other]))

    for item in (1, 7, NUM_ITEMS):
        cosines = {other: cosine(item - 1, other - 1) for other in range(1, NUM_ITEMS + 1) if other != item}
        nearest = sorted(cosines, key=lambda other: (-cosines[other], other))[:5]
        [answer] = run.similar_items(item_id(item), k=5)

        np.testing.assert_allclose([listed.score for listed in answer.items], [cosines[n] for n in nearest], atol=1e-5)
        assert [listed.item_id for listed in answer.items] == [item_id(n) for n in nearest]
        assert {listed.source for listed in answer.items} == {"similar"}
        assert [seen.item_id for seen in answer.session] == [item_id(item)]


def test_a_bundle_gives_the_lists_of_its_run(run, toy_bundle) -> None:
    ids = [item_id(n) for n in range(1, NUM_ITEMS + 1)]
    bundle = hiersrec.Recommender.load(toy_bundle)

    of_run, of_bundle = run.similar_items(ids, k=4), bundle.similar_items(ids, k=4)

    np.testing.assert_allclose(of_run.columns()["score"], of_bundle.columns()["score"], atol=1e-5)
    same = np.mean([a == b for a, b in zip(of_run.columns()["item_id"], of_bundle.columns()["item_id"], strict=True)])
    assert same > 0.95, "but for rounding"
    assert of_run.columns()["similar_to"] == [name for name in ids for _ in range(4)]


def test_a_list_is_symmetric_in_its_similarities_and_never_has_the_item(run) -> None:
    ids = [item_id(n) for n in range(1, NUM_ITEMS + 1)]
    answers = run.similar_items(ids, k=NUM_ITEMS)

    of = {name: {item.item_id: item.score for item in answer.items} for name, answer in zip(ids, answers, strict=True)}
    for name in ids:
        assert set(of[name]) == set(ids) - {name}
        assert all(of[other][name] == pytest.approx(score, abs=1e-5) for other, score in of[name].items())


def test_filters_are_those_of_recommend(run) -> None:
    [answer] = run.similar_items([item_id(1)], k=NUM_ITEMS)
    path = answer.items[3].category_path
    [inside] = run.similar_items([item_id(1)], k=NUM_ITEMS, categories=[[path[0]]])
    expected = [item.item_id for item in answer.items if item.category_path[0] == path[0]]
    assert [item.item_id for item in inside.items] == expected

    ids = [item.item_id for item in answer.items]
    [allowed] = run.similar_items([item_id(1)], allow=ids[2:5])
    assert [item.item_id for item in allowed.items] == ids[2:5]
    [denied] = run.similar_items([item_id(1)], k=2, deny=ids[:1])
    assert [item.item_id for item in denied.items] == ids[1:3]


def test_mistakes(run, toy_run) -> None:
    with pytest.raises(BadInput, match="There is no item 'nobody' in the catalogue"):
        run.similar_items([item_id(1), "nobody"])
    with pytest.raises(BadInput, match="k must be at least 1, got 0"):
        run.similar_items([item_id(1)], k=0)
    popular = hiersrec.train(toy_run.parent / "data", "popularity", progress=False)
    with pytest.raises(BadInput, match="This model has no vectors of items to compare"):
        popular.similar_items(item_id(1))


def test_the_command_prints_what_python_returns(run, toy_run) -> None:
    result = run_here("similar", toy_run, "--item", item_id(1), "--item", item_id(2), "--k", 3)

    assert result.code == 0, result.err
    assert result.out.count("Similar to: ") == 2
    for item in run.similar_items([item_id(1)], k=3)[0].items:
        assert (item.title or item.item_id) in result.out
    assert run_here("similar", toy_run, "--item", "nobody").code == 2


def test_the_flags_of_filters_are_those_of_recommend(run, toy_run) -> None:
    [answer] = run.similar_items([item_id(1)], k=1)
    name = answer.items[0].category_path[0]

    plain, quoted = (
        run_here("similar", toy_run, "--item", item_id(1), "--category", text, "--json") for text in (name, f'"{name}"')
    )

    assert (plain.code, plain.out) == (0, quoted.out)
