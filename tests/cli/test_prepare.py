import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hiersrec.preparation.settings import PrepareSettings
from tests.shop import write_shop


def test_results_go_to_standard_output_and_news_to_standard_error(prepared) -> None:
    folder, made = prepared

    assert made.code == 0
    assert json.loads(made.out) == json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert all(line.startswith("prepare: ") for line in made.err.splitlines())


FLAGS = [
    (["--drop-repeats"], {"sessions": {"drop_repeats": True}}),
    (["--max-session-length", "3"], {"sessions": {"max_length": 3}}),
    (["--gap", "60"], {"sessions": {"gap_seconds": 60.0}}),
    (["--min-item-count", "2"], {"filters": {"min_item_count": 2}}),
    (["--min-session-length", "3"], {"filters": {"min_session_length": 3}}),
    (["--seed", "5"], {"split": {"seed": 5}}),
    (["--validation", "latest"], {"split": {"valid": "latest"}}),
    (["--validation-share", "0.2"], {"split": {"valid_share": 0.2}}),
    (["--hold-out-items", "0.1"], {"split": {"hold_out_items": 0.1}}),
    (["--text", "title"], {"metadata": {"text": ["title"]}}),
    (["--categorical", "title"], {"metadata": {"categorical": ["title"]}}),
    (["--multi", "title", "--multi-separator", " "], {"metadata": {"multi": ["title"], "multi_separator": " "}}),
    (["--text-vectors", "title"], {"metadata": {"text_vectors": ["title"]}}),
    (["--ignore", "title"], {"metadata": {"ignore": ["title"]}}),
    (["--implicit-categories", "3"], {"implicit": {"clusters": [3]}}),
    (["--implicit-categories", "2, 5"], {"implicit": {"clusters": [2, 5]}}),
    (["--implicit-categories", "auto"], {"implicit": {"auto": True}}),
    (["--session-id", "session_id"], {"columns": {"session_id": "session_id"}}),
    (["--item-id", "item_id"], {"columns": {"item_id": "item_id"}}),
    (["--timestamp", "timestamp"], {"columns": {"timestamp": "timestamp"}}),
    (["--category-columns", "category_1, category_2"], {"columns": {"category_columns": ["category_1", "category_2"]}}),
    (
        ["--category-path", "category_2", "--category-separator", " ", "--ignore", "category_1"],
        {
            "columns": {"category_path": "category_2", "category_separator": " "},
            "metadata": {"ignore": ["category_1"]},
        },
    ),
]
SPLITS = [
    ("last-days:5", {"method": "last_days", "value": 5.0}),
    ("date:2020-10-01", {"method": "date", "value": "2020-10-01"}),
    ("fraction:0.2", {"method": "fraction", "value": 0.2}),
    ("random:0.2", {"method": "random", "value": 0.2}),
]


def settings_with(changes: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    plain = json.loads(json.dumps(PrepareSettings().document()))
    return {group: {**values, **changes.get(group, {})} for group, values in plain.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "changes"), FLAGS)
def test_a_flag_changes_its_setting_and_no_other(hiersrec, shop, tmp_path, flags, changes) -> None:
    words = ["prepare", shop / "events.csv", "--items", shop / "items.csv", "--out", tmp_path / "d"]
    result = hiersrec(*words, "--split", "fraction:0.2", "--json", *flags)

    split = {"method": "fraction", "value": 0.2, **changes.get("split", {})}
    assert result.code == 0, result.err
    assert json.loads(result.out)["settings"] == settings_with({**changes, "split": split})


