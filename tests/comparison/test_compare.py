import json

import numpy as np
import pytest
from scipy.stats import ttest_ind

from hiersrec.comparison import render
from hiersrec.comparison.compare import ComparisonOptions, compare
from hiersrec.errors import BadInput
from tests.comparison.runs import K, drawn_ranks, lengths, write_run
from tests.comparison.test_groups import add_metric

RECIPES = ((0, "narm"), (1, "stamp"))
OPTIONS = ComparisonOptions(bootstrap=200)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {
        **{f"n{seed}": write_run(root / f"n{seed}", "narm", drawn_ranks(0.3, seed), seed) for seed in range(3)},
        **{f"s{seed}": write_run(root / f"s{seed}", "stamp", drawn_ranks(0.2, 9 + seed), seed) for seed in range(2)},
        "p": write_run(root / "p", "popularity", drawn_ranks(0.05, 20)),
        "twin": write_run(root / "twin", "cooccurrence", drawn_ranks(0.05, 20)),
    }


def mrr(seed: int, skill: float) -> list[float]:
    return [1 / rank if rank is not None and rank <= K else 0.0 for rank in drawn_ranks(skill, seed)]


def test_equals_a_slow_twin(runs) -> None:
    document = compare(list(runs.values())[:6], OPTIONS)
    ours = np.mean([mrr(seed, 0.3) for seed in range(3)], axis=0)
    theirs = np.mean([mrr(9 + seed, 0.2) for seed in range(2)], axis=0)
    ends = np.cumsum(lengths())
    rows = [list(range(end - size, end)) for end, size in zip(ends, lengths(), strict=True)]
    random = np.random.default_rng(0)
    values, differences = [], []
    for _ in range(200):
        drawn = [row for session in random.integers(len(rows), size=len(rows)) for row in rows[session]]
        values.append(np.mean(ours[drawn]))
        differences.append(np.mean(ours[drawn]) - np.mean(theirs[drawn]))
    seeds = ttest_ind(
        [np.mean(mrr(seed, 0.3)) for seed in range(3)],
        [np.mean(mrr(9 + seed, 0.2)) for seed in range(2)],
        equal_var=False,
        alternative="greater",
    )

    first, second, _ = (system["metrics"]["mrr@20"] for system in document["systems"])

    assert first["mean"] == pytest.approx(np.mean(ours))
    assert first["interval"] == pytest.approx(np.quantile(values, [0.025, 0.975]))
    assert "ours_better_by" not in first
    ahead = second["ours_better_by"]
    assert ahead["mean"] == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert ahead["interval"] == pytest.approx(np.quantile(differences, [0.025, 0.975]))
    assert ahead["p_sessions"] == (1 + sum(difference <= 0 for difference in differences)) / 201
    assert ahead["p_seeds"] == pytest.approx(seeds.pvalue)


def test_p_is_corrected_over_the_baselines_that_have_one(runs) -> None:
    systems = compare(list(runs.values())[:6], OPTIONS)["systems"]
    stamp, popularity = (system["metrics"]["mrr@20"]["ours_better_by"] for system in systems[1:])

    assert popularity["p_sessions"] == 1 / 201
    assert popularity["p_sessions_holm"] == 2 / 201
    assert (popularity["p_seeds"], popularity["p_seeds_holm"]) == (None, None)
    assert stamp["p_seeds_holm"] == stamp["p_seeds"]


def test_the_first_group_is_ours_and_the_other_way_round_it_is_the_opposite(runs) -> None:
    ahead, behind = (
        compare([runs[ours], runs[theirs]], OPTIONS)["systems"][1]["metrics"]["hits@20"]["ours_better_by"]
        for ours, theirs in (("n0", "p"), ("p", "n0"))
    )

    assert ahead["mean"] == -behind["mean"] > 0
    assert ahead["interval"] == pytest.approx([-end for end in reversed(behind["interval"])])
    assert behind["p_sessions"] == 1


def test_runs_with_equal_ranks_do_not_differ_at_all(runs) -> None:
    document = compare([runs["p"], runs["twin"], runs["n0"]], OPTIONS)

    ahead = document["systems"][1]["metrics"]["mrr@20"]["ours_better_by"]
    assert ahead["mean"] == 0
    assert ahead["interval"] == [0, 0]
    assert ahead["p_sessions"] == 1


def test_a_metric_of_a_task_counts_labelled_prefixes_alone(runs) -> None:
    document = compare([runs["n0"], runs["p"]], ComparisonOptions(metrics=("category_1/mrr@20",), bootstrap=200))

    assert document["systems"][0]["metrics"] == {"category_1/mrr@20": {"mean": 0.5, "interval": [0.5, 0.5]}}


