"""Flags and files of what a shop allows, denies, boosts and spreads."""

import json

import pytest

pytestmark = pytest.mark.slow


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
        (["--boost", "17=1", "--boost-file", "numbers.csv"], "The item '17' has a boost in numbers.csv and one by"),
        (["--boost-file", "repeated.csv"], "row 2: the item 'i1' has a boost already"),
        (["--boost-file", "text.csv"], "text.csv, row 1: boost must be a number, got 'x'"),
        (["--deny-file", "none.txt"], "none.txt can't be read: No such file or directory"),
        (["--deny-file", "none.csv"], "There is no file or folder at none.csv"),
        (["--deny-file", "other.csv"], "other.csv has no column 'item_id', only sku, boost"),
        (["--boost-file", "other.csv"], "only sku, boost. Rename one."),
        (["--deny-file", "gap.csv"], "gap.csv, row 2: 'item_id' is empty"),
        (["--deny-file", "latin.txt"], "latin.txt is no text in UTF-8"),
        (["--diversity", "2"], "diversity must be from 0"),
    ],
)
def test_rules_that_can_not_be_read(hiersrec, run, tmp_path, monkeypatch, flags, message) -> None:
    monkeypatch.chdir(tmp_path)
    rows = {"numbers": "17,1", "twice": "i1,1", "repeated": "i1,1\ni1,2", "text": "i1,x", "gap": "i1,1\n,2"}
    for name, text in rows.items():
        (tmp_path / f"{name}.csv").write_text(f"item_id,boost\n{text}\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("sku,boost\n1,2\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"\xe4\n")

    result = hiersrec("recommend", run, "--session", "i1", *flags)

    assert (result.code, result.out) == (2, "")
    assert message in result.err
