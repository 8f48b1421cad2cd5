import json
import re
import shutil
from base64 import b64decode
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hiersrec.api import report_parts
from hiersrec.api.report import Report
from hiersrec.build import open_run
from hiersrec.evaluate_run import evaluate_run
from hiersrec.evaluation.choose_candidates import CandidateGoal, choose
from hiersrec.evaluation.evaluate import EvaluationOptions
from hiersrec.retrieval.candidates import Candidates
from hiersrec.store.dataset import Dataset
from hiersrec.writing.tables import Table
from tests.cli.conftest import Result, run_here
from tests.shop import write_shop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluated(run) -> Result:
    return run_here("evaluate", run, "--json")


def test_evaluate_prints_what_it_writes(run, evaluated) -> None:
    assert evaluated.code == 0, evaluated.err
    document = json.loads(evaluated.out)

    assert document == json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert evaluated.err == ""
    assert 0 < document["metrics"]["mrr@20"] <= 1
    assert {"category_1/mrr@20", "category_2/mrr@20", "prefixes"} <= set(document["metrics"])
    assert document["metrics"]["prefixes"] == pq.read_table(run / "ranks.parquet").num_rows
    assert not list(run.glob(".*"))


def test_evaluate_twice_gives_the_same(hiersrec, run, evaluated) -> None:
    again = json.loads(hiersrec("evaluate", run, "--json").out)
    first = json.loads(evaluated.out)

    assert {**again, "seconds": 0} == {**first, "seconds": 0}


def test_tables_show_items_levels_and_slices(hiersrec, run) -> None:
    result = hiersrec("evaluate", run)

    assert result.code == 0, result.err
    for expected in (
        "the next item of",
        "category_1 ",
        "category_2 ",
        "any_hit",
        "mrr@20",
        "By number of known items in the session so far",
        "Calibration",
        "ECE",
    ):
        assert expected in result.out


@pytest.mark.parametrize("flags", [[], ["--k", "5,10,20", "--metrics", "ndcg,map,novelty,gini"]])
def test_all_fits_on_one_screen(hiersrec, run, monkeypatch, flags) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = hiersrec("evaluate", run, *flags).out.splitlines()

    assert len(shown) <= 52
    assert max(map(len, shown)) <= 80
    rest = "By popularity of the next item in training and category of the next item, and all else: --html FILE, or"
    assert f"{rest} --json." in " ".join(shown)


SLICES = {
    "cold_start": "what is new, in no training session",
    "target_in_prefix": "whether the next item was in the session before",
    "category_switch": "whether the next item leaves the category of the one before",
    "prefix_length": "number of known items in the session so far",
    "target_popularity": "popularity of the next item in training",
    "target_category": "category of the next item",
}


