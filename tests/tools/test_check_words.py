"""The check of words finds planted ones, says where they stand, and passes what only looks like them."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools/check_words.py"
MODULE = runpy.run_path(str(SCRIPT))
violations = MODULE["violations"]


@pytest.mark.parametrize("phrase", sorted(MODULE["INSTEAD"]))
def test_every_phrase_is_found_in_any_case(phrase: str) -> None:
    assert list(violations(f"x = 1\n# {phrase.capitalize()}, and more\n")) == [(2, phrase)]


def test_a_phrase_is_found_across_lines_in_the_plural_and_in_names() -> None:
    text = "# of\n    # which\nRIVALS = []\nour_pupils\nright\nanswers\n"

    assert list(violations(text)) == [(1, "of which"), (3, "rival"), (4, "pupil"), (5, "right answer")]


@pytest.mark.parametrize("text", ["an arrival", "standalone", "besides", "the other one asked for it", "of whichever"])
def test_other_words_pass(text: str) -> None:
    assert list(violations(text)) == []


def test_the_command_names_file_and_line_and_reads_no_log(tmp_path: Path) -> None:
    (tmp_path / "src/part").mkdir(parents=True)
    (tmp_path / "src/part/code.py").write_text('"""Fine."""\n\nraise ValueError("done anew")\n', encoding="utf-8")
    (tmp_path / "docs/log").mkdir(parents=True)
    (tmp_path / "docs/log/2026-11-23.md").write_text("the rival\n", encoding="utf-8")

    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "src/part/code.py:3: 'anew'; write: again\n")
    (tmp_path / "src/part/code.py").unlink()
    assert subprocess.run([sys.executable, SCRIPT, tmp_path], check=False).returncode == 0
