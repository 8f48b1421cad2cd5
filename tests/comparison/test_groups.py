from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiersrec.comparison.groups import grouped
from hiersrec.comparison.measured import Measured, read_measured
from hiersrec.errors import BadFolder, BadInput, UnknownName
from tests.comparison.runs import SESSIONS, drawn_ranks, edit, write_run
from tests.evaluation.other_metrics import registered

RANKS = drawn_ranks(0.2, 0)


@pytest.fixture
def folders(tmp_path):
    return [
        write_run(tmp_path / "a", "narm", RANKS, seed=0),
        write_run(tmp_path / "p", "popularity", RANKS),
        write_run(tmp_path / "b", "narm", RANKS, seed=1),
    ]


def read(folders) -> list[Measured]:
    return [read_measured(folder) for folder in folders]


def test_runs_that_differ_in_seed_alone_are_one_group(folders, tmp_path) -> None:
    other = write_run(tmp_path / "c", "narm", RANKS, seed=0, overrides=["training.batch_size=7"])

    groups = grouped(read([*folders, other]))

    assert [group.name for group in groups] == ["narm (a)", "popularity", "narm (c)"]
    assert [[run.folder.name for run in group.runs] for group in groups] == [["a", "b"], ["p"], ["c"]]
    assert [run.seed for run in groups[0].runs] == [0, 1]


def test_a_setting_left_out_is_its_default(folders) -> None:
    recipe = folders[2] / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines(keepends=True) if line.startswith("weight_decay"))
    recipe.write_text(text.replace(line, "\n" * len(line)), encoding="utf-8")  # as long as the seal says

    assert len(grouped(read(folders))) == 2


def test_folders_of_one_name_are_told_apart_by_their_path(tmp_path) -> None:
    for name, size in (("x", 5), ("y", 6)):
        (tmp_path / name).mkdir()
        write_run(tmp_path / name / "run", "narm", RANKS, overrides=[f"training.batch_size={size}"])

    groups = grouped(read([tmp_path / "x" / "run", tmp_path / "y" / "run"]))

    assert [group.name for group in groups] == [f"narm ({tmp_path / name / 'run'})" for name in "xy"]


def test_a_run_named_twice(folders) -> None:
    with pytest.raises(BadInput, match=r"/a is named 2 times. Name each run once"):
        grouped(read([*folders, folders[0].parent / "p" / ".." / "a"]))


def test_two_runs_of_one_seed(folders, tmp_path) -> None:
    same = write_run(tmp_path / "same", "narm", RANKS, seed=1)
    with pytest.raises(BadInput, match=r"/b and .*/same have the same recipe and seed \(1\)\. Leave one"):
        grouped(read([*folders, same]))

    counted = write_run(tmp_path / "counted", "popularity", RANKS)
    with pytest.raises(BadInput, match=r"/p and .*/counted have the same recipe and seed \(none\)\. Leave one"):
        grouped(read([*folders, counted]))


def test_one_recipe_is_nothing_to_compare(folders) -> None:
    with pytest.raises(BadInput, match=r"all runs are of one recipe, narm. Name a run of another recipe too"):
        grouped(read([folders[0], folders[2]]))


@pytest.mark.parametrize(
    ("table", "key", "value", "message"),
    [
        ("options", "exclude_seen", True, r"/a and .*/p differ in their options: .*False.* and .*True"),
        ("", "split", "valid", r"differ in their splits: test and valid. Evaluate both alike"),
        (
            *("", "dataset", {"name": "mall", "fingerprint": "e" * 64}),
            r"differ in their datasets: shop \(ffffffffffff\) and mall \(eeeeeeeeeeee\)",
        ),
    ],
)
def test_runs_must_be_measured_alike(folders, table, key, value, message) -> None:
    edit(folders[1] / "metrics.json", table, key, value)

    with pytest.raises(BadInput, match=message):
        grouped(read(folders))


def test_another_k_is_another_option(folders) -> None:
    edit(folders[1] / "metrics.json", "options", "k", 10)

    with pytest.raises(BadInput, match=r"differ in their options: .*'k': 20.* and .*'k': 10"):
        grouped(read(folders))


def test_the_size_of_a_batch_changes_no_result(folders) -> None:
    edit(folders[1] / "metrics.json", "options", "batch_size", 7)

    assert len(grouped(read(folders))) == 2


def test_prefixes_must_be_the_same(folders, tmp_path) -> None:
    short = write_run(tmp_path / "short", "stamp", drawn_ranks(0.2, 0, SESSIONS - 1), sessions=SESSIONS - 1)
    with pytest.raises(BadInput, match=r"on the same prefixes; .*/a and .*/short have others, in \d+ and \d+ rows"):
        grouped(read([*folders, short]))

    path = folders[1] / "ranks.parquet"
    table = pq.read_table(path)
    for name, value in (("session_id", "other"), ("position", 99), ("item_id", 99)):
        column = table[name].to_pylist()
        column[next(row for row, rank in enumerate(RANKS) if rank is not None)] = value
        pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(column)), path)
        with pytest.raises(BadInput, match="on the same prefixes"):
            grouped(read(folders))


