"""Files of items: the ids that may or may not be listed, or the boost of each. A text file needs no extra."""

from pathlib import Path
from typing import Any

from hiersrec.errors import BadInput, named_extras, repr_of

LINES = ".txt"
"""End of the name of a file with one id a line."""


def read_ids(path: Path) -> list[Any]:
    """The ids in a .txt file, one a line, or in the column item_id of a table of any kind that `prepare` reads.

    Raises BadInput if there is no such file or column, or a row has no id; MissingExtra for a table without PyArrow.
    """
    if path.suffix.lower() == LINES:
        try:
            return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except OSError as error:
            raise BadInput(f"{path} can't be read: {error.strerror}. Check the path.") from error
        except UnicodeDecodeError as error:
            raise BadInput(f"{path} is no text in UTF-8 ({error.reason}). Save it as UTF-8.") from error
    return _columns(path, ("item_id",))["item_id"]


def read_boosts(path: Path) -> dict[Any, float]:
    """The columns item_id and boost of a table, as above; an item has one row. Raises BadInput."""
    columns = _columns(path, ("item_id", "boost"))
    boosts: dict[Any, float] = {}
    for row, (item_id, value) in enumerate(zip(columns["item_id"], columns["boost"], strict=True), start=1):
        if item_id in boosts:
            raise BadInput(f"{path}, row {row}: the item {repr_of(item_id)} has a boost already. Give it one row.")
        try:
            boosts[item_id] = float(value)
        except (TypeError, ValueError):
            raise BadInput(f"{path}, row {row}: boost must be a number, got {repr_of(value)}.") from None
    return boosts


def _columns(path: Path, names: tuple[str, ...]) -> dict[str, list[Any]]:
    """Some columns of a table, which all its rows have."""
    with named_extras():
        from hiersrec.preparation import files
        from hiersrec.preparation.source import parts

    values: dict[str, list[Any]] = {name: [] for name in names}
    for part in parts(path):
        table = files.table(part)
        for name in names:
            if name not in table.column_names:
                other = f", or give a file that ends in {LINES}, with one id a line" if len(names) == 1 else ""
                raise BadInput(
                    f"{part} has no column '{name}', only {', '.join(table.column_names)[:200]}. Rename one{other}."
                )
            column = table[name].to_pylist()
            empty = next((row for row, value in enumerate(column, start=1) if value is None or value == ""), None)
            if empty is not None:
                raise BadInput(f"{part}, row {empty}: '{name}' is empty. Fill it in, or drop the row.")
            values[name] += column
    return values
