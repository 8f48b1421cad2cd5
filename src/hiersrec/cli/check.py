"""`hiersrec check EVENTS --items ITEMS`: what is in a shop's tables, and the command that prepares them."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import printing, split_list

Column = Annotated[str | None, typer.Option(help="Column with this field.", metavar="COLUMN")]


def command(  # more than ten parameters: they are the flags
    events: Annotated[Path, typer.Argument(help="Events, as for prepare: a file or a folder of parts.")],
    items: Annotated[Path | None, typer.Option(help="Items, with their categories; same file types.")] = None,
    session_id: Column = None,
    item_id: Column = None,
    items_item_id: Annotated[
        str | None, typer.Option(help="Items' column with the item, if named differently.", metavar="COLUMN")
    ] = None,
    timestamp: Column = None,
    time_format: Annotated[str | None, typer.Option(help="How times are written: '%d.%m.%Y %H:%M'.")] = None,
    position: Column = None,
    user_id: Column = None,
    event_type: Column = None,
    category_path: Column = None,
    category_separator: Annotated[str | None, typer.Option(help="Between the parts of a path [default: /].")] = None,
    category_columns: Annotated[
        str | None, typer.Option(help="Items' columns, one per level, coarse to fine.", metavar="A,B,...")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Between the values of text files, or the word tab; found if left out.")
    ] = None,
    gap: Annotated[
        float | None, typer.Option(help="Seconds without events that end a session [default: 1800].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")] = False,
) -> None:
    """Show what is in events and items, before they are prepared; writes nothing."""
    result = hiersrec.check(
        events,
        items,
        session_id=session_id,
        item_id=item_id,
        items_item_id=items_item_id,
        timestamp=timestamp,
        time_format=time_format,
        position=position,
        user_id=user_id,
        event_type=event_type,
        category_path=category_path,
        category_separator=category_separator,
        category_columns=None if category_columns is None else split_list(category_columns),
        separator=separator,
        gap=gap,
    )
    printing.result(result.to_dict(), json, *result.parts())
