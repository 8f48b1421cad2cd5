"""The service as real processes, with a gate that holds a worker between opening its bundle and being ready."""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hiersrec.store.folder import seal

PATIENCE = 300
"""Seconds after which what has not come never will."""
GATE = """
import os, time
from pathlib import Path
from hiersrec.http import model

folder, really = Path(os.environ["GATE"]), model.open_model

def open_model(bundle):
    opened = really(bundle)
    (folder / f"opened-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return opened

model.open_model = open_model
"""
"""Run by every Python that starts with its folder on the path, as sitecustomize."""


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def living() -> dict[int, int]:
    """All processes that have not ended -> their parents."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
    return parents


@dataclass
class Service:
    """Running processes, what they lines, and where they answer."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def port(self) -> int | None:
        match = re.search(r"Serving .* at http://[\d.]+:(\d+)", self.text)
        return int(match[1]) if match else None

    def wait(self) -> None:
        """Return when it answers."""
        deadline = time.monotonic() + PATIENCE
        while self.port is None:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.001)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        assert self.port is not None
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read()

    def models(self) -> dict[str, int]:
        """How many workers answer with each version."""
        text = self.ask("GET", "/metrics")[1].decode()
        counts = re.findall(r'^hiersrec_model_workers\{version="(.*)"\} (\d+)', text, re.MULTILINE)
        return {version: int(count) for version, count in counts if count != "0"}

    def complete(self, times: int = 1) -> bool:
        """Whether all workers answer, for the first time or after so many falls."""
        return self.text.count("workers answer\n") >= times

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        return [process for process, parent in living().items() if parent == self.process.pid]


@contextlib.contextmanager
def started(*args: object, gate: Path | None = None) -> Iterator[Service]:
    """`hiersrec serve ... --port 0` as it starts. With a gate, nothing is ready before `gate`/go is there."""
    left = tempfile.mkdtemp()  # for what a supervisor that is killed can't remove
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": left}
    if gate is not None:
        (gate / "sitecustomize.py").write_text(GATE)
        environment |= {"GATE": str(gate), "PYTHONPATH": str(gate)}
    command = [
        sys.executable,
        "-m",
        "hiersrec",
        "serve",
        *map(str, args),
        *(() if "--port" in args else ("--port", "0")),
    ]
    try:
        with running(command, environment) as service:
            yield service
    finally:
        shutil.rmtree(left)


@contextlib.contextmanager
def running(command: Sequence[object], environment: Mapping[str, str]) -> Iterator[Service]:
    """A process whose standard error is read as it comes; it is killed at the end."""
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, env=environment)
    service = Service(process)
    assert process.stderr is not None
    listener = threading.Thread(target=lambda: service.lines.extend(iter(process.stderr.readline, "")))
    listener.start()
    try:
        yield service
    finally:
        process.kill()
        process.wait()
        listener.join()  # its end is that of the last worker too
        process.stderr.close()


@contextlib.contextmanager
def listen(command: Sequence[object], environment: Mapping[str, str]) -> Iterator[Service]:
    """The same once it says where it answers, and not a moment later."""
    with running(command, environment) as service:
        service.wait()
        yield service


@contextlib.contextmanager
def serving(*args: object) -> Iterator[Service]:
    """`started` once it says where it answers, and not a moment later."""
    with started(*args) as service:
        service.wait()
        yield service


def replace(folder: Path, version: str) -> None:
    """Put a bundle of another version in the place of `folder`, whole at any time."""
    aside = Path(shutil.copytree(folder, folder.with_name(version)))
    document = json.loads((aside / "bundle.json").read_text(encoding="utf-8"))
    files = [aside / name for name in document.pop("files")]
    seal(aside, "bundle", document | {"model_version": version}, files)
    folder.rename(folder.with_name(f"before-{version}"))
    aside.rename(folder)
