"""Evaluate a run folder on a split of a dataset; metrics and the rank of every prefix go into the run folder.

Results of the test split with default options are metrics.json and ranks.parquet; the file names of all others state
what differs.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hiersrec import __version__
from hiersrec.build import LoadedRun, open_run
from hiersrec.errors import BadFolder, BadInput
from hiersrec.evaluation.choose_candidates import CandidateGoal, ChosenCandidates, choose
from hiersrec.evaluation.evaluate import EvaluationOptions, evaluate
from hiersrec.evaluation.metrics import about_documents
from hiersrec.store.dataset import Dataset
from hiersrec.store.folder import new_file, write_text
from hiersrec.store.sessions import Sessions
from hiersrec.store.unseen import renumbered


def evaluate_run(
    folder: Path,
    data: Path | None = None,
    split: str = "test",
    options: EvaluationOptions | None = None,
    goal: CandidateGoal | None = None,
    progress: Callable[[int, int], None] | None = None,
    choosing: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Evaluate a run folder; writes metrics and ranks into it and returns the metrics document.

    data: a dataset folder in place of the one the run was trained on; its item vocabulary must be the same. In a run
    with items added after training, those count in the test sessions, by their external ids. goal: replaces the
    candidates of the options by those that are chosen on the validation sessions; `choosing` reports that as
    `progress` reports the evaluation. Raises BadFolder for a folder that can't be read, BadInput for another vocabulary
    or split, or if there is nothing to evaluate or to choose on.
    """
    options = options or EvaluationOptions()
    run, dataset = opened(folder, data, split == "valid" or goal is not None)
    started = time.monotonic()
    sessions = sessions_of(run, dataset, split)
    chosen = None
    if goal:
        chosen = choose(run.scorer, run.catalog, dataset.sessions("valid"), goal, options, choosing)
        options = replace(options, candidates=chosen.candidates)
    evaluation = evaluate(run.scorer, run.catalog, sessions, options, progress)
    suffix = _suffix(split, options, sessions.last_only)
    options = replace(options, last_only=options.last_only or sessions.last_only)
    files = {"metrics": f"metrics{suffix}.json", "ranks": f"ranks{suffix}.parquet"}
    document = {
        "hiersrec": __version__,
        "run": folder.resolve().name,
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "split": split,
        "options": options.document(),
        **({"about": about} if (about := about_documents(options.metrics)) else {}),
        **({"chosen": asdict(goal) | {"validation": chosen.document()}} if goal and chosen else {}),
        "metrics": evaluation.metrics,
        "slices": evaluation.slices,
        "calibration": evaluation.calibration,
        "tasks": evaluation.tasks,
        "seconds": round(time.monotonic() - started, 3),
        "files": files,
    }
    with new_file(folder / files["ranks"]) as aside:
        pq.write_table(evaluation.ranks, aside)
    write_text(folder / files["metrics"], json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return document


def sessions_of(run: LoadedRun, dataset: Dataset, split: str) -> Sessions:
    """Sessions of a split; items that were added after training count in the test sessions, by their external ids."""
    sessions = dataset.sessions(split)
    if split == "test" and run.catalog.num_items > dataset.catalog.num_items:
        sessions = renumbered(sessions, dataset.unseen(), run.catalog)
    return sessions


def choose_candidates(
    folder: Path, data: Path | None, goal: CandidateGoal, choosing: Callable[[int, int], None] | None = None
) -> ChosenCandidates:
    """Candidates for a run folder, chosen on the validation sessions of the dataset it was trained on, or of `data`.

    Raises as `evaluate_run` does.
    """
    run, dataset = opened(folder, data, with_validation=True)
    return choose(run.scorer, run.catalog, dataset.sessions("valid"), goal, progress=choosing)


def opened(folder: Path, data: Path | None, with_validation: bool) -> tuple[LoadedRun, Dataset]:
    """A run and its dataset, which must have the same items; with_validation: whether validation sessions measure."""
    run = open_run(folder)
    trained_on = run.document["dataset"]
    path = data or Path(trained_on["path"])
    if data is None and not path.is_dir():
        raise BadFolder(f"The dataset of {folder} is no longer at {path}. Name its folder with --data.")
    dataset = Dataset.open(path)
    if dataset.fingerprint != trained_on["fingerprint"]:
        raise BadInput(
            f"{dataset.folder} has other items than {folder} was trained on ({trained_on['name']}), so "
            "the run can't be evaluated on it. Name the folder of that dataset with --data, or train on this one."
        )
    if list(dataset.catalog.event_types) != list(run.catalog.event_types):
        raise BadInput(
            f"{dataset.folder} has the event types {', '.join(dataset.catalog.event_types) or 'none'}; {folder} was "
            f"trained with {', '.join(run.catalog.event_types) or 'none'}. Name the folder of that dataset with --data."
        )
    if run.recipe.training is not None and run.recipe.training.refit and with_validation:
        raise BadInput(
            f"{folder} was trained on the validation sessions too (training.refit), so they can neither measure it nor "
            "choose its candidates. Use the run that chose its settings, and --top for candidates."
        )
    return run, dataset


def _suffix(split: str, options: EvaluationOptions, last_only: bool) -> str:
    """What differs from the defaults: "" or "-valid-k5-10-last_only-exclude_seen-candidates-category-top12".

    Other metrics are not a difference: they are other numbers about the same lists, and are compared with the rest.
    Neither is `last_only` in a split that has no other targets (then the argument `last_only` is True).
    """
    words = [] if split == "test" else [split]
    words += [] if options.ks == EvaluationOptions().ks else [f"k{'-'.join(map(str, options.ks))}"]
    words += ["last_only"] if options.last_only and not last_only else []
    words += ["exclude_seen"] if options.exclude_seen else []
    if options.candidates.policy != "all":
        words.append(f"candidates-{options.candidates.policy}")
        sizes = {name: getattr(options.candidates, name) for name in ("top", "share", "mass")}
        words += [f"{name}{value}" for name, value in sizes.items() if value is not None]
        words += [f"seed{options.candidates.seed}"] if options.candidates.seed else []
    return "".join(f"-{word}" for word in words)
