"""`hiersrec recommend RUN --session "id,id,..."`: the next items of a session, with reasons when asked for."""

from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing
from hiersrec.cli.lists import listed


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
    candidates: Annotated[
        str, typer.Option(help="Items to rank: all, category (of its likeliest categories), random (as many).")
    ] = "all",
    top: Annotated[int | None, typer.Option(help="Candidates: the best categories of each level to take.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list with one answer for each session.")] = False,
) -> None:
    """Recommend the next items of live sessions."""
    from hiersrec.retrieval.candidates import Candidates
    from hiersrec.serving.recommender import Recommender
    from hiersrec.serving.render import render

    sessions = [listed(ids) for ids in session]
    chosen = Candidates(policy=candidates, top=top)
    recommender = Recommender.load(run)
    answers = recommender.recommend(sessions, k, explain=explain, exclude_seen=exclude_seen, candidates=chosen)
    if json:
        printing.show_json([answer.to_dict() for answer in answers])
        return
    catalog_size = None if candidates == "all" else recommender.catalog.num_items
    for answer in answers:
        printing.show(*render(answer, catalog_size), "")
