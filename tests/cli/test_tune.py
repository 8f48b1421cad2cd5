import json
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hiersrec.errors import MissingExtra
from tests.cli.conftest import start
from tests.shop import TINY

pytestmark = pytest.mark.slow

SEARCH = """base = "any/hiersrec"
[search]
training.learning_rate = { low = 1e-3, high = 1e-1, log = true }
"""


def sets(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


HELD = sets(
    *(*TINY, "inputs.dropout=0.1", "tasks.category.weight=0.3"),
    *("training.epochs=12", "training.patience=12", "training.precision=float32"),
)


def trials(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in document["trials"]]


def test_the_table_and_the_gain(hiersrec, prepared, tmp_path) -> None:
    out = tmp_path / "my search"
    result = hiersrec("tune", prepared[0], "--recipe", "cooccurrence", "--out", out, "--trials", 4)

    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].strip() == "cooccurrence on data, validation sessions"
    assert lines[2].split() == ["trial", "itself", "window", "mrr@20", "hits@20", "epochs", "seconds"]
    document = json.loads((out / "trials.json").read_text(encoding="utf-8"))
    ranked = sorted(document["trials"], key=lambda trial: -trial["valid"]["mrr@20"])
    assert [line.split()[0] for line in lines[3:7]] == [str(trial["number"]) for trial in ranked]
    assert f"{ranked[0]['valid']['mrr@20']:.2%}" in lines[3]
    assert lines[7].startswith(("Trial ", "The unchanged recipe, trial 1, is best"))
    whole = " ".join(result.out.split())
    assert whole.endswith(f" Next: hiersrec train {prepared[0]} --recipe '{out / 'best.toml'}' --out RUN")
    assert "tune: trial 4 of 4: validation MRR@20" in result.err

    again = hiersrec("tune", prepared[0], "--recipe", "cooccurrence", "--out", out, "--trials", 4, "--json")
    assert json.loads(again.out) == document
    assert "fitting" not in again.err

    trained = hiersrec("train", prepared[0], "--recipe", out / "best.toml", "--out", tmp_path / "run")
    assert trained.code == 0, trained.err


def test_gain_and_failures_are_told(capsys) -> None:
    from hiersrec import Search
    from hiersrec.cli import printing

    def trial(number: int, mrr: float | None) -> dict[str, Any]:
        valid = {} if mrr is None else {"mrr@20": mrr, "hits@20": 2 * mrr}
        state = "failed" if mrr is None else "finished"
        reason = "It burst." if mrr is None else ""
        settings = {"pooling": "last", "training.learning_rate": 0.00123456}
        return {
            **{"number": number, "state": state, "settings": settings, "valid": valid},
            **{"epochs": 3, "seconds": 1234.5, "reason": reason},
        }

    def shown(**parts: Any) -> str:
        study = {
            "recipe": {"name": "hiersrec"},
            "dataset": {"name": "shop"},
            "search": {"pooling": 0, "training.learning_rate": 0},
        }
        printing.show(*Search({"study": study, **parts}, Path("search")).parts())
        return str(capsys.readouterr().out)

    better = shown(best=3, gain={"mrr@20": 0.01}, trials=[trial(1, 0.2), trial(2, None), trial(3, 0.21)])
    assert "0.001235" in better
    assert "1,234" in better
    assert "Trial 2 failed: It burst." in better
    assert "Trial 3 is best: mrr@20 21.00%; the unchanged recipe, trial 1, has 20.00%." in better
    same = shown(best=1, gain={"mrr@20": 0.0}, trials=[trial(1, 0.2)])
    assert "The unchanged recipe, trial 1, is best: mrr@20 20.00%." in same
    odd = shown(best=2, gain=None, trials=[trial(1, None), trial(2, 0.2)])
    assert "Trial 2 is best, mrr@20 20.00%; the unchanged recipe, trial 1, failed." in odd


MISTAKES = [
    (["--recipe", "popularity"], "popularity.toml has no setting that a search could change."),
    (["--recipe", "hiersreck"], "Did you mean 'hiersrec'?"),
    (["--recipe", "cooccurrence", "--trials", "0"], "--trials must be at least 1, got 0"),
    (["--recipe", "cooccurrence", "--set", "baseline.windw=3"], "Did you mean 'window'?"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_a_mistake_ends_with_code_2_and_nothing_is_written(hiersrec, prepared, tmp_path, flags, message) -> None:
    result = hiersrec("tune", prepared[0], "--out", tmp_path / "out", *flags)

    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert not (tmp_path / "out").exists()


def test_without_optuna_one_line_says_what_to_install(hiersrec, prepared, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)

    result = hiersrec("tune", prepared[0], "--out", tmp_path / "out")

    assert result.code == 2
    assert result.err == f"Error: {MissingExtra('optuna', 'tune')}\n"


def stop_at(line: str, stop: signal.Signals, words: list[str]) -> tuple[int, str]:
    """Start a search, send the signal once it says `line`, and give back exit code and last news."""
    process = start(*words)
    assert process.stderr is not None
    for said in process.stderr:
        if said.startswith(line):
            break
    process.send_signal(stop)
    _, rest = process.communicate(timeout=600)
    return process.returncode, rest


def test_a_search_killed_and_interrupted_in_mid_trial_ends_as_one_that_was_left_alone(
    hiersrec, prepared, tmp_path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(SEARCH, encoding="utf-8")
    out: Path = tmp_path / "out"
    words = ["tune", str(prepared[0]), "--recipe", str(recipe), "--out", str(out), "--trials", "3", *HELD]

    code, _ = stop_at("trial 2/3: train: epoch 3:", signal.SIGKILL, words)
    assert code == -signal.SIGKILL
    left = json.loads((out / "trials.json").read_text(encoding="utf-8"))
    assert [trial["state"] for trial in left["trials"]] == ["finished", "running"]

    code, news = stop_at("trial 2/3: train: epoch 5:", signal.SIGINT, words)
    assert code == 130
    hint = news.splitlines()[-1]
    assert hint.startswith("Stopped. Continue with: hiersrec tune ")
    assert "Traceback" not in news

    ended = hiersrec(*shlex.split(hint.partition("hiersrec ")[2]), "--json")
    assert ended.code == 0, ended.err
    assert "tune: resuming after 1 of 3 trials" in ended.err
    assert "resumed at epoch" in ended.err

    words[words.index(str(out))] = str(tmp_path / "alone")
    alone = hiersrec(*words, "--json")
    assert alone.code == 0, alone.err
    assert trials(json.loads(ended.out)) == trials(json.loads(alone.out))
    assert json.loads(ended.out)["best"] == json.loads(alone.out)["best"]
