"""The commands that drills harm, what each finds in its folder, and what must be there whatever happens."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hiersrec.errors import HiersrecError
from hiersrec.model import exported
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.store.folder import SEALS, open_seal
from tests.drills._processes import Result, kill, load, run
from tests.shop import TINY, write_shop

VOLATILE = (
    *("dataset.json", "run.json", "bundle.json", "history.jsonl", "MODEL_CARD.md", "trials.json", "metrics.json"),
    *("table2.md", "table2.tex", "table2.json"),
)
"""Files with times in them."""
SETS = [
    word
    for setting in (*TINY, "training.epochs=2", "training.patience=9", "training.precision=float32")
    for word in ("--set", setting)
]
PREPARE = ("prepare", "events.csv", "--items", "items.csv", "--out", "data", "--split")
TRAIN = ("train", "data", "--out", "run", "--recipe", "cold_start", *SETS, "--set", "training.batch_size=128")
OTHER = (*TRAIN, "--set", "training.seed=1")
ADD = ("add-items", "run", "--items", "more.csv", "--out", "larger")
BATCH = ("recommend", "run", "--sessions", "events.csv", "--out", "lists.csv", "--workers", "1")
SEARCH = 'base = "any/cooccurrence"\n[search]\nbaseline.window = [5, 10, 20]\n'
Tree = dict[str, str]


@dataclass(frozen=True)
class Command:
    """A command, in a folder that holds copies of `needs`."""

    name: str
    words: tuple[str, ...]
    needs: Mapping[str, str]
    """Name in the folder -> name of what is copied there, in the base folder of `make_base`."""
    out: str
    kind: str | None = None
    """Of the folder `out`, if it has a seal."""
    to: str | None = None
    """File that takes its output."""

    @property
    def replaces(self) -> bool:
        return self.kind is not None and self.out in self.needs and (self.needs[self.out] != "stopped")

    def start(self, base: Path, folder: Path) -> None:
        """Make the folder in which the command starts."""
        folder.mkdir(parents=True)
        for name, source in self.needs.items():
            copy = shutil.copytree if (base / source).is_dir() else shutil.copyfile
            copy(base / source, folder / name)


SHOP = {"events.csv": "events.csv", "items.csv": "items.csv"}
COMMANDS = (
    Command("prepare", (*PREPARE, "last-days:5"), SHOP, "data", "dataset"),
    Command(
        "prepare --overwrite", (*PREPARE, "last-days:6", "--overwrite"), {**SHOP, "data": "data"}, "data", "dataset"
    ),
    Command("train", TRAIN, {"data": "data"}, "run", "run"),
    Command("train --overwrite", (*TRAIN, "--overwrite"), {"data": "data", "run": "run"}, "run", "run"),
    Command("train --resume", (*TRAIN, "--resume"), {"data": "data", "run": "stopped"}, "run", "run"),
    Command(
        "train --resume, to replace a run",
        (*TRAIN, "--resume"),
        {"data": "data", "run": "run", "run.training": "stopped"},
        "run",
        "run",
    ),
    Command(
        "train --overwrite, a baseline that counts",
        ("train", "data", "--out", "run", "--recipe", "popularity", "--overwrite"),
        {"data": "data", "run": "run"},
        "run",
        "run",
    ),
    Command("evaluate", ("evaluate", "run", "--data", "data"), {"data": "data", "run": "run"}, "run"),
    Command("export", ("export", "run", "--out", "bundle"), {"run": "run"}, "bundle", "bundle"),
    Command(
        "export --overwrite",
        ("export", "run", "--out", "bundle", "--overwrite"),
        {"run": "run", "bundle": "bundle"},
        "bundle",
        "bundle",
    ),
    Command("add-items", ADD, {"run": "run", "more.csv": "more.csv"}, "larger", "run"),
    Command(
        "add-items --overwrite",
        (*ADD, "--overwrite"),
        {"run": "run", "more.csv": "more.csv", "larger": "run"},
        "larger",
        "run",
    ),
    Command(
        "tune",
        ("tune", "data", "--out", "search", "--recipe", "search.toml", "--trials", "3"),
        {"data": "data", "search.toml": "search.toml"},
        "search",
    ),
    Command("reproduce table2", ("reproduce", "table2", "--data", "data", "--out", "made"), {"data": "data"}, "made"),
    Command(
        "recommend --json > FILE",
        ("recommend", "run", "--session", "i1,i2", "--json"),
        {"run": "run", "answers.json": "more.csv"},
        "answers.json",
        to="answers.json",
    ),
    Command("recommend --sessions", BATCH, {"run": "run", "events.csv": "events.csv"}, "lists.csv"),
    Command(
        "recommend --sessions, to replace a file",
        (*BATCH, "--overwrite"),
        {"run": "run", "events.csv": "events.csv", "lists.csv": "more.csv"},
        "lists.csv",
    ),
)


def make_base(base: Path, commands: tuple[Command, ...]) -> None:
    """What commands find in their folders; "stopped" is a training that was killed after some checkpoints."""
    write_shop(base)
    (base / "more.csv").write_text("item_id,title,category_1,category_2\nn1,New,Fruit,Fruit 0\nn2,Newer,Tools,Tools 1")
    (base / "search.toml").write_text(SEARCH)
    _run(base, *PREPARE, "last-days:5")
    needed = {source for command in commands for source in command.needs.values()}
    if "run" in needed:
        _run(base, *OTHER)
    if "stopped" in needed:
        whole = _run(base, *TRAIN, "--overwrite")
        shutil.rmtree(base / "run")
        _run(base, *OTHER)
        stopped = [word if word != "run" else "stopped" for word in TRAIN]
        assert run(base, stopped, whole.operations // 2, kill).code < 0
        assert (base / "stopped/state/last.safetensors").is_file()
        (base / ".stopped.lock").unlink()
    if any("bundle" in (command.out, *command.needs) for command in commands):
        _run(base, "export", "run", "--out", "bundle", "--top", "1")


@contextmanager
def with_its_graph(base: Path) -> Iterator[None]:
    """Within this, export writes the graph of the bundle in `base`, if there is one: to make it takes seconds."""
    graph, make = base / "bundle/encoder.onnx", exported.to_onnx

    def to_onnx(model: HierarchicalModel, path: Path) -> list[str]:
        path.write_bytes(graph.read_bytes())
        return exported.Exported(model).names

    if graph.is_file():
        exported.to_onnx = to_onnx
    try:
        yield
    finally:
        exported.to_onnx = make


def _run(base: Path, *words: str) -> Result:
    result = run(base, list(words))
    assert result.code == 0, result.text
    load(result.modules)
    return result


def tree(folder: Path) -> Tree:
    """Every file and empty folder below `folder`, with the checksum of what does not tell times."""
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    return {
        str(path.relative_to(folder)): ""
        if path.is_dir() or path.name in VOLATILE
        else sha256(path.read_bytes()).hexdigest()
        for path in paths
        if not path.is_dir() or not any(path.iterdir())
    }


def what_is_lost(command: Command, folder: Path, base: Path, reference: Tree) -> str:
    """What should stand in the folder of a command that was harmed and does not; "" if all does.

    reference: the whole folder after a command that was not harmed.
    """
    for name, source in command.needs.items():
        if name not in (command.out, f"{command.out}.training") and tree(folder / name) != tree(base / source):
            return f"{name} was changed"
    out = folder / command.out
    if command.replaces:
        try:
            open_seal(out, str(command.kind), checksums=True)
        except HiersrecError as error:
            return f"{command.out} was lost: {error}"
        new = {name.partition("/")[2]: text for name, text in reference.items() if name.startswith(f"{command.out}/")}
        if tree(out) not in (new, tree(base / command.needs[command.out])):
            return f"{command.out} is neither the old one nor the new one"
    if "stopped" in command.needs.values() and not any(
        (place / file).is_file() for place in (out, training_of(out)) for file in ("state/last.safetensors", "run.json")
    ):
        return "the checkpoint was lost"
    return ""


def training_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.training")


def is_left_over(command: Command, path: Path) -> bool:
    """Whether a command that ended by itself, without having done its work, should have removed `path`."""
    if path.name in command.needs or (path.name == command.out and command.kind is None):
        return False
    if path.name == f"{command.out}.parts":  # of a batch, which the same command continues
        return not (path / "sessions/facts.json").is_file()
    if path.name not in (command.out, f"{command.out}.training"):
        return True
    return not any((path / file).is_file() for file in ("state/last.safetensors", SEALS[str(command.kind)]))
