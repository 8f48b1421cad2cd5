"""A file of sessions -> a file of rows: stopped anywhere it continues and gives the same bytes."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hiersrec
from hiersrec.batch import block_scorer, blocks, processes
from hiersrec.batch.work_folder import folder_for
from hiersrec.errors import BadFolder, BadInput, HiersrecError, MachineError
from tests.batch.conftest import toy_sessions
from tests.cli.conftest import run_process, start

SESSIONS = toy_sessions(50, seed=1)


@pytest.fixture
def sessions(tmp_path) -> Path:
    """A file of lists."""
    path = tmp_path / "sessions.parquet"
    pq.write_table(pa.table({"session_id": [f"s{n}" for n in range(50)], "items": SESSIONS}), path)
    return path


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    """Seven sessions in a block, so eight blocks."""
    monkeypatch.setattr(blocks, "BLOCK", 7)


def recommend(model, sessions, out: Path, **options):
    """In this process."""
    return hiersrec.recommend(model, sessions, out=out, workers=1, progress=False, **options)


def scored(number: int | None, *words, **options) -> list[int]:
    """Recommend, interrupted before a block if one is named; returns the blocks that were scored."""
    blocks_scored: list[int] = []
    score = block_scorer.BlockScorer.score

    def watched(self: block_scorer.BlockScorer, block: int):
        if block == number:
            raise KeyboardInterrupt
        blocks_scored.append(block)
        return score(self, block)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_scorer.BlockScorer, "score", watched)
        if number is None:
            recommend(*words, **options)
        else:
            with pytest.raises(KeyboardInterrupt):
                recommend(*words, **options)
    return blocks_scored


@pytest.mark.usefixtures("small_blocks")
def test_the_rows_are_those_of_recommend(toy_bundle, bundle_recommender, sessions, tmp_path) -> None:
    made = recommend(toy_bundle, sessions, tmp_path / "out.parquet", k=4)

    rows = pq.read_table(tmp_path / "out.parquet").to_pydict()
    expected = bundle_recommender.recommend(SESSIONS, 4).columns()
    assert rows["session_id"] == [f"s{number}" for number in expected["session_id"]]
    for name in ("rank", "item_id", "source"):
        assert rows[name] == expected[name]
    assert rows["score"] == pytest.approx(expected["score"], abs=1e-4)
    assert (made.document["sessions"], made.document["rows"]) == (50, len(rows["rank"]))
    assert made.columns()["popular"] == [made.document["filled"]["popular"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "sessions.parquet"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("end", ["parquet", "csv", "jsonl"])
def test_stopped_at_any_block_it_continues_to_the_same_bytes(toy_bundle, sessions, tmp_path, end) -> None:
    whole, out = tmp_path / f"whole.{end}", tmp_path / f"out.{end}"
    recommend(toy_bundle, sessions, whole)
    for number in (0, 5):
        assert max(scored(number, toy_bundle, sessions, out), default=-1) < number
        assert folder_for(out).is_dir()
        assert not out.exists()

    assert scored(None, toy_bundle, sessions, out) == [5, 6, 7], "blocks that were finished are not scored again"

    assert out.read_bytes() == whole.read_bytes()
    assert not folder_for(out).exists()


@pytest.mark.usefixtures("small_blocks")
def test_an_iterator_of_ids_asks_for_what_a_list_asks_for(toy_bundle, sessions, tmp_path) -> None:
    assert scored(1, toy_bundle, sessions, tmp_path / "out.csv", deny=map(str, ["a0", "b1"])) == [0]

    assert 1 in scored(None, toy_bundle, sessions, tmp_path / "out.csv", deny=["a0", "b1"]), "it is continued"


@pytest.mark.usefixtures("small_blocks")
def test_stopped_while_the_file_is_put_together_or_after_it(toy_bundle, sessions, tmp_path, monkeypatch) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    first = recommend(toy_bundle, sessions, whole)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for harmed in ("formats.join", "_totals"):
        monkeypatch.setattr(f"hiersrec.batch.recommend.{harmed}", stop)
        with pytest.raises(KeyboardInterrupt):
            recommend(toy_bundle, sessions, out)
        assert out.exists() == (harmed == "_totals")
        monkeypatch.undo()
        monkeypatch.setattr(blocks, "BLOCK", 7)
    assert out.read_bytes() == whole.read_bytes()
    assert folder_for(out).is_dir(), "only to be removed"

    again = recommend(toy_bundle, sessions, out)

    assert not folder_for(out).exists()
    assert again.document["rows"] == first.document["rows"]
    assert again.document["sessions_per_second"] is None
    with pytest.raises(BadFolder, match="exists already"):
        recommend(toy_bundle, sessions, out)


@pytest.mark.parametrize("name", [".", "./sessions.parquet", "lists.parquet"])
def test_sessions_are_never_replaced_by_their_lists(toy_bundle, sessions, name) -> None:
    before, read = sessions.read_bytes(), sessions.parent if name == "lists.parquet" else sessions
    with pytest.raises(HiersrecError, match=r"is what --sessions reads, or lies in it|must end in"):
        recommend(toy_bundle, read, sessions.parent / name, overwrite=True)

    assert sessions.read_bytes() == before
    assert [path.name for path in sessions.parent.iterdir()] == ["sessions.parquet"]


@pytest.mark.usefixtures("small_blocks")
def test_another_request_does_not_continue_the_first(toy_bundle, sessions, tmp_path) -> None:
    out = tmp_path / "out.jsonl"
    assert scored(3, toy_bundle, sessions, out, k=5) == [0, 1, 2]

    with pytest.raises(BadFolder, match=r"out.jsonl.parts was begun for another request: k was 5 and is 6. Finish"):
        recommend(toy_bundle, sessions, out, k=6)
    with pytest.raises(BadFolder, match="deny was None and is"):
        recommend(toy_bundle, sessions, out, k=5, deny=["a0"])
    pq.write_table(pq.read_table(sessions).slice(1), sessions)
    with pytest.raises(BadFolder, match="the files of sessions have changed since"):
        recommend(toy_bundle, sessions, out, k=5)

    recommend(toy_bundle, sessions, out, k=6, overwrite=True)

    recommend(toy_bundle, sessions, tmp_path / "other.jsonl", k=6)
    assert out.read_bytes() == (tmp_path / "other.jsonl").read_bytes()


@pytest.mark.usefixtures("small_blocks")
def test_what_stands_is_replaced_only_with_overwrite_and_only_at_the_end(toy_bundle, sessions, tmp_path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(BadFolder, match="exists already"):
        recommend(toy_bundle, sessions, out)
    assert scored(3, toy_bundle, sessions, out, overwrite=True) == [0, 1, 2]
    assert out.read_text() == "mine"
    with pytest.raises(BadFolder, match="exists already"):
        recommend(toy_bundle, sessions, out)

    assert scored(None, toy_bundle, sessions, out, overwrite=True) == [3, 4, 5, 6, 7]
    assert out.read_text().startswith("session_id,rank,item_id,score,source\n")


@pytest.mark.usefixtures("small_blocks")
def test_a_part_that_was_cut_short_is_scored_again(toy_bundle, sessions, tmp_path) -> None:
    out = tmp_path / "out.csv"
    scored(3, toy_bundle, sessions, out)
    [part] = folder_for(out).glob("lists-*/000001.csv")
    part.write_bytes(part.read_bytes()[:9])

    assert scored(None, toy_bundle, sessions, out) == [1, 3, 4, 5, 6, 7]


@pytest.mark.usefixtures("small_blocks")
def test_a_replaced_model_is_not_mixed_with_the_first(toy_run, toy_bundle, sessions, tmp_path) -> None:
    bundle, out = tmp_path / "bundle", tmp_path / "out.csv"
    shutil.copytree(toy_bundle, bundle)
    scored(3, bundle, sessions, out)
    shutil.rmtree(bundle)
    shutil.copytree(toy_run, bundle)

    with pytest.raises(BadFolder, match="begun for another request: model was"):
        recommend(bundle, sessions, out)


def test_bad_sessions_leave_nothing(toy_bundle, tmp_path) -> None:
    (tmp_path / "bad.csv").write_text("session_id,items\n,a0\n")

    with pytest.raises(BadInput, match="is empty"):
        recommend(toy_bundle, tmp_path / "bad.csv", tmp_path / "out.csv")

    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"workers": 2, "engine": "local-spark"}, "--workers are processes on this machine"),
        ({"explain": "yes"}, "explain must be True or False"),
        ({"gap": -1.0}, "--gap must be more than 0"),
        ({"categories": [["Sea"]]}, "No item has the category Sea"),
        ({"engine": "sqlite"}, "There is no --engine 'sqlite'"),
        ({"out": "x.txt"}, "--out must end in .parquet, .csv or .jsonl"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_written(toy_bundle, sessions, tmp_path, options, message) -> None:
    out = tmp_path / options.pop("out", "out.csv")
    with pytest.raises(HiersrecError, match=message):
        hiersrec.recommend(toy_bundle, sessions, **{"out": out, "progress": False, **options})

    assert [path.name for path in tmp_path.iterdir()] == ["sessions.parquet"]


def test_models_and_sessions_come_as_objects_too(bundle_recommender, toy_run, tmp_path) -> None:
    events = pd.DataFrame({"session_id": [2, 1, 2], "item_id": ["a0", "b1", "c2"], "position": [2, 1, 1]})

    recommend(bundle_recommender, events, tmp_path / "a.parquet", k=3)
    recommend(hiersrec.Run.open(toy_run), events, tmp_path / "b.parquet", k=3)

    rows = pq.read_table(tmp_path / "a.parquet").to_pydict()
    expected = bundle_recommender.recommend([["c2", "a0"], ["b1"]], 3)
    assert rows["item_id"] == [item.item_id for answer in expected for item in answer.items]
    assert rows["session_id"] == [2, 2, 2, 1, 1, 1]
    assert len(pq.read_table(tmp_path / "b.parquet")) == 6
    odd = hiersrec.Recommender(bundle_recommender.catalog, bundle_recommender.ranker)
    with pytest.raises(BadInput, match="has no folder that other processes could open"):
        recommend(odd, events, tmp_path / "c.parquet")
    with pytest.raises(BadInput, match="model must be a Run, a Recommender"):
        recommend(5, events, tmp_path / "c.parquet")


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.slow
@pytest.mark.parametrize("source", ["run", "bundle"])
def test_processes_give_the_bytes_of_one(toy_run, toy_bundle, sessions, tmp_path, source) -> None:
    model = toy_run if source == "run" else toy_bundle
    recommend(model, sessions, tmp_path / "one.csv", explain=True)
    hiersrec.recommend(model, sessions, out=tmp_path / "two.csv", workers=2, explain=True, progress=False)

    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.slow
def test_a_process_that_is_killed_is_one_clear_error(toy_bundle, sessions, tmp_path, monkeypatch) -> None:
    give = processes._give

    def killing(process: "subprocess.Popen[bytes]", number: int | None) -> bool:
        if number == 3:
            process.kill()
            process.wait()
        return give(process, number)

    monkeypatch.setattr(processes, "_give", killing)
    with pytest.raises(MachineError, match=r"was ended by signal 9 .*give fewer --workers. The same command continues"):
        hiersrec.recommend(toy_bundle, sessions, out=tmp_path / "out.csv", workers=2, progress=False)
    monkeypatch.undo()

    assert folder_for(tmp_path / "out.csv").is_dir()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.slow
def test_an_error_of_a_process_is_told_as_here(toy_bundle, sessions, tmp_path, monkeypatch) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(toy_bundle, bundle)
    started = processes._started

    def without_the_model(folder: Path, workers: int):
        shutil.rmtree(bundle)
        return started(folder, workers)

    monkeypatch.setattr(processes, "_started", without_the_model)
    with pytest.raises(HiersrecError, match="There is no run folder at"):
        hiersrec.recommend(bundle, sessions, out=tmp_path / "out.csv", workers=2, progress=False)


@pytest.mark.slow
def test_the_command_that_is_killed_continues(toy_bundle, tmp_path) -> None:
    many, whole, out = (tmp_path / name for name in ("many.parquet", "whole.parquet", "out.parquet"))
    pq.write_table(pa.table({"items": toy_sessions(3 * blocks.BLOCK, seed=2)}), many)
    recommend(toy_bundle, many, whole, k=3)
    words = ["recommend", toy_bundle, "--sessions", many, "--out", out, "--workers", 2, "--k", 3]

    for harm in (signal.SIGKILL, signal.SIGINT):
        process = start(*words)
        if harm == signal.SIGKILL:
            while not list(folder_for(out).glob("lists-*/*.json")) and process.poll() is None:
                time.sleep(0.002)
        else:  # a process that outlived its parent may finish a block meanwhile
            assert process.stderr is not None
            assert any("recommend: continues after" in line for line in process.stderr)
        process.send_signal(harm)
        _, said = process.communicate()
        if process.returncode == 0:
            break  # it was faster
        assert not out.exists()
        assert process.returncode == (130 if harm == signal.SIGINT else -harm), said
        assert harm == signal.SIGKILL or f"Stopped. Continue with: hiersrec recommend {toy_bundle}" in said
    else:
        result = run_process(*words)
        assert result.code == 0, result.err
        assert "recommend: continues after" in result.err
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {many.name, whole.name, out.name}
