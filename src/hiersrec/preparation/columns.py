"""Which column of the user's file holds which field: by option, by the field's name, or by a common alias."""

from collections.abc import Sequence
from pathlib import Path

from hiersrec.errors import BadInput, did_you_mean
from hiersrec.preparation.settings import Columns
from hiersrec.types import Say

ALIASES = {
    "session_id": ("sessionid", "session", "session id", "user_session"),
    "item_id": ("itemid", "item", "item id", "product_id", "movieid", "aid"),
    "timestamp": ("time", "timeframe", "datetime", "ts", "event_time"),
    "position": ("pos",),
    "user_id": ("userid", "user", "visitorid"),
    "event_type": ("eventtype", "event"),
    "category_path": ("category",),
}
"""Other names of a field, compared in lower case and without RecBole's ":type" at the end.

They read the public files of REES46, RetailRocket, Yoochoose, OTTO (flattened), Diginetica, MovieLens and RecBole.
"""
TITLE = "title"
"""The column of the items that people are shown."""


def bare(name: str) -> str:
    """A column name in lower case, without a type: "item_id:token" -> "item_id"."""
    return name.split(":")[0].strip().lower()


def shown_name(name: str, names: Sequence[str]) -> str:
    """The name of a column of the items in the catalogue: the first Title or title:token_seq is "title", if none is."""
    is_first = name == next((other for other in names if bare(other) == TITLE), None)
    return TITLE if is_first and TITLE not in names else name


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def find(field: str, option: str | None, columns: Sequence[str], file: Path, say: Say) -> str | None:
    """The column of `file` that holds `field`, or None; `option` is the column that the user named, if any.

    Reports an alias, and other columns that differ from it only in case. Raises BadInput if the column that the user
    named is missing.
    """
    if option is not None:
        if option not in columns:
            raise BadInput(
                f"{file} has no column '{option}', named by {_option(field)}. {did_you_mean(option, columns)}"
            )
        return option
    for alias in (field, *ALIASES.get(field, ())):
        named = [column for column in columns if bare(column) == alias]
        if not named:
            continue
        used = field if field in named else named[0]
        others = ", ".join(f"'{column}'" for column in named if column != used)
        if used != field or others:
            say(f"prepare: column '{used}' of {file.name} is read as {field}{others and f', and not {others}'}")
        return used
    return None


def missing(field: str, columns: Sequence[str], file: Path, option: str | None = None) -> BadInput:
    """The error for a field that no column holds; `option` is the flag that names it, if not called as the field."""
    return BadInput(
        f"{file} has no column for {field}. {did_you_mean(field, columns)} Name the column with "
        f"{option or _option(field)}."
    )


def not_an_id(kind: object, column: str, field: str, file: Path | str) -> BadInput:
    """The error for ids in a column whose type is neither text nor integers."""
    hint = ""
    if str(kind) in ("float", "double", "halffloat"):
        hint = (
            " A pandas frame with missing values has floats in place of integers: drop the rows without one, and give "
            f'frame.astype({{"{column}": "Int64"}}).'
        )
    return BadInput(f"{file}: column '{column}' ({field}) has type {kind}. It must hold text or integers.{hint}")


def find_item_id(options: Columns, columns: Sequence[str], file: Path, say: Say) -> str:
    """The column of an items file with the item. Raises BadInput if there is none.

    It is called as --items-item-id says, or as --item-id does for the events too, or has a usual name.
    """
    if options.items_item_id is not None and options.items_item_id not in columns:
        raise BadInput(
            f"{file} has no column '{options.items_item_id}', named by --items-item-id. "
            f"{did_you_mean(options.items_item_id, columns)}"
        )
    for column in (options.items_item_id, options.item_id):
        if column in columns:
            return str(column)
    column = find("item_id", None, columns, file, say)
    if column is None:
        raise missing("item_id", columns, file, "--items-item-id")
    return column


def tell_unused(columns: Sequence[str], used: Sequence[str], say: Say) -> None:
    """Say which columns of the events have no use."""
    if unused := [column for column in columns if column not in used]:
        say(f"prepare: events column{'s' if len(unused) > 1 else ''} {', '.join(unused)}: not used")


def find_events(
    options: Columns, key: str | None, must_have_type: bool, columns: Sequence[str], file: Path, say: Say
) -> dict[str, str]:
    """Field -> column of an events file, for every field that the file has.

    Required are the item, the session (or user and timestamp), the order (position or timestamp), and all columns that
    options name. Raises BadInput if one is missing.
    """
    column_of: dict[str, str] = {}
    for field in ("session_id", "item_id", "timestamp", "position", "user_id", "event_type"):
        column = find(field, getattr(options, field), columns, file, say)
        if column is not None:
            column_of[field] = column
    for field in ("item_id", "event_type") if must_have_type else ("item_id",):
        if field not in column_of:
            raise missing(field, columns, file)
    if "session_id" not in column_of and not {"user_id", "timestamp"} <= set(column_of):
        raise BadInput(
            f"{file} has no column for session_id, nor both user_id and timestamp to cut sessions from. "
            f"{did_you_mean('session_id', columns)} Name the column with --session-id, or --user-id and --timestamp."
        )
    if not {"position", "timestamp"} & set(column_of):
        raise BadInput(
            f"{file} has neither a position nor a timestamp, so the order inside a session is unknown. "
            f"Columns: {', '.join(columns)}. Name one with --position or --timestamp."
        )
    if key is not None:
        if key not in columns:
            raise BadInput(f"{file} has no column '{key}', named by --split-key. {did_you_mean(key, columns)}")
        column_of["key"] = key
    return column_of


def find_levels(options: Columns, columns: Sequence[str], file: Path, say: Say) -> tuple[list[str], bool]:
    """The category columns of an items file, one per level or one path column, and whether it is a path; maybe none."""
    if options.category_columns:
        if absent := [name for name in options.category_columns if name not in columns]:
            near = did_you_mean(absent[0], columns)
            raise BadInput(f"{file} has no column '{absent[0]}', named by --category-columns. {near}")
        return list(options.category_columns), False
    numbered = {bare(name): name for name in columns}
    depth = 0
    while f"category_{depth + 1}" in numbered:
        depth += 1
    if depth and options.category_path is None:
        return [numbered[f"category_{level}"] for level in range(1, depth + 1)], False
    path = find("category_path", options.category_path, columns, file, say)
    return ([], False) if path is None else ([path], True)
