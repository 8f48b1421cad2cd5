"""trials.json: the search and the result of each trial; all that is needed to resume it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from hiersrec import __version__
from hiersrec.errors import BadFolder
from hiersrec.store.folder import FORMAT_VERSION, write_text
from hiersrec.tuning.goal import Goal
from hiersrec.tuning.space import Settings

TRIALS = "trials.json"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial; number 1 is the unchanged recipe."""

    number: int
    state: Literal["running", "finished", "failed"]
    settings: Settings
    versions: dict[str, str]
    valid: dict[str, float] = field(default_factory=dict)
    """Metrics of the validation sessions, once finished."""
    epochs: int = 0
    seconds: float = 0.0
    curve: list[float] = field(default_factory=list)
    """What the search optimises, after each epoch, where epochs are validated with it."""
    reason: str = ""
    """Why it failed."""


def goal_of(study: dict[str, Any]) -> Goal:
    """What a search optimises; a study that does not say so optimises MRR@20."""
    return Goal(study.get("metric", Goal().metric))


def best_of(trials: list[Trial], goal: Goal) -> Trial | None:
    """The finished trial that is best on the validation sessions (ties: the first); None if none is finished."""
    finished = [trial for trial in trials if trial.state == "finished"]
    return max(finished, key=lambda trial: goal.score(trial.valid), default=None)


def write(out: Path, study: dict[str, Any], trials: list[Trial]) -> dict[str, Any]:
    """Write OUT/trials.json and return it: the study, the trials, the best one and its gain over the first."""
    goal = goal_of(study)
    best, gain = best_of(trials, goal), None
    if best and trials[0].state == "finished":
        gain = {name: best.valid[name] - trials[0].valid[name] for name in goal.reported}
    document = {
        "kind": "study",
        "format_version": FORMAT_VERSION,
        "hiersrec": __version__,
        "study": study,
        "best": best.number if best else None,
        "gain": gain,
        "trials": [asdict(trial) for trial in trials],
    }
    write_text(out / TRIALS, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return document


def read(out: Path, study: dict[str, Any]) -> list[Trial]:
    """The trials in OUT so far; empty if there is no search yet.

    Raises BadFolder if `out` is something else, or a search with another recipe, space, dataset or seed.
    """
    path = out / TRIALS
    if not path.is_file():
        if out.exists() and (not out.is_dir() or any(not f.name.startswith(f".{TRIALS}.") for f in out.iterdir())):
            raise BadFolder(f"{out} exists and is not a search (it has no {TRIALS}). Choose another --out.")
        return []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version, old = document["format_version"], document["study"]
        trials = [Trial(**trial) for trial in document["trials"]] if version <= FORMAT_VERSION else []
    except (ValueError, KeyError, TypeError) as error:
        raise BadFolder(f"{path} is damaged ({error}). Choose another --out.") from error
    if version > FORMAT_VERSION:
        raise BadFolder(f"{path} has format version {version}; this hiersrec reads up to {FORMAT_VERSION}. Update it.")
    if others := [name for name in dict.fromkeys([*study, *old]) if old.get(name) != study.get(name)]:
        raise BadFolder(
            f"{out} has a search with another {' and '.join(others)}: see {path}. Continue with the same command as "
            "before (only --trials may differ), or choose another --out."
        )
    return trials
