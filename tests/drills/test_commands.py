"""A few tries of the drill of commands, in a process that may fork: one that has no threads yet."""

import subprocess
import sys

import pytest

SHORT = """if True:
    import sys
    from pathlib import Path
    from tests.drills.commands import COMMANDS, drill

    commands = [command for command in COMMANDS if command.name == "train --overwrite"]
    for row in drill(2, Path(sys.argv[1]), tuple(commands)):
        assert row.tries == 2
        print(*row.failures, sep="\\n", end="")
"""


@pytest.mark.slow
def test_nothing_is_lost(tmp_path) -> None:
    done = subprocess.run([sys.executable, "-c", SHORT, tmp_path], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
