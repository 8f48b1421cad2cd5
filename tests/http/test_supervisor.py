"""What real workers seldom do: fall silent, or fail again and again; small scripts stand for them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from hiersrec.errors import HiersrecError
from hiersrec.http import supervisor
from hiersrec.http.supervisor import Supervisor

pytestmark = pytest.mark.slow

SAYS = "import socket, sys, time; wire = socket.socket(fileno=int(sys.argv[1]));"
ANSWERS = SAYS + 'wire.send(b\'{"model": "m"}\\n\');'
SILENT = ANSWERS + "time.sleep(60)"
LIVES = ANSWERS + '[(time.sleep(0.05), wire.send(b\'{"model": "m"}\\n\')) for _ in range(1000)]'
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + LIVES
OTHER = LIVES.replace('"m"', '"other"')
DIES = ANSWERS + "sys.exit(3)"
REFUSES = SAYS + 'wire.send(b\'{"error": "no bundle"}\\n\'); sys.exit(2)'
WAITS = SAYS + "time.sleep(60)"


class Staged(Supervisor):
    """Starts scripts, one after the other, and `then` in the place of those after the last."""

    def __init__(self, folder, count: int, scripts: list[str], then: str) -> None:
        self.heard: list[str] = []
        with socket.socket() as listener:
            super().__init__({}, listener, count, self.heard.append, str(folder))
        self.scripts, self.then = scripts, then
        self.starts: list[float] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def _start(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        self.starts.append(time.monotonic())
        script = self.scripts.pop(0) if self.scripts else self.then
        wire = theirs.fileno()
        self.processes.append(subprocess.Popen([sys.executable, "-S", "-c", script, str(wire)], pass_fds=(wire,)))
        return self.processes[-1]


async def _until(staged: Staged, condition) -> None:
    """Run until the condition holds, then stop as a signal does."""
    running = asyncio.create_task(staged.run())
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await running


def test_a_worker_that_falls_silent_is_killed_and_replaced(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(supervisor, "MOST_SILENT", 0.5)
    monkeypatch.setattr(supervisor, "LAST_CHANCE", 0.1)
    staged = Staged(tmp_path, 1, [SILENT], LIVES)

    asyncio.run(_until(staged, lambda: len(staged.heard) > 3))

    assert staged.processes[0].returncode == -signal.SIGKILL
    assert staged.processes[-1].returncode == -signal.SIGTERM
    assert "A worker died (it said nothing for 0.5 seconds); another takes its place" in caplog.text


def test_one_that_was_stopped_itself_hears_its_workers_before_it_takes_them_for_dead(
    tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(supervisor, "MOST_SILENT", 0.5)
    staged = Staged(tmp_path, 2, [], LIVES)

    async def drill() -> None:
        running = asyncio.create_task(staged.run())
        async with asyncio.timeout(20):
            while len(staged.heard) < 4:
                await asyncio.sleep(0.01)
            time.sleep(1)  # nothing here runs meanwhile, as with Ctrl-Z
            until = len(staged.heard) + 20
            while len(staged.heard) < until:
                await asyncio.sleep(0.01)
        staged._stop()
        await running

    asyncio.run(drill())

    assert caplog.text == ""
    assert [process.returncode for process in staged.processes] == [-signal.SIGTERM] * 2


def test_a_worker_that_does_not_end_is_killed_when_the_time_to_stop_is_over(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_STOP", 0.3)
    staged = Staged(tmp_path, 2, [DEAF], LIVES)

    asyncio.run(_until(staged, lambda: len(staged.heard) > 5))

    assert [process.returncode for process in staged.processes] == [-signal.SIGKILL, -signal.SIGTERM]


def test_pauses_grow_to_the_longest_and_the_reason_is_said_once(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.4)
    staged = Staged(tmp_path, 2, [LIVES], REFUSES)

    asyncio.run(_until(staged, lambda: len(staged.starts) == 6))

    pauses = [later - earlier for earlier, later in zip(staged.starts[1:], staged.starts[2:], strict=False)]
    assert all(pause > least for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.4), strict=True))
    assert caplog.text.count("no bundle") == 1


def test_a_reload_ends_a_pause_and_reaches_a_worker_that_only_starts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 60)
    staged = Staged(tmp_path, 2, [WAITS, REFUSES], WAITS)

    async def drill() -> None:
        running = asyncio.create_task(staged.run())
        async with asyncio.timeout(20):
            while len(staged.starts) < 2 or len(staged._workers) == 2:
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGHUP)  # the script knows no such signal, so it dies of it
            while len(staged.starts) < 3:
                await asyncio.sleep(0.01)
        staged._stop()
        await running

    asyncio.run(drill())

    assert staged.processes[0].returncode == -signal.SIGHUP


def test_one_that_answered_and_died_is_replaced_at_once_by_another_though_it_was_the_last(tmp_path, caplog) -> None:
    staged = Staged(tmp_path, 1, [DIES, DIES], LIVES)

    asyncio.run(_until(staged, lambda: len(staged.starts) == 3 and len(staged.heard) > 3))

    assert caplog.text.count("exit code 3); another takes its place") == 2


def test_two_models_at_once_are_said_once_with_the_way_out(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(supervisor, "MIXED_FOR", 0.2)
    staged = Staged(tmp_path, 3, [LIVES, OTHER], LIVES)

    asyncio.run(_until(staged, lambda: "different models" in caplog.text and len(staged.heard) > 60))

    [line] = [line for line in caplog.messages if "different models" in line]
    assert "1 with other" in line
    assert line.endswith(f"Send SIGHUP to process {os.getpid()}, so that all open the newest")


def test_the_last_that_can_not_start_ends_it_with_its_reason(tmp_path, caplog) -> None:
    with pytest.raises(HiersrecError, match=r"^A worker could not start, and no other is left: no bundle$"):
        asyncio.run(Staged(tmp_path, 3, [], REFUSES).run())

    assert caplog.text == ""  # it is the command line's to say


def test_a_machine_without_room_for_a_process_is_a_reason_as_any_other(tmp_path) -> None:
    class Full(Staged):
        def _start(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
            del theirs
            raise BlockingIOError(11, "Resource temporarily unavailable")

    with pytest.raises(HiersrecError, match="Resource temporarily unavailable"):
        asyncio.run(Full(tmp_path, 2, [], LIVES).run())
