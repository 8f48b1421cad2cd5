"""All pictures by name, with the numbers that they show; all of these are measured, and say where."""

import json
import tomllib
from pathlib import Path
from typing import Any

from tools.pictures import candidates, model, pipeline, reliability, speed, tree

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/figures"
RESULTS = ROOT / "docs/results"
"""Holds figures.toml and pictures.toml, copied from the log, and prediction.json, which of_run.py writes."""


def drawn() -> dict[str, str]:
    """Name of the file, without .svg -> its text."""
    figures, pictures = (read_toml(name) for name in ("figures.toml", "pictures.toml"))
    of_run = json.loads((RESULTS / "prediction.json").read_text(encoding="utf-8"))
    mass = [row["cells"] for row in figures["tables"]["candidates"]["rows"]]
    systems: dict[str, list[tuple[float, float]]] = {}
    for system, milliseconds, kept in pictures["speed"]["rows"]:
        systems.setdefault(system.split(",")[0], []).append((float(milliseconds), _percent(kept)))
    return {
        "pipeline": pipeline.draw(),
        "model": model.draw(),
        "tree": tree.draw(of_run["tree"]),
        "candidates": candidates.draw(_points(mass), _points(pictures["best"]["rows"])),
        "speed": speed.draw(systems, float(pictures["speed"]["full"])),
        "reliability": reliability.draw(of_run["reliability"]),
    }


def read_toml(name: str) -> dict[str, Any]:
    """A file of docs/results/."""
    return tomllib.loads((RESULTS / name).read_text(encoding="utf-8"))


def _points(rows: list[list[str]]) -> list[candidates.Point]:
    return [(label, _percent(scored), _percent(kept)) for label, scored, kept in rows]


def _percent(cell: str) -> float:
    """12.9 of "12.9 %"."""
    return float(cell.removesuffix(" %"))
