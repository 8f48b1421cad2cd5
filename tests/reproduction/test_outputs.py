"""`hiersrec reproduce all` on a small shop: every file is there, and the cells are those of the metrics files."""

import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from hiersrec import registry
from hiersrec.config import ModelRecipe
from hiersrec.errors import BadInput, MissingExtra, UnknownName
from hiersrec.recipe_file import RECIPES, read_recipe, recipe_names
from hiersrec.reproduction import _storyboard, figure2a, table2, table3, table4b
from hiersrec.reproduction._bench import open_bench
from hiersrec.reproduction._case import pick_sessions
from hiersrec.reproduction._cells import METRICS, NAMES, Marks, change, percent
from hiersrec.reproduction._output import with_runs
from hiersrec.reproduction._reproduce import members, reproduce
from hiersrec.reproduction._runs import evaluated, folder_of
from hiersrec.store.dataset import Dataset
from hiersrec.training.progress import SilentReporter

pytestmark = pytest.mark.slow

PICTURES = ["figure2a", "figure2b", "table3", "table4a", "table4b"]
MEMBERS = ["figure2a", "figure2b", "table2", "table3", "table4a", "table4b"]


def rows_of(output) -> dict[str, tuple[str, ...]]:
    return {row[0]: row for row in output.table.rows}


def test_the_folder_holds_the_tables_and_figures_of_the_paper() -> None:
    assert registry.names("reproduction") == members("all") == MEMBERS
    assert members("table3") == ["table3"]
    with pytest.raises(UnknownName, match=r"There is no table or figure 'tabel3'. Did you mean 'table3'\?"):
        members("tabel3")


@pytest.mark.parametrize("name", MEMBERS)
def test_every_recipe_of_it_is_one_that_fits_every_dataset_and_has_a_name(name) -> None:
    for recipe in registry.load("reproduction", name).RECIPES:
        assert f"any/{recipe}" in recipe_names()
        assert recipe in NAMES


