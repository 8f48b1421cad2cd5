"""`hiersrec recommend RUN --session "id,id,..."`: the next items of a session, with reasons when asked for."""

from pathlib import Path
from typing import Annotated

import typer

from hiersrec.cli import printing
from hiersrec.cli.lists import listed


def command(  # more than ten parameters: they are the flags
    run: Annotated[Path, typer.Argument(help="A run folder, made by train, or a bundle, made by export.")],
    session: Annotated[
        list[str], typer.Option(help="Item ids, oldest first; may be given several times.", metavar="ID,...")
    ],
    k: Annotated[int, typer.Option("--k", help="Items to recommend.")] = 20,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add likely categories, and what adds to each score.")
    ] = False,
    exclude_seen: Annotated[bool, typer.Option("--exclude-seen", help="Items of the session are not listed.")] = False,
    candidates: Annotated[
        str | None,
        typer.Option(
            help="Items to rank: all, category (of its likeliest categories), random (as many). Default: all, or what "
            "the bundle was made with."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(help="Candidates: the best categories of each level to take.")] = None,
    share: Annotated[
        float | None, typer.Option(help="Candidates: take as many categories as hold this share of the items.")
    ] = None,
    allow: Annotated[str | None, typer.Option(help="List these items alone.", metavar="ID,...")] = None,
    deny: Annotated[str | None, typer.Option(help="Never list these items.", metavar="ID,...")] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(help="List only items of this category; may be given several times.", metavar="NAME/NAME/..."),
    ] = None,
    per_category: Annotated[
        int | None, typer.Option(help="At most so many items of one category of the finest level.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list with one answer for each session.")] = False,
) -> None:
    """Recommend the next items of live sessions."""
    from hiersrec.retrieval.candidates import Candidates
    from hiersrec.serving.recommender import Recommender
    from hiersrec.serving.render import render

    sessions = [listed(ids) for ids in session]
    given = any(one is not None for one in (candidates, top, share))
    chosen = Candidates(policy=candidates or "category", top=top, share=share) if given else None
    recommender = Recommender.load(run)
    answers = recommender.recommend(
        sessions,
        k,
        explain=explain,
        exclude_seen=exclude_seen,
        candidates=chosen,
        allow=None if allow is None else listed(allow),
        deny=None if deny is None else listed(deny),
        categories=[one.split("/") for one in category] if category else None,
        per_category=per_category,
    )
    if json:
        printing.show_json([answer.to_dict() for answer in answers])
        return
    ranked = chosen or recommender.candidates
    catalog_size = None if ranked.policy == "all" else recommender.catalog_size
    for answer in answers:
        printing.show(*render(answer, catalog_size), "")