def test_a_run_that_has_grown_knows_more_targets(folders) -> None:
    path = folders[1] / "ranks.parquet"
    table = pq.read_table(path)
    known = pa.array(np.arange(len(RANKS)))
    pq.write_table(table.set_column(table.column_names.index("item_id"), "item_id", known), path)

    assert len(grouped(read(folders))) == 2


@pytest.mark.parametrize("name", ["metrics.json", "ranks.parquet"])
def test_a_run_that_is_not_evaluated(folders, name) -> None:
    (folders[0] / name).unlink()

    with pytest.raises(BadFolder, match=f"/a is not evaluated yet: it has no {name}. Run `hiersrec evaluate .*/a`"):
        read_measured(folders[0])


@pytest.mark.parametrize("name", ["metrics.json", "ranks.parquet"])
def test_an_evaluation_that_is_damaged(folders, name) -> None:
    (folders[0] / name).write_text("{}")

    with pytest.raises(BadFolder, match=r"/a is damaged .* Run `hiersrec evaluate"):
        read_measured(folders[0])


def test_files_of_two_evaluations(folders) -> None:
    edit(folders[0] / "metrics.json", "metrics", "mrr@20", 0.5)
    with pytest.raises(BadFolder, match=r"gives mrr@20 0\.\d+, metrics.json says 0.5: they are from two evaluations"):
        read_measured(folders[0]).values("mrr@20")

    edit(folders[0] / "metrics.json", "metrics", "prefixes", 3)
    with pytest.raises(BadFolder, match=r"rows, metrics.json says 3: they are from two evaluations"):
        read_measured(folders[0])


def test_no_run_at_all(tmp_path) -> None:
    with pytest.raises(BadFolder, match="There is no run folder"):
        read_measured(tmp_path / "none")


def test_a_metric_that_a_run_lacks(folders) -> None:
    with pytest.raises(UnknownName, match=r"/a has no metric 'mmr@20'. Did you mean 'mrr@20'\?"):
        read_measured(folders[0]).values("mmr@20")


def test_values_of_a_miss_and_of_a_prefix_without_label(folders) -> None:
    run = read_measured(folders[0])

    for metric in ("mrr@20", "hits@20", "recall@20", "any_hit@20"):
        values, counts = run.values(metric)
        assert counts.all()
        assert not values[[row for row, rank in enumerate(RANKS) if rank is None or rank > 20]].any()
    values, counts = run.values("category_1/mrr@20")
    assert counts.tolist() == [row % 2 == 1 for row in range(len(RANKS))]
    assert values.tolist() == [0.5 * (row % 2) for row in range(len(RANKS))]


def test_a_metric_of_others_is_compared_from_its_column_without_the_plugin(folders) -> None:
    add_metric(folders[0], "novel@20", [0.25, 0.75] * (len(RANKS) // 2) + [0.5] * (len(RANKS) % 2), column=True)
    run = read_measured(folders[0])

    assert "novel@20" in run.names()
    values, counts = run.values("novel@20")
    assert values[:2].tolist() == [0.25, 0.75]
    assert counts.all()


def test_a_metric_of_ranks_needs_its_plugin_and_no_column(folders, tmp_path) -> None:
    first = [float(rank == 1) for rank in RANKS]
    add_metric(folders[0], "first@20", first, column=False)
    run = read_measured(folders[0])
    source = "USES = ('rank',)\n\ndef values(results, k):\n    return (results.rank == 1) * 1.0\n"

    with registered(tmp_path, first=source):
        assert run.values("first@20")[0].tolist() == first
    with pytest.raises(UnknownName, match="No 'first' in hiersrec/evaluation/metrics/"):
        run.values("first@20")


def test_one_number_for_all_lists_has_no_sessions(folders) -> None:
    edit(folders[0] / "metrics.json", "metrics", "gini@20", 0.5)

    with pytest.raises(BadInput, match=r"gini@20 is one number for all lists of a run\. It has no value for a session"):
        read_measured(folders[0]).values("gini@20")


def test_a_metric_whose_column_is_gone(folders) -> None:
    path = folders[0] / "ranks.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["recall@20"]), path)

    with pytest.raises(BadFolder, match=r"has recall@20, ranks.parquet has no column recall@20: .* two evaluations"):
        read_measured(folders[0]).values("recall@20")


def test_counts_bounds_and_chance_are_not_compared(folders) -> None:
    for name in ("tied_targets", "mrr@20/optimistic", "random_within_category/mrr@20"):
        edit(folders[0] / "metrics.json", "metrics", name, 0.5)

    tasks = ("", "category_1/")
    assert read_measured(folders[0]).names() == [
        f"{task}{metric}@20" for task in tasks for metric in ("mrr", "hits", "recall", "any_hit")
    ]


def add_metric(folder: Path, name: str, values: list[float], column: bool) -> None:
    """The metric in metrics.json, and in ranks.parquet if it has a column there."""
    edit(folder / "metrics.json", "metrics", name, float(np.mean(values)))
    if column:
        path = folder / "ranks.parquet"
        pq.write_table(pq.read_table(path).append_column(name, pa.array(values)), path)
