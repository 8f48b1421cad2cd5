"""`hiersrec similar RUN --item ID`: the items that are most like an item."""

from pathlib import Path
from typing import Annotated

import typer

from hiersrec import Recommender
from hiersrec.cli import printing, split_list


def command(  # more than ten parameters: they are the flags
    run: Annotated[Path, typer.Argument(help="A run folder, made by train, or a bundle, made by export.")],
    item: Annotated[list[str], typer.Option(help="An item; repeat for more.", metavar="ID")],
    k: Annotated[int, typer.Option("--k", help="Items to list for each.")] = 20,
    allow: Annotated[str | None, typer.Option(help="List only these items.", metavar="ID,...")] = None,
    deny: Annotated[str | None, typer.Option(help="Never list these items.", metavar="ID,...")] = None,
    category: Annotated[
        list[str] | None,
        typer.Option(help="List only items of this category; repeat for more.", metavar="NAME/NAME/..."),
    ] = None,
    per_category: Annotated[int | None, typer.Option(help="Most items of one category of the finest level.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list with one answer for each item.")] = False,
) -> None:
    """List the items that are most like an item, by the vectors that the model compares."""
    answers = Recommender.load(run).similar_items(
        item,
        k,
        allow=None if allow is None else split_list(allow),
        deny=None if deny is None else split_list(deny),
        categories=[path.split("/") for path in category] if category else None,
        per_category=per_category,
    )
    printing.result(answers.to_dicts(), json, *answers.parts())
