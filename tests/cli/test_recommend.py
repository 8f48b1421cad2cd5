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
