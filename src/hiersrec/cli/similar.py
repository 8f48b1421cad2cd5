"""`hiersrec similar RUN --item ID`: the items that are most like an item."""

from pathlib import Path
from typing import Annotated

import typer

from hiersrec import Recommender
from hiersrec.cli import options, printing


def command(  # more than ten parameters: they are the flags
    run: Annotated[Path, typer.Argument(help="A run folder, made by train, or a bundle, made by export.")],
    item: Annotated[list[str], typer.Option(help="An item; repeat for more.", metavar="ID")],
    k: Annotated[int, typer.Option("--k", help="Items to list for each.")] = 20,
    allow: options.Allow = None,
    deny: options.Deny = None,
    category: options.Category = None,
    per_category: options.PerCategory = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list with one answer for each item.")] = False,
) -> None:
    """List the items that are most like an item, by the vectors that the model compares."""
    answers = Recommender.load(run).similar_items(
        item,
        k,
        allow=options.optional_list(allow),
        deny=options.optional_list(deny),
        categories=options.paths(category),
        per_category=per_category,
    )
    printing.result(answers.to_dicts(), json, *answers.parts())