@pytest.mark.parametrize("name", MEMBERS)
def test_files_and_what_they_say_of_their_making(everything, name) -> None:
    bench, outputs = everything
    ends = ["md", "tex", "json", *(["png", "svg"] if name in PICTURES else [])]
    document = json.loads((bench.out / f"{name}.json").read_text(encoding="utf-8"))
    text = (bench.out / f"{name}.md").read_text(encoding="utf-8")

    assert sorted(path.name for path in bench.out.glob(f"{name}.*")) == sorted(f"{name}.{end}" for end in ends)
    assert (document["command"], document["budget"], document["seeds"]) == (bench.command, "small", [0])
    assert {"hiersrec", "torch", "numpy", "python"} <= set(document["versions"])
    assert document["hardware"]["cores"].endswith(" cores")
    assert document["dataset"]["fingerprint"] == bench.dataset.fingerprint
    assert document["numbers"] == json.loads(json.dumps(outputs[name].numbers))
    assert set(document["runs"]) == {f"{one}-0" for one in registry.load("reproduction", name).RECIPES}
    for facts in document["runs"].values():
        assert facts["recipe"]["name"]
        assert 0 <= facts["test"]["mrr@20"] <= 1
    assert f"Written {document['made']} by" in text
    assert ("Budget small: at most 3 epochs" in text) == bool(document["runs"])


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_can_be_read(everything, name) -> None:
    bench, _ = everything

    assert (bench.out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert ET.parse(bench.out / f"{name}.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own file


def test_a_small_budget_is_told_in_the_picture_and_a_full_one_is_not(everything) -> None:
    bench, outputs = everything
    budget_note = "Budget small: at most 3 epochs: a smoke test, not a result"

    assert budget_note in (bench.out / "table4b.svg").read_text(encoding="utf-8")
    assert any(note.startswith(budget_note) for note in outputs["table4b"].table.notes)
    full = with_runs(replace(bench, budget="full"), ["hiersrec"], table4b.make(bench))
    assert full.figure is not None
    assert full.figure.get_suptitle() == f"Ablation on {bench.dataset.name}"


def test_table_2_has_the_statistics_beside_the_papers(everything) -> None:
    bench, outputs = everything
    rows = rows_of(outputs["table2"])
    statistics = bench.dataset.document["statistics"]

    assert rows["Training sessions"] == ("Training sessions", f"{statistics['training_sessions']:,}", "191K", "2.8M")
    assert rows["Items"] == ("Items", str(bench.dataset.catalog.num_items), "117K", "259K")
    assert rows["Mean session length"][1:3] == (f"{statistics['mean_session_length']:.2f}", "4.60")
    assert rows["Categories, coarse to fine"][1:3] == ("2, 6", "1.2K")
    assert table2.RECIPES == ()


def test_table_3_has_our_numbers_the_tests_and_the_papers(everything) -> None:
    bench, outputs = everything
    table, rows = outputs["table3"].table, rows_of(outputs["table3"])
    ours = {name: evaluated(bench, name)["metrics"] for name in table3.RECIPES}

    assert [row[0] for row in table.rows][:-1] == [NAMES[name] for name in table3.RECIPES]
    for name, metrics in ours.items():
        assert rows[NAMES[name]][1:6] == ("1", *(f"{100 * metrics[metric]:.2f}" for metric in METRICS))
    assert rows["NARM"][8:] == ("7.51 / 29.93 / 46.21", "10.36 / 27.92 / 41.63")
    assert rows["S-KNN"][8:] == ("", "")
    tests = outputs["table3"].numbers["comparison"]["systems"][1]["metrics"]["mrr@20"]["ours_better_by"]
    assert 0 < tests["p_sessions"] <= tests["p_sessions_holm"] <= 1
    assert all(rows[NAMES[name]][6] for name in table3.BASELINES)
    assert rows["HierSRec"][6] != ""
    assert rows["HierSRec"][8:] == ("9.90 / 33.47 / 50.31", "12.45 / 30.19 / 44.43")
    assert rows["HierSRec, default recipe"][6:] == ("", "", "", "")
    last, best = table.rows[-1], max(ours[name]["hits@20"] for name in table3.BASELINES)
    assert last[3] == f"{100 * (ours['best']['hits@20'] / best - 1):+.1f} %"
    assert last[8] == "+25.8 % / +11.8 % / +8.9 %"
    highest = max(metrics["mrr@20"] for metrics in ours.values())
    best_rows = {row for row, column in table.best if column == 2}
    assert best_rows == {row for row, name in enumerate(table3.RECIPES) if ours[name]["mrr@20"] == highest}


def test_table_3_on_the_standard_split_has_the_published_numbers_with_their_marks(everything) -> None:
    bench, _ = everything
    renamed = replace(bench.dataset, document={**bench.dataset.document, "name": "diginetica"})

    output = table3.make(replace(bench, dataset=renamed))

    assert output.table.headings[-1] == "Published, this split: HITS / MRR"
    last = {name: row[-1] for name, row in rows_of(output).items()}
    assert last["COTREC"] == "54.18 / 19.07 [M]"
    assert last["VS-KNN"] == "~52.03 / 18.41 [R]"
    assert any("[M] from memory, unverified" in note and "TAGNN paper" in note for note in output.table.notes)


def test_table_4a_has_every_level_and_marks_the_best_of_each(everything) -> None:
    bench, outputs = everything
    table, rows = outputs["table4a"].table, rows_of(outputs["table4a"])
    metrics = evaluated(bench, "multi_task")["metrics"]

    assert len(table.rows) == 2 * 3
    assert rows["Level 2: Multi-task, no hierarchy"][1] == f"{100 * metrics['category_2/mrr@20']:.2f}"
    assert rows["Level 1: HierSRec"][-1] == "87.47 / 92.91 / 93.96"
    assert rows["Level 2: HierSRec"][-1] == ""
    column = [float(row[1]) for row in table.rows[:3]]
    if len(set(column)) > 1:
        assert (column.index(max(column)), 1) in table.best


def test_table_4b_has_the_ablation(everything) -> None:
    bench, outputs = everything
    rows = rows_of(outputs["table4b"])
    ours, single = (evaluated(bench, name)["metrics"]["mrr@20"] for name in ("hiersrec", "single_task"))

    assert list(rows) == ["Single task", "Multi-task, no hierarchy", "HierSRec"]
    assert rows["Single task"][5] == f"{100 * (ours / single - 1):+.1f} %"
    assert rows["Single task"][6] == "7.52 / 25.24 / 40.37"
    assert rows["HierSRec"][5] == ""


def test_figure_2a_has_a_point_for_each_policy_and_k_that_leaves_something_out(everything) -> None:
    bench, outputs = everything
    table, numbers = outputs["figure2a"].table, outputs["figure2a"].numbers

    assert figure2a.tops(bench) == [1]  # 2 categories on level 1
    assert [row[:2] for row in table.rows] == [
        ("All items", ""),
        ("Of the likeliest categories", "1"),
        ("As many at random", "1"),
    ]
    category, random = numbers["points"]
    assert category["share"] == random["share"] < 1
    assert category["mrr@20"] <= numbers["all"]["mrr@20"]
    name = "metrics-candidates-category-top1.json"
    assert json.loads((folder_of(bench, "hiersrec") / name).read_text())["metrics"]["mrr@20"] == category["mrr@20"]


def test_figure_2b_shows_sessions_their_categories_and_the_item_that_came_next(everything) -> None:
    bench, outputs = everything
    cases = outputs["figure2b"].numbers
    walks = pick_sessions(bench.dataset)
    svg = (bench.out / "figure2b.svg").read_text(encoding="utf-8")

    assert len(cases) == len(walks) == 3
    for walk, case in zip(walks, cases, strict=True):
        titles = bench.dataset.catalog.column("title", walk)
        assert (case["seen"], case["next_title"]) == (titles[:-1], titles[-1])
        assert [part["title"] for part in case["items"] if part["is_next"]] == titles[-1:]
        assert [part["rank"] for part in case["items"]][:6] == list(range(1, 7))
        assert sum(part["is_right"] for part in case["levels"][0]) == 1  # there are only two
        assert len(case["levels"]) == 2
        for guesses in case["levels"]:
            chances = [part["probability"] for part in guesses]
            assert chances == sorted(chances, reverse=True)
        assert f"★ {titles[-1]}" in svg
    assert all(set(item["parts"]) == {1, 2} for case in cases for item in case["items"])


def test_sessions_of_the_figure_are_spread_known_and_without_repeats(shop) -> None:
    for walk in pick_sessions(shop):
        assert 5 <= len(walk) <= 7
        assert walk.min() > 0
        assert len(np.unique(walk)) == len(walk)


def test_marks_go_to_the_best_and_the_second_best() -> None:
    marks = Marks()

    marks.add([dict.fromkeys(METRICS, value) for value in (0.2, None, 0.5, 0.3, 0.5)], first_column=1, first_row=10)
    marks.add([dict.fromkeys(METRICS, 0.4)] * 2, first_column=1)

    columns = range(1, 1 + len(METRICS))
    assert marks.best == {(row, column) for row in (12, 14) for column in columns}
    assert marks.second == {(13, column) for column in columns}


def test_cells() -> None:
    assert percent(0.09904) == "9.90"
    assert percent(None) == change(1.0, 0.0) == ""
    assert change(0.0990, 0.0787) == "+25.8 %"
    assert change(0.09, 0.1) == "-10.0 %"


@pytest.mark.parametrize("dataset", sorted({n.split("/")[0] for n in recipe_names() if n.endswith("/hiersrec")}))
def test_the_ablation_on_a_dataset_differs_from_its_hiersrec_only_in_the_tasks(dataset) -> None:
    recipes = [read_recipe(RECIPES / dataset / f"{name}.toml") for name in ("hiersrec", "multi_task", "single_task")]
    ours, multi, single = recipes

    for recipe in recipes:
        assert isinstance(recipe, ModelRecipe)
        assert replace(recipe, name="", description="", tasks=()) == replace(ours, name="", description="", tasks=())
        assert recipe.tasks[-1] == replace(
            ours.tasks[-1], reads=recipe.tasks[-1].reads, reads_as=recipe.tasks[-1].reads_as
        )
        assert bool(recipe.tasks[-1].reads) == (recipe is ours)
    assert multi.tasks[:-1] == ours.tasks[:-1]
    assert single.tasks[:-1] == ()


MISTAKES = [
    ({"seeds": 0}, BadInput, "--seeds must be at least 1, got 0."),
    ({"budget": "smal"}, UnknownName, "There is no budget 'smal'. Did you mean 'small'?"),
    ({}, BadInput, "No dataset is given. Name a public one with --dataset, or a dataset folder with --data."),
    ({"dataset": "wikispedia"}, UnknownName, "Did you mean 'wikispeedia'?"),
    ({"dataset": "diginetica"}, BadInput, "The dataset diginetica is not part of hiersrec"),
    ({"data": "shop", "dataset": "wikispeedia"}, BadInput, "holds the dataset shop, not wikispeedia."),
    ({"data": "shop", "source": "here"}, BadInput, "is already prepared, so --source here has no effect."),
]


@pytest.mark.parametrize(("changes", "kind", "message"), MISTAKES)
def test_a_wrong_choice_is_refused_before_anything_is_written(shop, tmp_path, changes, kind, message) -> None:
    choices = {"dataset": None, "source": None, "data": None, "seeds": 1, "budget": "full", **changes}
    if choices["data"]:
        choices["data"] = shop.folder

    with pytest.raises(kind) as error:
        open_bench(**choices, out=tmp_path / "out", command="", reporter=SilentReporter())

    assert message in str(error.value)
    assert not (tmp_path / "out" / "runs").exists()


def test_without_matplotlib_it_ends_before_the_trainings(make_bench, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    bench = make_bench()

    assert [name for name, _, _ in reproduce(bench, ["table2"])] == ["table2"]
    with pytest.raises(MissingExtra, match=r"pip install '\.\[figures\]'"):
        list(reproduce(bench, ["table4b"]))
    assert not (bench.out / "runs").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Diana, Princess of Wales", "Diana, Princess of Wales"),
        ("two  words " * 3, "two words two words two words"),
        ("x" * 31, "x" * 29 + "…"),
    ],
)
def test_long_names_are_cut_and_never_vanish(text, expected) -> None:
    assert _storyboard._cut(text, 30) == expected


def test_a_dataset_without_categories_has_table_2_alone(make_bench, shop) -> None:
    class Flat(Dataset):
        @property
        def catalog(self):
            return replace(shop.catalog, levels=[])

    bench = replace(make_bench(), dataset=Flat(shop.folder, shop.document))

    assert [name for name, _, _ in reproduce(bench, ["table2"])] == ["table2"]
    with pytest.raises(BadInput, match=r"has none\. Prepare it with categories"):
        list(reproduce(bench, ["table4b"]))