def test_numbers_and_vectors_of_a_file(hiersrec, shop, tmp_path) -> None:
    header, *rows = (shop / "items.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"{header},price", *(f"{row},{number % 4}.5" for number, row in enumerate(rows))]
    (tmp_path / "items.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    np.save(tmp_path / "image.npy", np.eye(12, 3))

    result = hiersrec(
        "prepare", shop / "events.csv", "--items", tmp_path / "items.csv", "--out", tmp_path / "d", "--numeric",
        "price", "--split", "fraction:0.2", "--vectors", f"image={tmp_path / 'image.npy'}",
    )  # fmt: skip

    assert result.code == 0, result.err
    assert "numeric, 100.0% of items, 4 values" in result.out
    assert "vector, 25.0% of items, vectors of 3 numbers" in result.out


@pytest.mark.slow
def test_a_flag_goes_before_the_kind_that_a_public_dataset_gives_a_column(hiersrec, tmp_path) -> None:
    flags = ["--out", tmp_path / "d", "--categorical", "title", "--json"]

    result = hiersrec("prepare", "--dataset", "wikispeedia", *flags)

    assert result.code == 0, result.err
    metadata = json.loads(result.out)["settings"]["metadata"]
    assert (metadata["text"], metadata["categorical"], metadata["ignore"]) == ([], ["title"], ["all_categories"])


@pytest.mark.parametrize(("rule", "split"), SPLITS)
def test_split_rules(hiersrec, shop, tmp_path, rule, split) -> None:
    events, items = shop / "events.csv", shop / "items.csv"

    result = hiersrec("prepare", events, "--items", items, "--out", tmp_path / "d", "--split", rule, "--json")

    assert result.code == 0, result.err
    assert json.loads(result.out)["settings"] == settings_with({"split": split})


def test_split_key_event_types_and_users(hiersrec, shop, tmp_path) -> None:
    header, *rows = (shop / "events.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"{header},user,event"] + [f"{row},u{n % 7},{('view', 'buy')[n % 2]}" for n, row in enumerate(rows)]
    events = tmp_path / "events.csv"
    events.write_text("\n".join(lines).replace("session_id", "visit") + "\n", encoding="utf-8")

    result = hiersrec(
        "prepare", events, "--items", shop / "items.csv", "--out", tmp_path / "d", "--user-id", "user",
        "--event-type", "event", "--event-types", "view, buy", "--split", "random:0.3", "--split-key", "user",
        "--min-user-count", "2", "--name", "mine", "--gap", "100000000", "--json",
    )  # fmt: skip

    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["name"] == "mine"
    assert document["settings"]["sessions"]["event_types"] == ["view", "buy"]
    assert document["settings"]["split"]["key"] == "user"
    assert document["settings"]["filters"]["min_user_count"] == 2


def test_a_given_test_file(hiersrec, shop, tmp_path) -> None:
    lines = (shop / "events.csv").read_text(encoding="utf-8").splitlines()
    cut = next(number for number, line in enumerate(lines) if line.startswith("s100,"))
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("\n".join(lines[:cut]) + "\n", encoding="utf-8")
    test.write_text("\n".join([lines[0], *lines[cut:]]) + "\n", encoding="utf-8")

    tables = [train, "--items", shop / "items.csv", "--test", test]

    result = hiersrec("prepare", *tables, "--out", tmp_path / "d", "--json")

    assert result.code == 0, result.err
    assert json.loads(result.out)["statistics"]["test_sessions"] == 20


@pytest.mark.slow
def test_a_public_dataset_keeps_its_own_settings(hiersrec, tmp_path) -> None:
    result = hiersrec("prepare", "--dataset", "wikispeedia", "--out", tmp_path / "d", "--seed", "4", "--json")

    assert result.code == 0, result.err
    document = json.loads(result.out)
    assert document["name"] == "wikispeedia"
    assert document["settings"]["split"]["key"] == "first_last_item"
    assert document["settings"]["split"]["seed"] == 4


MISTAKES = [
    (["--split", "7"], "--split must look like last-days:7"),
    (["--split", "last-days:soon"], "--split must look like last-days:7, date:2016-05-25"),
    (["--split", "last-weeks:7"], "There is no split 'last-weeks'. Did you mean 'last-days'?"),
    ([], "There are no test sessions. Give --split"),
    (["--split", "fraction:0.2", "--validation-share", "2"], "--validation-share must be between 0 and 1, got 2.0"),
    (["--split", "fraction:0.2", "--hold-out-items", "1"], "--hold-out-items must be a share of the items below 1"),
    (["--split", "fraction:0.2", "--session-id", "sid"], "has no column 'sid'"),
    (["--split", "fraction:0.2", "--numeric", "title"], "'Thing 0' of item 'i0' is not a number"),
    (["--split", "fraction:0.2", "--text-encoder", "minilm"], "--text-encoder minilm needs columns"),
    (["--split", "fraction:0.2", "--vectors", "image=no.npy"], "There is no file at no.npy, named by --vectors"),
    (["--split", "fraction:0.2", "--implicit-categories", "many"], "must be a number of clusters such as 995"),
    (["--split", "fraction:0.2", "--implicit-categories", "5,2"], "must grow from level to level, as in 30,995"),
    (["--split", "fraction:0.2", "--implicit-categories", "1"], "needs at least 2 clusters per level, got 1"),
    (["--split", "fraction:0.2", "--implicit-categories", "999"], "got 999 clusters, but the"),
    (
        ["--split", "fraction:0.2", "--engine", "sparc"],
        "There is no --engine 'sparc'. Known: duckdb, local-spark, spark",
    ),
    (["--dataset", "wikispedia"], "Did you mean 'wikispeedia'?"),
    (["--dataset", "wikispeedia"], "takes all its tables from the folder EVENTS. Leave out --items."),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_a_mistake_ends_with_code_2_and_nothing_is_written(hiersrec, shop, tmp_path, flags, message) -> None:
    out = tmp_path / "made" / "d"

    result = hiersrec("prepare", shop / "events.csv", "--items", shop / "items.csv", "--out", out, *flags)

    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert message in result.err
    assert result.out == ""
    assert not list(tmp_path.rglob("*.*"))


def test_no_events(hiersrec, tmp_path) -> None:
    result = hiersrec("prepare", "--out", tmp_path / "d", "--split", "fraction:0.1")

    assert (result.code, result.out) == (2, "")
    assert "No events are given" in result.err


def test_an_older_folder_stays_unless_overwrite_is_set(hiersrec, tmp_path) -> None:
    shop: Path = write_shop(tmp_path / "shop", sessions=40)
    out = tmp_path / "d"
    words = ["prepare", shop / "events.csv", "--items", shop / "items.csv", "--out", out, "--split", "fraction:0.2"]
    assert hiersrec(*words).code == 0
    before = (out / "dataset.json").read_bytes()

    refused = hiersrec(*words)

    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert (out / "dataset.json").read_bytes() == before
    assert hiersrec(*words, "--overwrite").code == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="there is no /dev/stdin on this system")
def test_events_come_from_standard_input_too(shop, tmp_path) -> None:
    command = [sys.executable, "-m", "hiersrec", "prepare", "/dev/stdin", "--split", "fraction:0.2", "--json"]
    for name, source in (("pipe", subprocess.PIPE), ("file", (shop / "events.csv").open("rb"))):
        process = subprocess.Popen(
            [*command, "--out", tmp_path / name], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with process:
            _, err = process.communicate((shop / "events.csv").read_bytes() if source == subprocess.PIPE else None)
        if source != subprocess.PIPE:
            source.close()
        assert process.returncode == 0, err
    same = ("train/items.npy", "catalog/items.parquet")
    assert all((tmp_path / "pipe" / part).read_bytes() == (tmp_path / "file" / part).read_bytes() for part in same)
