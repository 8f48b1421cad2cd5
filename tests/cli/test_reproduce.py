"""The command itself; what comes out of it is tested in tests/reproduce."""

import json
import signal

import pytest

from tests.cli.conftest import start

pytestmark = pytest.mark.slow


def test_a_table_is_shown_and_written(hiersrec, prepared, tmp_path) -> None:
    result = hiersrec("reproduce", "table2", "--data", prepared[0], "--out", tmp_path)

    assert result.code == 0, result.err
    assert "Table 2: statistics of data" in result.out
    assert result.out.endswith(f"Written to {tmp_path}: table2.md, table2.tex, table2.json\n")
    command = json.loads((tmp_path / "table2.json").read_text(encoding="utf-8"))["command"]
    assert command == f"hiersrec reproduce table2 --data {prepared[0]} --out {tmp_path} --seeds 1 --budget full"


def test_as_json_it_is_the_file(hiersrec, prepared, tmp_path) -> None:
    result = hiersrec("reproduce", "table2", "--data", prepared[0], "--out", tmp_path, "--json")

    assert json.loads(result.out) == {"table2": json.loads((tmp_path / "table2.json").read_text(encoding="utf-8"))}


def test_the_embedded_dataset_is_prepared_once(hiersrec, tmp_path) -> None:
    words = ["reproduce", "table2", "--dataset", "wikispeedia", "--out", tmp_path]

    first, again = hiersrec(*words), hiersrec(*words)

    assert first.code == again.code == 0
    assert "prepare: wrote" in first.err
    assert "prepare" not in again.err
    assert (tmp_path / "data" / "wikispeedia" / "dataset.json").is_file()


def test_killed_in_the_middle_it_goes_on(hiersrec, prepared, tmp_path) -> None:
    words = ["reproduce", "table4b", "--data", str(prepared[0]), "--out", str(tmp_path), "--budget", "small"]
    process = start(*words)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("run 2 of 3: multi_task"):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=600)
    assert not (tmp_path / "table4b.md").exists()

    result = hiersrec(*words)

    assert result.code == 0, result.err
    assert "run 1 of 3: single_task, seed 0, exists already" in result.err
    assert (tmp_path / "table4b.svg").is_file()
    assert not [path.name for path in tmp_path.rglob("*.part")]


def test_interrupted_it_names_the_command_that_goes_on(hiersrec, prepared, tmp_path, monkeypatch) -> None:
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("hiersrec.reproduction._reproduce.complete", stop)

    result = hiersrec("reproduce", "table4b", "--data", prepared[0], "--out", tmp_path / "my out")

    assert result.code == 130
    again = f"hiersrec reproduce table4b --data {prepared[0]} --out '{tmp_path / 'my out'}' --seeds 1 --budget full"
    assert result.err == f"Stopped. Continue with: {again}\n"


MISTAKES = [
    (["tabel3"], "There is no table or figure 'tabel3'. Did you mean 'table3'?"),
    (["table3", "--seeds", "0"], "--seeds must be at least 1, got 0."),
    (["table3", "--budget", "tiny"], "There is no budget 'tiny'."),
    (["table3"], "No dataset is given."),
    (["table3", "--dataset", "diginetica"], "and give their folder with --source"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_ends_with_code_2_and_nothing_is_written(hiersrec, tmp_path, words, message) -> None:
    result = hiersrec("reproduce", *words, "--out", tmp_path / "out")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: ")
    assert message in result.err
    assert not (tmp_path / "out").exists()
