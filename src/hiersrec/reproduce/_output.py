"""What comes out of a table or figure: files, and in them all that one needs to have the numbers again."""

import platform
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec.build import RECIPE
from hiersrec.reproduce._bench import WHAT_BUDGETS_ARE, Bench
from hiersrec.reproduce._runs import folders, measured, recipe_of, seeds_of
from hiersrec.store.folder import open_seal
from hiersrec.writing import figures, tables
from hiersrec.writing.origin import origin, short
from hiersrec.writing.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Output:
    """A table, its numbers as they go into JSON, and perhaps a picture of it."""

    table: Table
    numbers: Any
    figure: "Figure | None" = None


def with_runs(bench: Bench, recipes: Sequence[str], output: Output) -> Output:
    """The output, its table with sentences about the runs behind it; a picture says only that the budget was small."""
    if not recipes:
        return output
    notes = [f"{part[0].upper()}{part[1:]}." for part in _parts_of_training(bench, recipes)]
    budget = f"Budget {bench.budget}: {WHAT_BUDGETS_ARE[bench.budget]}"
    notes.append(f"{budget}. Seeds of trained recipes: {', '.join(map(str, range(bench.seeds)))}.")
    if output.figure is not None and bench.budget != "full":  # pictures travel without their tables
        output.figure.suptitle(f"{output.figure.get_suptitle()}\n{budget}", fontsize=11)
    return replace(output, table=replace(output.table, notes=(*output.table.notes, *notes)))


def write(bench: Bench, name: str, recipes: Sequence[str], output: Output) -> list[Path]:
    """Write NAME.md, NAME.tex and NAME.json, and for a picture NAME.png and NAME.svg, into the bench's OUT."""
    document = {"name": name, "title": output.table.title, **_document(bench, recipes), "numbers": output.numbers}
    table = replace(output.table, notes=(*output.table.notes, *_notes(bench, name, document)))
    paths = tables.write(table, document, bench.out, name)
    return paths if output.figure is None else [*paths, *figures.save(output.figure, bench.out, name)]


def _document(bench: Bench, recipes: Sequence[str]) -> dict[str, Any]:
    dataset = bench.dataset
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": bench.command,
        "versions": origin(),
        "hardware": _hardware(),
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            **{key: dataset.document[key] for key in ("settings", "sources", "statistics")},
        },
        "budget": bench.budget,
        "seeds": list(range(bench.seeds)),
        "runs": {
            folder.name: {**_run(folder), "test": _plain_metrics(measured(bench, name, seed))}
            for name in recipes
            for seed, folder in zip(seeds_of(bench, name), folders(bench, [name]), strict=True)
        },
    }


def _run(folder: Path) -> dict[str, Any]:
    """What a run says of itself: its settings and how it was made."""
    sealed = open_seal(folder, "run")
    made = {key: sealed[key] for key in ("created", "versions", "parameters", "best")}
    return {**made, "recipe": tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))}


def _plain_metrics(document: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in document["metrics"].items() if name.endswith("@20")}


def _notes(bench: Bench, name: str, document: dict[str, Any]) -> list[str]:
    """The same in sentences, for those who read the table alone."""
    known = {what: short(value) if what == "commit" else value for what, value in document["versions"].items()}
    versions = ", ".join(f"{what} {value}" for what, value in known.items())
    machine = ", ".join(document["hardware"].values())
    return [
        f"Dataset {bench.dataset.name}, items {bench.dataset.fingerprint[:12]}.",
        f'Written {document["made"]} by "{bench.command}" with {versions}, on {machine}.',
        f"{name}.json has every setting.",
    ]


def _parts_of_training(bench: Bench, recipes: Sequence[str]) -> list[str]:
    """Sentences about baselines that saw only a part of the training sessions."""
    parts = {name: share for name in recipes if (share := newest_share(bench, name)) < 1}
    return [f"{name} was trained on the newest {share:.0%} of the training sessions" for name, share in parts.items()]


def newest_share(bench: Bench, name: str) -> float:
    """Share of the training sessions that a recipe uses."""
    training = recipe_of(bench, name).training
    return 1.0 if training is None else training.newest_share


def _hardware() -> dict[str, str]:
    """Of this machine: processor, cores and, where NVIDIA's driver tells, the graphics cards."""
    names = _values(Path("/proc/cpuinfo"), "model name") or [platform.processor() or platform.machine()]
    found = {"processor": names[0], "cores": f"{cpu_count()} cores"}
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return found | {f"card {card.parent.name}": name for card in cards for name in _values(card, "Model")}


def _values(path: Path, key: str) -> list[str]:
    """Values of the lines "key : value" of a file of Linux about its machine; none where there is no such file."""
    if not path.is_file():
        return []
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [value.strip() for name, _, value in pairs if name.strip() == key]
