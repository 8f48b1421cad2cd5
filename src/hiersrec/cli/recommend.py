"""`hiersrec recommend RUN --session "id,id,..."`: the next items of a session, with reasons upon --explain."""

from pathlib import Path
from typing import Annotated

import typer

from hiersrec import Candidates, Recommender
from hiersrec.cli import options, printing, rules, split_list


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
    top: options.Top = None,
    share: Annotated[
        float | None, typer.Option(help="Candidates: best categories that hold this share of the items.")
    ] = None,
    mass: options.Mass = None,
    allow: options.Allow = None,
    deny: options.Deny = None,
    category: options.Category = None,
    per_category: options.PerCategory = None,
    allow_file: rules.AllowFile = None,
    deny_file: rules.DenyFile = None,
    boost: rules.Boost = None,
    boost_file: rules.BoostFile = None,
    boost_category: rules.BoostCategory = None,
    diversity: rules.Diversity = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print a list with one answer for each session.")] = False,
) -> None:
    """Recommend the next items of live sessions."""
    sessions = [split_list(ids) for ids in session]
    chosen = None
    if any(given is not None for given in (candidates, top, share, mass)):
        chosen = Candidates(policy=candidates or "category", top=top, share=share, mass=mass)
    answers = Recommender.load(run).recommend(
        sessions,
        k,
        explain=explain,
        exclude_seen=exclude_seen,
        candidates=chosen,
        allow=rules.ids(allow, allow_file),
        deny=rules.ids(deny, deny_file),
        categories=options.paths(category),
        per_category=per_category,
        boost=rules.boosts(boost, boost_file),
        boost_categories=rules.boosts_of_paths(boost_category),
        diversity=diversity,
    )
    printing.result(answers.to_dicts(), json, *answers.parts())
