"""Write a table or figure to files, with everything that is needed to reproduce its numbers."""

import platform
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec.build import RECIPE
from hiersrec.reproduction._bench import BUDGET_NOTES, Bench
from hiersrec.reproduction._runs import evaluated, folder_of, seeds_of
from hiersrec.store.folder import open_seal
from hiersrec.writing import figures, tables
from hiersrec.writing.origin import origin, short
from hiersrec.writing.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Output:
    """A table, its numbers for the JSON file, and optionally a picture."""

    table: Table
    numbers: Any
    figure: "Figure | None" = None


def with_runs(bench: Bench, recipes: Sequence[str], output: Output) -> Output:
    """The output with notes about its runs below the table; a picture says only if the budget was small."""
    if not recipes:
        return output
    budget = f"Budget {bench.budget}: {BUDGET_NOTES[bench.budget]}"
    note = f"{budget}. Seeds of trained recipes: {', '.join(map(str, range(bench.seeds)))}."
    if output.figure is not None and bench.budget != "full":  # pictures travel without their tables
        output.figure.suptitle(f"{output.figure.get_suptitle()}\n{budget}", fontsize=11)
    return replace(output, table=replace(output.table, notes=(*output.table.notes, note)))


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
            f"{name}-{seed}": {
                **_run(folder_of(bench, name, seed)),
                "test": {
                    metric: value
                    for metric, value in evaluated(bench, name, seed)["metrics"].items()
                    if metric.endswith("@20")
                },
            }
            for name in recipes
            for seed in seeds_of(bench, name)
        },
    }


def _run(folder: Path) -> dict[str, Any]:
    """Settings and origin of a run."""
    sealed = open_seal(folder, "run")
    origin = {key: sealed[key] for key in ("created", "versions", "parameters", "best")}
    return {**origin, "recipe": tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))}


def _notes(bench: Bench, name: str, document: dict[str, Any]) -> list[str]:
    """Dataset, command and versions as sentences below the table."""
    versions = ", ".join(
        f"{name} {short(version) if name == 'commit' else version}" for name, version in document["versions"].items()
    )
    machine = ", ".join(document["hardware"].values())
    return [
        f"Dataset {bench.dataset.name}, items {bench.dataset.fingerprint[:12]}.",
        f'Written {document["made"]} by "{bench.command}" with {versions}, on {machine}.',
        f"{name}.json has every setting.",
    ]


def _hardware() -> dict[str, str]:
    """Processor, cores and, where NVIDIA's driver lists them, graphics cards of this machine."""
    names = _values(Path("/proc/cpuinfo"), "model name") or [platform.processor() or platform.machine()]
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return {"processor": names[0], "cores": f"{cpu_count()} cores"} | {
        f"card {card.parent.name}": name for card in cards for name in _values(card, "Model")
    }


def _values(path: Path, key: str) -> list[str]:
    """Values of the lines "key : value" of a file of /proc; none if the file doesn't exist."""
    if not path.is_file():
        return []
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [value.strip() for name, _, value in pairs if name.strip() == key]
