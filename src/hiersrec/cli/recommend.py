"""`hiersrec recommend RUN --session "id,id,..."`: the next items of a session, with reasons upon --explain."""

from pathlib import Path
from typing import Annotated

import typer

from hiersrec import Candidates, Recommender
from hiersrec.cli import printing, split_list


def command(  # more than ten parameters: they are the flags
    run: Annotated[Path, typer.Argument(help="A run folder, made by train, or a bundle, made by export.")],
    session: Annotated[
        list[str], typer.Option(help="Item ids, oldest first; repeat for more sessions.", metavar="ID,...")
    ],
    k: Annotated[int, typer.Option("--k", help="Items to recommend.")] = 20,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add the likely categories and the parts of each score.")
    ] = False,
    exclude_seen: Annotated[bool, typer.Option("--exclude-seen", help="Items of the session are not listed.")] = False,
    candidates: Annotated[
        str | None,
        typer.Option(
            help="Items to rank: all, category (those of the likeliest categories), random (as many). Default: all, or "
            "as the bundle was exported."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(help="Candidates: how many best categories per level.")] = None,
    share: Annotated[
        float | None, typer.Option(help="Candidates: best categories that hold this share of the items.")
    ] = None,
    allow: Annotated[str | None, typer.Option(help="List only these items.", metavar="ID,...")] = None,
    deny: Annotated[str | None, typer.Option(help="Never list these items.", metavar="ID,...")] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(
            help="List only items of this category; repeat for more. Quote a name with a slash.",
            metavar="NAME/NAME/...",
        ),
    ] = None,
    per_category: Annotated[int | None, typer.Option(help="Most items of one category of the finest level.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list with one answer for each session.")] = False,
) -> None:
    """Recommend the next items of live sessions."""
    sessions = [split_list(ids) for ids in session]
    chosen = None
    if (candidates, top, share) != (None, None, None):
        chosen = Candidates(policy=candidates or "category", top=top, share=share)
    answers = Recommender.load(run).recommend(
        sessions,
        k,
        explain=explain,
        exclude_seen=exclude_seen,
        candidates=chosen,
        allow=None if allow is None else split_list(allow),
        deny=None if deny is None else split_list(deny),
        categories=[split_list(path, "/") for path in category] if category else None,
        per_category=per_category,
    )
    printing.result(answers.to_dicts(), json, *answers.parts())