def test_the_page_needs_nothing_else_and_has_everything(hiersrec, run, tmp_path) -> None:
    result = hiersrec("evaluate", run, "--html", tmp_path / "report.html", "--metrics", "gini,vector_diversity")

    assert result.code == 0, result.err
    assert f"Written: {tmp_path / 'report.html'}" in result.out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    document = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert not re.search(r"<script|https?://|<link|@import", re.sub(r"base64,[^\"]*", "", page))
    for name, value in document["metrics"].items():
        assert f">{name}<" in page
        assert f">{value:.6g}<" in page or f">{value:,}<" in page
    for title in SLICES.values():
        assert page.count(f"<h2>By {title}</h2>") == 1
        assert page.count(f'by {title}" src=') == 1
    assert document["slices"].keys() == SLICES.keys()
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(pictures) == len(document["slices"]) + 1
    assert all(b64decode(picture).startswith(b"<?xml") for _, picture in pictures)
    assert "gini (lower is better)" in page
    again = Report(document)
    assert again.save_html(tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_a_page_that_can_not_be_a_file_is_refused_before_the_work(hiersrec, run, tmp_path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path, message in ((tmp_path, f"but {tmp_path} is a folder"), (tmp_path / "file" / "a.html", "is not one")):
        result = hiersrec("evaluate", run, "--html", path)
        assert (result.code, result.out) == (2, "")
        assert message in result.err
    assert hiersrec("evaluate", run, "--html", tmp_path / "new" / "report.html").code == 0


def test_the_reliability_picture_and_a_baseline_that_has_none(hiersrec, run, prepared, tmp_path) -> None:
    result = hiersrec("evaluate", run, "--reliability", tmp_path / "pictures")

    assert result.code == 0, result.err
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["reliability.png", "reliability.svg"]
    assert "reliability.svg" in result.out
    assert hiersrec("train", prepared[0], "--recipe", "popularity", "--out", tmp_path / "r").code == 0
    refused = hiersrec("evaluate", tmp_path / "r", "--reliability", tmp_path / "none")
    assert (refused.code, refused.out) == (2, "")
    assert "r has no calibration: only a trained model gives probabilities" in refused.err
    assert not (tmp_path / "none").exists()


OTHER = [
    (["--split", "valid"], "-valid"),
    (["--k", "3"], "-k3"),
    (["--k", "5,3", "--metrics", "ndcg,gini"], "-k3-5"),
    (["--last-only"], "-last_only"),
    (["--exclude-seen"], "-exclude_seen"),
    (["--candidates", "category", "--top", "1"], "-candidates-category-top1"),
    (["--candidates", "random", "--top", "1", "--k", "3"], "-k3-candidates-random-top1"),
    (["--split", "train", "--k", "1", "--last-only", "--exclude-seen"], "-train-k1-last_only-exclude_seen"),
]


@pytest.mark.parametrize(("flags", "suffix"), OTHER)
def test_other_choices_change_the_numbers_and_have_files_of_their_own(hiersrec, run, evaluated, flags, suffix) -> None:
    result = hiersrec("evaluate", run, "--json", *flags)

    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["files"] == {"metrics": f"metrics{suffix}.json", "ranks": f"ranks{suffix}.parquet"}
    assert document == json.loads((run / f"metrics{suffix}.json").read_text(encoding="utf-8"))
    assert (run / f"ranks{suffix}.parquet").is_file()
    assert document["metrics"] != json.loads(evaluated.out)["metrics"]
    assert json.loads((run / "metrics.json").read_text())["files"] == {
        "metrics": "metrics.json",
        "ranks": "ranks.parquet",
    }


@pytest.mark.parametrize("flags", [["--share", "0.6"], ["--keep", "0.4"], ["--share", "0.01"]])
@pytest.mark.parametrize("policy", ["category", "random"])
def test_top_is_chosen_on_validation_and_said(hiersrec, prepared, run, policy, flags) -> None:
    result = hiersrec("evaluate", run, "--candidates", policy, *flags, "--json")

    assert result.code == 0, result.err
    document = json.loads(result.out)
    opened, valid = open_run(run), Dataset.open(prepared[0]).sessions("valid")
    goal = {"policy": policy, "share": None, "keep": None, "promise": None, flags[0][2:]: float(flags[1])}
    choice = choose(opened.scorer, opened.catalog, valid, CandidateGoal(**goal))
    assert document["chosen"] == {**goal, "validation": choice.document()}
    assert document["options"]["candidates"] == {
        "policy": policy,
        "top": choice.candidates.top,
        "share": None,
        "mass": None,
        "seed": 0,
    }
    assert document["files"]["metrics"] == f"metrics-candidates-{policy}-top{choice.candidates.top}.json"
    with_top = json.loads(
        hiersrec("evaluate", run, "--candidates", policy, "--top", choice.candidates.top, "--json").out
    )
    assert with_top["metrics"] == document["metrics"]
    assert "chosen" not in with_top

    shown = " ".join(hiersrec("evaluate", run, "--candidates", policy, *flags).out.split())
    assert f"Only candidates were ranked ({policy}, top {choice.candidates.top}): " in shown
    assert f"{document['metrics']['candidates/share']:.2%} of the catalogue" in shown
    assert f"Top {choice.candidates.top} was chosen on validation sessions" in shown
    assert ("Even one category per level holds more than 1.00%, the goal." in shown) == (flags[1] == "0.01")


def test_a_seed_is_in_the_name_of_the_files(run) -> None:
    chosen = Candidates(policy="random", top=1, seed=3)

    assert evaluate_run(run, options=EvaluationOptions(candidates=chosen))["files"]["metrics"] == (
        "metrics-candidates-random-top1-seed3.json"
    )


def test_all_items_need_no_word_about_candidates(hiersrec, run) -> None:
    assert "andidates" not in hiersrec("evaluate", run).out


def test_a_moved_dataset_is_named_with_data(hiersrec, prepared, run, tmp_path) -> None:
    moved_run, moved = tmp_path / "run", tmp_path / "moved"
    shutil.copytree(run, moved_run)
    shutil.copytree(prepared[0], moved)
    document = json.loads((moved_run / "run.json").read_text(encoding="utf-8"))
    document["dataset"]["path"] = str(tmp_path / "gone")
    del document["seal_sha256"]
    (moved_run / "run.json").write_text(json.dumps(document), encoding="utf-8")

    lost = hiersrec("evaluate", moved_run)
    result = hiersrec("evaluate", moved_run, "--data", moved)

    assert lost.code == 2
    assert f"is no longer at {tmp_path / 'gone'}. Name its folder with --data." in lost.err
    assert result.code == 0, result.err


def test_another_dataset_is_refused(hiersrec, run, tmp_path) -> None:
    shop: Path = write_shop(tmp_path / "shop", sessions=30)
    other = tmp_path / "other"
    made = hiersrec(
        "prepare", shop / "events.csv", "--items", shop / "items.csv", "--out", other, "--split", "fraction:0.2"
    )
    assert made.code == 0, made.err

    result = hiersrec("evaluate", run, "--data", other)

    assert (result.code, result.out) == (2, "")
    assert f"{other} has other items than {run} was trained on (data)" in result.err


def cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def flip_a_bit(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def lose_a_file(folder: Path) -> None:
    (folder / "catalog" / "items.parquet").unlink()


def make_it_newer(folder: Path) -> None:
    seal = folder / "run.json"
    document = json.loads(seal.read_text(encoding="utf-8"))
    seal.write_text(json.dumps({**document, "format_version": 99}), encoding="utf-8")


def break_the_seal(folder: Path) -> None:
    seal = folder / "run.json"
    seal.write_text(seal.read_text(encoding="utf-8")[:-20], encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (cut_short, "bytes, its seal says"),
        (flip_a_bit, "does not match its checksum"),
        (lose_a_file, "items.parquet is missing. The run folder is cut short"),
        (make_it_newer, "has format version 99; this hiersrec reads up to 1. Update hiersrec."),
        (break_the_seal, "run.json is damaged"),
    ],
)
def test_a_harmed_run_folder_is_refused(hiersrec, run, tmp_path, harm, message) -> None:
    folder: Path = tmp_path / "run"
    shutil.copytree(run, folder)
    harm(folder)

    for result in (hiersrec("evaluate", folder), hiersrec("recommend", folder, "--session", "i1")):
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("Error: ")
        assert message in result.err


def test_a_dataset_folder_is_no_run_folder(hiersrec, prepared) -> None:
    result = hiersrec("evaluate", prepared[0])

    assert result.code == 2
    assert "is not a finished run folder: it has no run.json" in result.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--k", "0"], "k must be at least 1, got 0"),
        (["--k", "5,x"], "--k takes whole numbers, such as 5,10,20, got 5,x."),
        (["--k", "5", "--k", "10"], "--k is given once, with commas: --k 5,10."),
        (
            ["--metrics", "novelty", "--metrics", "gini"],
            "--metrics is given once, with commas: --metrics novelty,gini.",
        ),
        (["--metrics", "novelti"], "Did you mean 'novelty'?"),
        (["--split", "tst"], "Did you mean 'test'?"),
        (["--candidates", "categry", "--top", "1"], "Did you mean 'category'?"),
        (["--candidates", "categry", "--share", "0.1"], "Did you mean 'category'?"),
        (["--top", "2"], "got 2 with all"),
        (["--share", "0.5"], "got 0.5 with all"),
        (["--keep", "0.5"], "got 0.5 with all"),
        (["--candidates", "category"], "'category' need one of top"),
        (["--candidates", "random", "--top", "-1"], "top must be at least 1, got -1"),
        (
            ["--candidates", "category", "--share", "1.1"],
            "share must be above 0 and at most 1, got 1.1",
        ),
        (["--candidates", "category", "--keep", "0"], "keep must be above 0"),
        (["--candidates", "category", "--share", "0.1", "--keep", "0.9"], "got 2 of them"),
        (["--candidates", "category", "--share", "0.1", "--top", "3"], "got --top 3 as well. Give only one"),
    ],
)
def test_mistakes(hiersrec, run, flags, message) -> None:
    result = hiersrec("evaluate", run, *flags)

    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_several_k_are_columns_and_slices_have_the_greatest(run) -> None:
    document = evaluate_run(run, options=EvaluationOptions(k=(3, 5), metrics=("mrr", "gini")))
    shown = [part for part in Report(document).parts() if isinstance(part, Table)]

    assert shown[0].title.startswith("run on data, test split: the next item of ")
    assert shown[0].headings == ("metric", "@3", "@5")
    numbers = document["metrics"]
    assert shown[0].rows == (
        ("mrr", f"{numbers['mrr@3']:.2%}", f"{numbers['mrr@5']:.2%}"),
        ("gini (lower is better)", f"{numbers['gini@3']:.2%}", f"{numbers['gini@5']:.2%}"),
    )
    (by_length,) = [table for table in shown if table.title == "By number of known items in the session so far"]
    assert by_length.headings == ("slice", "prefixes", "mrr@5")
    assert list(Report(document).columns()) == ["task", "prefixes", "mrr@3", "mrr@5", "gini@3", "gini@5"]


