import json

import pytest

from hiersrec.serving.recommender import Recommender
from tests.cli.conftest import run_process

pytestmark = pytest.mark.slow


def test_json_is_what_the_python_call_returns(run) -> None:
    result = run_process("recommend", run, "--session", "i1, i2", "--session", "zz", "--k", 3, "--explain", "--json")

    expected = Recommender.load(run).recommend([["i1", "i2"], ["zz"]], 3, explain=True)
    assert result.code == 0, result.err
    assert result.err == ""
    known, unknown = json.loads(result.out)
    assert [item["item_id"] for item in known["items"]] == [item.item_id for item in expected[0].items]
    assert unknown == expected[1].to_dict()
    assert unknown["unknown_ids"] == ["zz"]
    assert unknown["fallback"] == "popular"


def test_parts_add_up_to_the_score_of_the_trained_model(hiersrec, run) -> None:
    result = hiersrec("recommend", run, "--session", "i1,i2,i3", "--explain", "--json")

    [answer] = json.loads(result.out)
    assert len(answer["items"]) == 12
    assert [task[0]["task"] for task in answer["guesses"]] == ["category_1", "category_2"]
    for item in answer["items"]:
        assert sum(reason["value"] for reason in item["reasons"]) == pytest.approx(item["score"], abs=1e-4)
        assert {reason["source"] for reason in item["reasons"]} >= {"session", "category_1", "category_2"}


def test_tables_are_in_titles(hiersrec, run) -> None:
    result = hiersrec("recommend", run, "--session", "i1,i2", "--explain")

    assert result.code == 0, result.err
    assert "Session: Thing 1 > Thing 2" in result.out
    assert "Likely to come next" in result.out
    assert "raised or lowered most by" in result.out


def test_exclude_seen(hiersrec, run) -> None:
    result = hiersrec("recommend", run, "--session", "i1,i2", "--exclude-seen", "--json")

    [answer] = json.loads(result.out)
    assert {item["item_id"] for item in answer["items"]} == {f"i{n}" for n in range(12)} - {"i1", "i2"}


def test_a_baseline_gives_no_reasons(hiersrec, prepared, tmp_path) -> None:
    assert hiersrec("train", prepared[0], "--out", tmp_path / "r", "--recipe", "popularity").code == 0

    result = hiersrec("recommend", tmp_path / "r", "--session", "i1", "--explain")
    without = hiersrec("recommend", tmp_path / "r", "--session", "i1")

    assert (result.code, result.out) == (2, "")
    assert "This model has no reasons to give: only recipes with [[tasks]]" in result.err
    assert without.code == 0


def test_wrong_k(hiersrec, run) -> None:
    result = hiersrec("recommend", run, "--session", "i1", "--k", 0)

    assert (result.code, result.out) == (2, "")
    assert "k must be at least 1, got 0" in result.err


def test_candidates_are_ranked_alone_and_counted(hiersrec, run) -> None:
    flags = ["--session", "i1,i2", "--candidates", "category", "--top", 1]
    [answer] = json.loads(hiersrec("recommend", run, *flags, "--json").out)
    [full] = json.loads(hiersrec("recommend", run, "--session", "i1,i2", "--json").out)

    ranked = [item["item_id"] for item in answer["items"] if item["source"] == "session"]
    assert 0 < answer["candidates"] == len(ranked) < full["candidates"] == 12
    assert [item["item_id"] for item in full["items"] if item["item_id"] in ranked] == ranked
    assert answer["fallback"] == answer["items"][-1]["source"] != "session", "popular ones fill the list"
    [same] = json.loads(hiersrec("recommend", run, "--session", "i1,i2", "--top", 1, "--json").out)
    assert same == answer, "--top alone means candidates by category"
    assert f"Ranked {answer['candidates']} of 12 items." in hiersrec("recommend", run, *flags).out
    assert "Ranked" not in hiersrec("recommend", run, "--session", "i1,i2").out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--candidates", "category"], "'category' need one of top"),
        (["--candidates", "all", "--top", "3"], "got 3 with all"),
        (["--candidates", "random", "--top", "0"], "top must be at least 1, got 0"),
        (["--candidates", "categories", "--top", "1"], "Did you mean 'category'?"),
    ],
)
def test_impossible_candidates(hiersrec, run, flags, message) -> None:
    result = hiersrec("recommend", run, "--session", "i1", *flags)

    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_wishes_of_a_shop(hiersrec, run) -> None:
    def ids(*flags: object) -> list[str]:
        [answer] = json.loads(hiersrec("recommend", run, "--session", "i1,i2", *flags, "--json").out)
        return [item["item_id"] for item in answer["items"]]

    everything = ids()
    assert ids("--deny", "i3,i4") == [item for item in everything if item not in ("i3", "i4")]
    assert ids("--allow", "i3,i4,zzz") == [item for item in everything if item in ("i3", "i4")]
    [answer] = json.loads(hiersrec("recommend", run, "--session", "i1,i2", "--json").out)
    path = answer["items"][0]["category_path"]
    under = [item["item_id"] for item in answer["items"] if item["category_path"] == path]
    assert ids("--category", "/".join(path)) == under
    assert ids("--per-category", 1)[0] == everything[0]
    assert len(ids("--per-category", 1)) < len(everything)
    assert 0 < len(ids("--share", 0.5, "--k", 1)) == 1


