"""`hiersrec recommend RUN`: the next items of live sessions (--session), or of every session of a file (--sessions)."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import hiersrec
from hiersrec import Candidates, Recommender
from hiersrec.cli import options, printing, rules, split_list
from hiersrec.errors import BadInput


def command(  # more than ten parameters: they are the flags
    run: Annotated[Path, typer.Argument(help="A run folder, made by train, or a bundle, made by export.")],
    session: Annotated[
        list[str] | None, typer.Option(help="Item ids, oldest first; repeat for more sessions.", metavar="ID,...")
    ] = None,
    sessions: Annotated[
        Path | None,
        typer.Option(
            help="In place of --session: a file of sessions, or a folder of parts. A row per event, as for prepare, or "
            "per session with a list in the column items."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --sessions: the file to write, .parquet, .csv or .jsonl. A killed command continues."),
    ] = None,
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
    session_id: options.Column = None,
    item_id: options.Column = None,
    timestamp: options.Column = None,
    time_format: options.TimeFormat = None,
    position: options.Column = None,
    user_id: options.Column = None,
    separator: options.Separator = None,
    gap: options.Gap = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="With --sessions: duckdb, or local-spark or spark://HOST:PORT to read and score on Spark, which needs "
            "--out and the model on storage that all its machines share. The rows are the same."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that score [default: one for each core].")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an older --out, or begin again where another command began.")
    ] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print a list of answers, one a session; with --out, what was written."),
    ] = False,
) -> None:
    """Recommend the next items of live sessions, or of all sessions of a file."""
    chosen = None
    if any(given is not None for given in (candidates, top, share, mass)):
        chosen = Candidates(policy=candidates or "category", top=top, share=share, mass=mass)
    if sessions is None or out is None or session:
        _check_one_of_both(session, sessions, out)
        of_files = (session_id, item_id, timestamp, time_format, position, user_id, separator, gap, engine, workers)
        if overwrite or any(given is not None for given in of_files):
            raise BadInput("Columns, --gap, --engine, --workers and --overwrite are for --sessions. Leave them out.")
    asked: dict[str, Any] = {
        "k": k,
        "explain": explain,
        "exclude_seen": exclude_seen,
        "candidates": chosen,
        "allow": rules.ids(allow, allow_file),
        "deny": rules.ids(deny, deny_file),
        "categories": options.paths(category),
        "per_category": per_category,
        "boost": rules.boosts(boost, boost_file),
        "boost_categories": rules.boosts_of_paths(boost_category),
        "diversity": diversity,
    }
    if sessions is None or out is None:
        answers = Recommender.load(run).recommend([split_list(ids) for ids in session or []], **asked)
        printing.result(answers.to_dicts(), json, *answers.parts())
        return
    try:
        summary = hiersrec.recommend(
            run,
            sessions,
            out=out,
            **asked,
            session_id=session_id,
            item_id=item_id,
            timestamp=timestamp,
            time_format=time_format,
            position=position,
            user_id=user_id,
            separator=separator,
            gap=gap,
            engine=engine,
            workers=workers,
            overwrite=overwrite,
        )
    except KeyboardInterrupt:
        raise printing.stopped(["hiersrec", *sys.argv[1:]]) from None
    printing.result(summary.document, json, *summary.parts())


def _check_one_of_both(session: list[str] | None, sessions: Path | None, out: Path | None) -> None:
    """Raise BadInput unless only live sessions are given."""
    if session and sessions is not None:
        raise BadInput("--session gives live sessions and --sessions a file of them. Give one of the two.")
    if sessions is not None:
        raise BadInput("--sessions needs a file to write. Name it with --out, such as --out lists.parquet.")
    if out is not None:
        raise BadInput("--out is written for a file of sessions. Name it with --sessions, or leave out --out.")
    if not session:
        raise BadInput('No session is given. Give --session "ID,ID,...", or a file with --sessions FILE --out FILE.')
