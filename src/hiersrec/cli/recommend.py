"""`hiersrec recommend RUN --session "id,id,..."`: the next items of a session, with reasons when asked for."""

from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing


def command(
    run: Annotated[Path, typer.Argument(help="A run folder, made by train.", metavar="RUN")],
    session: Annotated[
        list[str], typer.Option(help="Item ids, oldest first; may be given several times.", metavar="ID,...")
    ],
    k: Annotated[int, typer.Option("--k", help="Items to recommend.")] = 20,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add likely categories, and what adds to each score.")
    ] = False,
    exclude_seen: Annotated[bool, typer.Option("--exclude-seen", help="Items of the session are not listed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a list with one answer for each session.")] = False,
) -> None:
    """Recommend the next items of live sessions."""
    from hiersrec.serving.recommender import Recommender
    from hiersrec.serving.render import render

    sessions = [[one.strip() for one in ids.split(",") if one.strip()] for ids in session]
    answers = Recommender.load(run).recommend(sessions, k, explain=explain, exclude_seen=exclude_seen)
    if json:
        printing.show_json([answer.to_dict() for answer in answers])
        return
    for answer in answers:
        printing.show(*render(answer), "")
