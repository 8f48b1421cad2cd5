"""The embedded dataset."""

import pytest

from hiersrec.baselines import cooccurrence
from hiersrec.datasets import wikispeedia
from hiersrec.datasets.wikispeedia import readable_names
from hiersrec.preparation.pipeline import prepare
from hiersrec.store.dataset import Dataset
from tests.evaluation.test_ir_measures import check_equal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp("wikispeedia") / "out"
    prepare(wikispeedia.source(), out, wikispeedia.SETTINGS, say=lambda _: None)
    return Dataset.open(out)


def test_the_statistics_are_those_of_the_source(data):
    statistics = data.document["statistics"]

    assert {name: statistics[name] for name in wikispeedia.SOURCE.expected} == wikispeedia.SOURCE.expected
    assert statistics["categories"] == [14, 102, 27]
    assert data.document["filters"][0]["sessions"] == 51_312
    assert (
        0.195 < statistics["test_sessions"] / (statistics["test_sessions"] + statistics["training_sessions"]) <= 0.2001
    )
    assert [column["name"] for column in statistics["metadata"]] == ["title"]


def test_titles_and_categories_are_readable(data):
    titles = data.catalog.items["title"].to_pylist()
    item = titles.index("Albert Einstein") + 1

    assert data.catalog.path(item) == ["People", "Astronomers and physicists", None]
    names = {name for level in data.catalog.levels for name in level.names if name}
    assert {"People: Artists", "Music: Performers and composers", "British History 1500-1750"} <= names
    assert not any("_" in name or "." in name for name in names)
    assert "all_categories" not in data.catalog.items.column_names


def test_pairs_of_first_and_last_article_do_not_straddle(data):
    ends = {}
    for split in ("train", "valid", "test"):
        sessions = data.sessions(split)
        known = [sessions[index] for index in range(len(sessions))]
        ends[split] = {(int(path[0]), int(path[-1])) for path in known if path[0] > 0 and path[-1] > 0}

    assert not ends["test"] & (ends["train"] | ends["valid"])
    assert not ends["train"] & ends["valid"]


def test_names_keep_as_much_of_the_path_as_makes_them_unique():
    assert readable_names({"A", "A.One_thing", "B.Two", "C.Two"}) == {
        "A": "A",
        "A.One_thing": "One thing",
        "B.Two": "B: Two",
        "C.Two": "C: Two",
    }


def test_metrics_of_a_fitted_run_equal_those_of_ir_measures(data):
    scorer = cooccurrence.fit(cooccurrence.Config(), data.training())

    check_equal(scorer, data.catalog, data.sessions("test").newest(0.05))
