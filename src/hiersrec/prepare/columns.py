"""The user's column names -> ours: by option, by our own name, or by a usual alias of the field."""

from collections.abc import Callable, Sequence
from pathlib import Path

from hiersrec.errors import BadInput, did_you_mean
from hiersrec.prepare.settings import Columns

ALIASES = {
    "session_id": ("sessionid", "session"),
    "item_id": ("itemid", "item"),
    "timestamp": ("time", "timeframe", "datetime", "ts"),
    "position": ("pos",),
    "user_id": ("userid", "user"),
    "event_type": ("eventtype", "event"),
    "category_path": ("category",),
}
"""Usual names of the field, compared in lower case and without RecBole's ":type" at the end."""


def bare(name: str) -> str:
    """A column name in lower case, without a type: "item_id:token" -> "item_id"."""
    return name.split(":")[0].strip().lower()


def find(field: str, named: str | None, columns: Sequence[str], file: Path, say: Callable[[str], None]) -> str | None:
    """The column of `file` that holds `field`, or None; tells `say` about an alias.

    Raises BadInput if the column named by option is not there.
    """
    if named is not None:
        if named not in columns:
            option = f"--{field.replace('_', '-')}"
            raise BadInput(f"{file} has no column '{named}', named by {option}. {did_you_mean(named, columns)}")
        return named
    if field in columns:
        return field
    for alias in (field, *ALIASES.get(field, ())):
        for column in columns:
            if bare(column) == alias:
                say(f"prepare: column '{column}' of {file.name} is read as {field}")
                return column
    return None


def missing(field: str, columns: Sequence[str], file: Path) -> BadInput:
    """The error for a field that no column holds."""
    option = f"--{field.replace('_', '-')}"
    return BadInput(f"{file} has no column for {field}. {did_you_mean(field, columns)} Name the column with {option}.")


def find_events(
    options: Columns,
    key: str | None,
    must_have_type: bool,
    columns: Sequence[str],
    file: Path,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Field -> column of an events file, for every field that is there. Raises BadInput if one that is needed is not.

    Needed are the item, the session (or user and timestamp), the order (position or timestamp), and what options name.
    """
    found: dict[str, str] = {}
    for field in ("session_id", "item_id", "timestamp", "position", "user_id", "event_type"):
        column = find(field, getattr(options, field), columns, file, say)
        if column is not None:
            found[field] = column
    if "item_id" not in found:
        raise missing("item_id", columns, file)
    if must_have_type and "event_type" not in found:
        raise missing("event_type", columns, file)
    if "session_id" not in found and not {"user_id", "timestamp"} <= set(found):
        raise BadInput(
            f"{file} has no column for session_id, nor both user_id and timestamp to cut sessions from. "
            f"{did_you_mean('session_id', columns)} Name the column with --session-id, or --user-id and --timestamp."
        )
    if not {"position", "timestamp"} & set(found):
        raise BadInput(
            f"{file} has neither a position nor a timestamp, so the order inside a session is unknown. "
            f"Columns: {', '.join(columns)}. Name one with --position or --timestamp."
        )
    if key is not None:
        if key not in columns:
            raise BadInput(f"{file} has no column '{key}', named by --split-key. {did_you_mean(key, columns)}")
        found["key"] = key
    return found


def find_levels(
    options: Columns, columns: Sequence[str], file: Path, say: Callable[[str], None]
) -> tuple[list[str], bool]:
    """The category columns of an items file, one a level or one path column, and whether it is a path; maybe none."""
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
