"""Flags that several commands have: of the columns of a shop's tables, of candidates, and of what may be listed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hiersrec.cli import split_list
from hiersrec.errors import BadInput


def names(text: str) -> Any:
    """A flag that takes several names, with this help."""
    return typer.Option(help=text, metavar="A,B,...")


Items = Annotated[Path | None, typer.Option(help="Items, with their categories; same file types.")]
Column = Annotated[str | None, typer.Option(help="Column with this field.", metavar="COLUMN")]
ItemsItemId = Annotated[
    str | None, typer.Option(help="Items' column with the item, if named differently.", metavar="COLUMN")
]
TimeFormat = Annotated[str | None, typer.Option(help="How times are written: '%d.%m.%Y %H:%M'.")]
CategorySeparator = Annotated[str | None, typer.Option(help="Between the parts of a path [default: /].")]
CategoryColumns = Annotated[str | None, names("Items' columns, one per level, coarse to fine.")]
Separator = Annotated[
    str | None, typer.Option(help="Between the values of text files, or the word tab; found if left out.")
]
Gap = Annotated[float | None, typer.Option(help="Seconds without events that end a session [default: 1800].")]

Top = Annotated[int | None, typer.Option(help="Candidates: how many best categories per level.")]
Mass = Annotated[
    float | None,
    typer.Option(help="Candidates: likeliest paths of the category tree that hold this probability, such as 0.99."),
]
Promise = Annotated[
    float | None,
    typer.Option(help="Choose --mass on validation: at least this share of the targets are candidates."),
]
Allow = Annotated[str | None, typer.Option(help="List only these items.", metavar="ID,...")]
Deny = Annotated[str | None, typer.Option(help="Never list these items.", metavar="ID,...")]
Category = Annotated[
    list[str] | None,
    typer.Option(
        help="List only items of this category; repeat for more. Quote a name with a slash.", metavar="NAME/NAME/..."
    ),
]
PerCategory = Annotated[int | None, typer.Option(help="Most items of one category of the finest level.")]


def optional_list(text: str | None) -> tuple[str, ...] | None:
    """The names or ids of a flag, None if it was left out."""
    return None if text is None else split_list(text)


def once(flag: str, texts: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of a flag that might be repeated, which would drop the first; None if it was left out."""
    if texts and len(texts) > 1:
        raise BadInput(f"--{flag} is given once, with commas: --{flag} {','.join(texts)}.")
    return split_list(texts[0]) if texts else None


def wholes(flag: str, texts: Sequence[str] | None) -> list[int] | None:
    """The same for whole numbers."""
    names = once(flag, texts)
    try:
        return None if names is None else [int(name) for name in names]
    except ValueError:
        raise BadInput(f"--{flag} takes whole numbers, such as 5,10,20, got {','.join(names or ())}.") from None


def paths(texts: Sequence[str] | None) -> list[tuple[str, ...]] | None:
    """The categories of --category as paths; None if there are none."""
    return [split_list(text, "/") for text in texts] if texts else None