def test_the_document_says_how_to_make_it_again(runs) -> None:
    document = compare(list(runs.values())[:6], OPTIONS)

    assert document == json.loads(json.dumps(document, allow_nan=False))
    assert document["settings"] == {
        "metrics": ["mrr@20", "hits@20", "recall@20"],
        "bootstrap": 200,
        "seed": 0,
        "level": 0.95,
    }
    assert (document["sessions"], document["prefixes"], document["ours"]) == (60, sum(lengths()), "narm")
    assert document["origin"]["hiersrec"]
    narm = document["systems"][0]
    assert [(run["run"], run["seed"]) for run in narm["runs"]] == [("n0", 0), ("n1", 1), ("n2", 2)]
    assert narm["runs"][1]["metrics"]["mrr@20"] == pytest.approx(np.mean(mrr(1, 0.3)))
    assert narm["recipe"]["encoder"]["name"] == "narm"
    assert "seed" not in narm["recipe"]["training"]


def test_equal_seeds_give_equal_documents_and_every_option_counts(runs) -> None:
    folders = [runs["n0"], runs["s0"]]
    first = compare(folders, OPTIONS)

    assert compare(folders, OPTIONS) == first
    for other in (
        ComparisonOptions(bootstrap=200, seed=1),
        ComparisonOptions(bootstrap=201),
        ComparisonOptions(bootstrap=200, metrics=("mrr@20",)),
    ):
        assert compare(folders, other)["systems"] != first["systems"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"metrics": ()}, "Name at least one metric"),
        ({"metrics": ("mrr@20", "mrr@20")}, "Each metric is named once, got mrr@20, mrr@20"),
        ({"bootstrap": 99}, "at least 100 resamples, got 99"),
        ({"seed": -1}, "whole number from 0, got -1"),
    ],
)
def test_bad_options(wrong, message) -> None:
    with pytest.raises(BadInput, match=message):
        ComparisonOptions(**wrong)


def test_labels_in_too_few_sessions(runs, tmp_path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folders = []
    for name, recipe in (("a", "narm"), ("b", "stamp")):
        folder = write_run(tmp_path / name, recipe, drawn_ranks(0.2, 0))
        table = pq.read_table(folder / "ranks.parquet")
        labels = pa.array([1] + [None] * (len(table) - 1), pa.int64())
        ranks = pa.array([2] + [None] * (len(table) - 1), pa.int64())
        for column, values in (("category_1", labels), ("category_1_rank", ranks)):
            table = table.set_column(table.column_names.index(column), column, values)
        pq.write_table(table, folder / "ranks.parquet")
        folders.append(folder)

    with pytest.raises(BadInput, match="category_1/mrr@20: so few sessions have labels"):
        compare(folders, ComparisonOptions(metrics=("category_1/mrr@20",), bootstrap=200))
    with pytest.raises(BadInput, match="have labels for other prefixes"):
        compare([runs["n0"], folders[1]], ComparisonOptions(metrics=("category_1/mrr@20",), bootstrap=200))


def test_where_lower_is_better_ours_leads_by_being_lower(tmp_path) -> None:
    """The same values as a plain metric and as one where lower is better: leads and tests change sides."""
    documents = []
    for better in ("higher", "lower"):
        folders = [write_run(tmp_path / f"{better}{n}", name, drawn_ranks(0.3, n), 0) for n, name in RECIPES]
        for number, folder in enumerate(folders):
            values = np.random.default_rng(number).random(sum(lengths())) + number
            add_metric(folder, "far@20", values.tolist(), column=True)
            if better == "lower":
                document = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
                about = {"far": {"better": "lower", "low": 0.0, "high": None}}
                (folder / "metrics.json").write_text(json.dumps({**document, "about": about}), encoding="utf-8")
        documents.append(compare(folders, ComparisonOptions(metrics=("far@20",), bootstrap=200)))

    plain, lower = (document["systems"][1]["metrics"]["far@20"]["ours_better_by"] for document in documents)
    assert lower["mean"] == -plain["mean"] > 0.9
    assert lower["interval"] == pytest.approx([-end for end in reversed(plain["interval"])])
    assert (lower["p_sessions"], plain["p_sessions"]) == (1 / 201, 1.0)
    assert "about" not in documents[0]
    shown = render.table(documents[1])
    assert shown.best == {(0, 3)}
    assert shown.rows[1][3] == f"{documents[1]['systems'][1]['metrics']['far@20']['mean']:.2f}"
    assert "of far@20 as they are" in shown.notes[0]
    assert "Of far@20 lower is better." in shown.notes[0]
    assert "lower is better" in render.picture(documents[1]).axes[0].get_xlabel()


def test_a_metric_without_a_direction_is_refused(tmp_path) -> None:
    folders = [write_run(tmp_path / name, name, drawn_ranks(0.3, n), 0) for n, name in RECIPES]
    for folder in folders:
        add_metric(folder, "odd@20", [0.5] * sum(lengths()), column=True)
        document = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        about = {"odd": {"better": None, "low": 0.0, "high": 1.0}}
        (folder / "metrics.json").write_text(json.dumps({**document, "about": about}), encoding="utf-8")

    with pytest.raises(BadInput, match="odd@20: neither higher nor lower values are better, so no run is"):
        compare(folders, ComparisonOptions(metrics=("odd@20",), bootstrap=200))
