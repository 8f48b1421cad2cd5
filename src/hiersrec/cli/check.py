"""`hiersrec check EVENTS --items ITEMS`: what is in a shop's tables, and the command that prepares them."""

from pathlib import Path
from typing import Annotated

import typer

import hiersrec
from hiersrec.cli import options, printing


def command(  # more than ten parameters: they are the flags
    events: Annotated[Path, typer.Argument(help="Events, as for prepare: a file or a folder of parts.")],
    items: options.Items = None,
    session_id: options.Column = None,
    item_id: options.Column = None,
    items_item_id: options.ItemsItemId = None,
    timestamp: options.Column = None,
    time_format: options.TimeFormat = None,
    position: options.Column = None,
    user_id: options.Column = None,
    event_type: options.Column = None,
    category_path: options.Column = None,
    category_separator: options.CategorySeparator = None,
    category_columns: options.CategoryColumns = None,
    separator: options.Separator = None,
    gap: options.Gap = None,
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
        category_columns=options.optional_list(category_columns),
        separator=separator,
        gap=gap,
    )
    printing.result(result.to_dict(), json, *result.parts())