def test_slices_have_plain_names_in_tables_and_categories_their_own(run) -> None:
    document = evaluate_run(run)
    some = document["slices"]["prefix_length"][0]
    for group, names in (
        ("cold_start", ("target new", "session holds new items", "all known")),
        ("category_switch", ("stays", "switches", "unknown")),
        ("prefix_length", ("0", "1", "11+")),
        ("target_category", ("0", "unknown", "target new")),
    ):
        document["slices"][group] = [some | {"slice": name} for name in names]

    first = {name: [row[0] for row in table.rows] for name, table in report_parts.slices(document, all_of_them=True)}

    assert first["cold_start"] == ["the next item", "only an earlier item", "nothing"]
    assert first["category_switch"] == ["stays", "switches", "no known category"]
    assert first["prefix_length"] == ["none", "1", "11+"]
    assert first["target_category"] == ["0", "unknown", "target new"]


def test_calibration_says_what_targets_outside_of_the_catalogue_do(run) -> None:
    document = evaluate_run(run)
    document["metrics"] |= {"unseen_targets": 1234, "prefixes": 20000}
    note = (
        "Next items that are not in the catalogue, 1,234 of 20,000, count as wrong here, for categories too: a well "
        "calibrated model looks too sure by about their share."
    )

    *_, calibration = report_parts.levels(document)
    document["metrics"]["unseen_targets"] = 0
    *_, without = report_parts.levels(document)

    assert calibration.title.startswith("Calibration")
    assert (calibration.notes, without.notes) == ((note,), ())


def test_new_items_are_one_sentence(run) -> None:
    document = evaluate_run(run)
    names = ("within_category", "random_within_category", "random_within_predicted_category")
    numbers = {f"{name}/hits@20": value for name, value in zip(names, (0.5, 0.25, 0.125), strict=True)}
    document["metrics"] |= numbers
    new = next(row for row in document["slices"]["cold_start"] if row["slice"] == "target new")

    text = " ".join(map(str, Report(document).parts()))

    assert f"Where the next item is new, hits@20 is {new['metrics']['hits@20']:.2%}. Random order within its" in text
    assert "category would have 25.00%, within the category that the run predicts 12.50%; the run's own order" in text
    assert "within its category 50.00%." in text
