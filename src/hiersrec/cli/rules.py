"""Flags of what a shop allows, denies, boosts and spreads -> arguments of `recommend`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hiersrec.api.item_files import read_boosts, read_ids
from hiersrec.cli import split_list
from hiersrec.errors import BadInput

AllowFile = Annotated[
    Path | None,
    typer.Option(help="List only the items of this file: a .txt with one id a line, or a table with item_id."),
]
DenyFile = Annotated[Path | None, typer.Option(help="Never list the items of this file; as --allow-file.")]
Boost = Annotated[
    list[str] | None,
    typer.Option(help="Add this to the score of an item, 0.5 or -0.5; repeat for more.", metavar="ID=NUMBER"),
]
BoostFile = Annotated[Path | None, typer.Option(help="Boosts of many items: a table with item_id and boost.")]
BoostCategory = Annotated[
    list[str] | None,
    typer.Option(help="Boost all items of this category; repeat for more.", metavar="NAME/NAME/...=NUMBER"),
]
Diversity = Annotated[
    float,
    typer.Option(
        help="0 to 1: how much distance in the category tree counts against scores; lists are not in their order then."
    ),
]


def ids(text: str | None, file: Path | None) -> list[Any] | None:
    """The ids of a flag and of a file together; None if both were left out."""
    if text is None and file is None:
        return None
    return [*split_list(text or ""), *(read_ids(file) if file is not None else ())]


def boosts(texts: Sequence[str] | None, file: Path | None) -> dict[Any, float] | None:
    """Item ids and their boosts. Raises BadInput for an item that is named twice."""
    of_file = read_boosts(file) if file is not None else {}
    of_flags = _pairs("--boost", texts)
    in_file = set(map(str, of_file))  # a flag is text, whatever the ids are
    if twice := [item_id for item_id in of_flags if item_id in in_file]:
        raise BadInput(f"The item '{twice[0]}' has a boost in {file} and one by --boost. Give it one of the two.")
    return of_file | of_flags or None


def boosts_of_paths(texts: Sequence[str] | None) -> dict[tuple[str, ...], float] | None:
    """Paths of categories and their boosts. Raises BadInput."""
    return {split_list(path, "/"): value for path, value in _pairs("--boost-category", texts).items()} or None


def _pairs(flag: str, texts: Sequence[str] | None) -> dict[str, float]:
    """["a=0.5"] -> {"a": 0.5}; the last "=" counts."""
    pairs: dict[str, float] = {}
    for text in texts or ():
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = None
        if value is None or not name.strip():
            raise BadInput(f"{flag} is a name, '=' and a number, such as {flag} lamp=0.5, got '{text}'.")
        if name.strip() in pairs:
            raise BadInput(f"{flag} names '{name.strip()}' twice. Give it one number.")
        pairs[name.strip()] = value
    return pairs
