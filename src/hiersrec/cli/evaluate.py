"""`hiersrec evaluate RUN`: a run folder -> metrics.json, ranks.parquet and tables."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from hiersrec.cli import printing
from hiersrec.errors import BadInput

METRICS = ("mrr", "hits", "recall", "any_hit")


def command(  # more than ten parameters: they are the flags
    run: Annotated[Path, typer.Argument(help="A run folder, made by train.", metavar="RUN")],
    data: Annotated[Path | None, typer.Option(help="The dataset folder, if it has moved.", metavar="DIR")] = None,
    split: Annotated[str, typer.Option(help="test, valid or train.")] = "test",
    k: Annotated[int, typer.Option("--k", help="Length of the lists.")] = 20,
    last_only: Annotated[bool, typer.Option("--last-only", help="Only the last item of a session is a target.")] = (
        False
    ),
    exclude_seen: Annotated[bool, typer.Option("--exclude-seen", help="Items of the session are not listed.")] = False,
    candidates: Annotated[
        str, typer.Option(help="Items to rank: all, category (those of the likeliest categories), random (as many).")
    ] = "all",
    top: Annotated[int | None, typer.Option(help="Candidates: how many best categories per level.")] = None,
    share: Annotated[
        float | None,
        typer.Option(help="Choose --top on validation: at most this share of the catalogue, such as 0.04."),
    ] = None,
    keep: Annotated[
        float | None,
        typer.Option(help="Choose --top on validation: at least this part of the full MRR, such as 0.995."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the metrics file.")] = False,
) -> None:
    """Evaluate a run on the test sessions."""
    from hiersrec.evaluate_run import evaluate_run
    from hiersrec.evaluation.choose_candidates import CandidateGoal
    from hiersrec.evaluation.evaluate import EvaluationOptions
    from hiersrec.retrieval.candidates import Candidates
    from hiersrec.training.progress import ProgressBar, progress_stage

    goal, chosen = None, Candidates()
    if share is None and keep is None:
        chosen = Candidates(policy=candidates, top=top)
    elif top is None:
        goal = CandidateGoal(policy=candidates, share=share, keep=keep)
    else:
        raise BadInput(f"--share and --keep choose --top, got --top {top} as well. Give only one of the three.")
    options = EvaluationOptions(k=k, last_only=last_only, exclude_seen=exclude_seen, candidates=chosen)
    bar = ProgressBar(printing.console(sys.stderr))
    with progress_stage(bar, "choose top on validation") as choosing, progress_stage(bar, "evaluate") as progress:
        document = evaluate_run(run, data, split, options, goal, progress, choosing)
    files = ", ".join(document["files"].values())
    printing.result(document, json, *tables(document), f"Written to {run}: {files}")


def tables(document: dict[str, Any]) -> Iterator[RenderableType]:
    """Metrics of items and of the other tasks, counts, and slices of one evaluation."""
    k, numbers = document["options"]["k"], document["metrics"]
    names = [f"{metric}@{k}" for metric in METRICS]
    title = f"{document['run']} on {document['dataset']['name']}, {document['split']} split"
    others = [name.removesuffix("/labelled") for name in numbers if name.endswith("/labelled")]
    tasks = [("item", "", "prefixes"), *((task, f"{task}/", f"{task}/labelled") for task in others)]
    rows = [
        [task, f"{numbers[count]:,}", *(_share(numbers.get(prefix + name)) for name in names)]
        for task, prefix, count in tasks
    ]
    yield printing.table(title, ["task", "prefixes", *names], rows)
    yield (
        f"{numbers['unseen_targets']} targets are not in the catalogue and count as misses; "
        f"{numbers['empty_prefixes']} prefixes hold no known item and are answered by popularity; "
        f"{numbers['tied_targets']:.2%} of the targets tie with another item."
    )
    is_whole = document["options"]["candidates"]["policy"] == "all"
    if not is_whole:
        yield _candidates(document)
    if bounds := {name: value for name, value in numbers.items() if name.endswith(("/optimistic", "/pessimistic"))}:
        lines = [[name, _share(value)] for name, value in bounds.items()]
        yield printing.table("Bounds over the order of ties", ["metric", "value"], lines)
    for slice_name, parts in document["slices"].items():
        lines = [
            [part["slice"], f"{part['prefixes']:,}", *(_share(part["metrics"][name]) for name in names)]
            for part in parts
        ]
        yield printing.table(f"By {slice_name.replace('_', ' ')}", ["slice", "prefixes", *names], lines)
        if slice_name == "cold_start" and any(name.startswith("random_within") for name in numbers) and is_whole:
            yield _chance(numbers, names)


def _candidates(document: dict[str, Any]) -> str:
    options, numbers = document["options"], document["metrics"]
    policy, top = options["candidates"]["policy"], options["candidates"]["top"]
    text = (
        f"Only candidates were ranked ({policy}, top {top}): {_share(numbers['candidates/share'])} of the catalogue, "
        f"with {_share(numbers['candidates/target'])} of the targets among them."
    )
    if chosen := document.get("chosen"):
        share, kept = chosen["validation"]["share"], chosen["validation"]["kept"]
        text += (
            f" Top {top} was chosen on validation sessions: there candidates by category are {_share(share)} of the "
            f"catalogue and keep {_share(kept)} of the full mrr@{options['k']}."
        )
        if chosen["share"] is not None and share > chosen["share"]:
            text += f" Even one category per level holds more than {_share(chosen['share'])}, the goal."
    return text


def _chance(numbers: dict[str, float], names: list[str]) -> str:
    """What random order within a category reaches on new targets, and this run (evaluation.random_baseline)."""
    orders = []
    for prefix, about in (("random_within_category", "target's"), ("random_within_predicted_category", "likeliest")):
        if values := [f"{name} {numbers[f'{prefix}/{name}']:.2%}" for name in names if f"{prefix}/{name}" in numbers]:
            orders.append(f"the {about} category: {', '.join(values)}")
    own = ", ".join(f"{name} {numbers[f'within_category/{name}']:.2%}" for name in names[:2])
    return (
        f"New targets, with the items in random order within {'; '.join(orders)}. In this run's own order of the "
        f"items of the target's category: {own}."
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