def test_rules_of_a_shop_from_flags_and_files(hiersrec, run, tmp_path) -> None:
    def scores(*flags: object) -> dict[str, float]:
        [answer] = json.loads(hiersrec("recommend", run, "--session", "i1,i2", *flags, "--json").out)
        return {item["item_id"]: item["score"] for item in answer["items"]}

    (tmp_path / "sold out.txt").write_text("i3\n\n i4 \nzzz\n", encoding="utf-8")
    (tmp_path / "here.csv").write_text("item_id,since\ni5,1\ni6,2\n", encoding="utf-8")
    (tmp_path / "boosts.csv").write_text("item_id,boost\ni7,0.5\ni8,-2\n", encoding="utf-8")
    everything = scores()

    assert set(scores("--deny-file", tmp_path / "sold out.txt")) == set(everything) - {"i3", "i4"}
    assert set(scores("--deny-file", tmp_path / "sold out.txt", "--deny", "i5")) == set(everything) - {"i3", "i4", "i5"}
    assert set(scores("--allow-file", tmp_path / "here.csv")) == {"i5", "i6"}
    boosted = scores("--boost", "i9=100", "--boost-file", tmp_path / "boosts.csv", "--boost-category", "Fruit=-50")
    added = {"i9": 100, "i7": 0.5, "i8": -2, **{f"i{number}": -50 for number in range(6)}}
    assert boosted == pytest.approx({item: score + added.get(item, 0) for item, score in everything.items()}, abs=1e-4)
    assert next(iter(boosted)) == "i9"
    spread = scores("--diversity", 0.9)
    assert spread == everything
    assert list(spread) != list(everything)
    shown = hiersrec("recommend", run, "--session", "i1,i2", "--boost", "i9=100", "--explain", "--k", 1).out
    assert "boost" in shown
    assert "+100.00" in shown


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--boost", "i1"], "--boost is a name, '=' and a number, such as --boost lamp=0.5, got 'i1'"),
        (["--boost", "=1"], "got '=1'"),
        (["--boost", "i1=much"], "got 'i1=much'"),
        (["--boost", "i1=1e9"], "The boost of 'i1' must be from -1,000 to 1,000"),
        (["--boost", "i1=1", "--boost", "i1=2"], "--boost names 'i1' twice"),
        (["--boost", "i1=1", "--boost-file", "twice.csv"], "has a boost in twice.csv and one by --boost"),
        (["--boost-file", "repeated.csv"], "row 2: the item 'i1' has a boost already"),
        (["--boost-file", "text.csv"], "text.csv, row 1: boost must be a number, got 'x'"),
        (["--deny-file", "none.txt"], "none.txt can't be read: No such file or directory"),
        (["--deny-file", "none.csv"], "There is no file or folder at none.csv"),
        (["--deny-file", "other.csv"], "other.csv has no column 'item_id', only sku, boost"),
        (["--deny-file", "gap.csv"], "gap.csv, row 2: 'item_id' is empty"),
        (["--deny-file", "latin.txt"], "latin.txt is no text in UTF-8"),
        (["--diversity", "2"], "diversity must be from 0"),
    ],
)
def test_rules_that_can_not_be_read(hiersrec, run, tmp_path, monkeypatch, flags, message) -> None:
    monkeypatch.chdir(tmp_path)
    rows = {"twice": "i1,1", "repeated": "i1,1\ni1,2", "text": "i1,x", "gap": "i1,1\n,2"}
    for name, text in rows.items():
        (tmp_path / f"{name}.csv").write_text(f"item_id,boost\n{text}\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("sku,boost\n1,2\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"\xe4\n")

    result = hiersrec("recommend", run, "--session", "i1", *flags)

    assert (result.code, result.out) == (2, "")
    assert message in result.err
