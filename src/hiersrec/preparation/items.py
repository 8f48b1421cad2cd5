"""The items table, read into memory as Arrow and checked."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hiersrec.errors import BadInput, did_you_mean
from hiersrec.preparation import columns, files, times, tree
from hiersrec.preparation.events_writer import INTEGER, NOT_A_NUMBER
from hiersrec.preparation.features import vector
from hiersrec.preparation.settings import PrepareSettings
from hiersrec.preparation.source import folder_columns, parts
from hiersrec.types import Say

WHOLE = r"^\s*-?\d+(\.0)?\s*$"
CODE = r"^\s*([-+]?0\d.*|[-+]?\d{19,})\s*$"
"""Digits that a number would not give back."""
LONGEST_NAME = 200
"""Bytes of a column's name, which also names files."""


@dataclass(frozen=True)
class ItemsTable:
    """The items table as read."""

    ids: pa.ChunkedArray
    """Text or int64."""
    paths: list[tree.Names]
    """Names of each row's categories."""
    others: pa.Table
    """The remaining columns."""
    columns: dict[str, Any]
    """Field -> column or columns of the file."""


def read_items(path: Path, settings: PrepareSettings, say: Say, texts: Collection[str] = ()) -> ItemsTable:
    """Read and check an items table. Raises BadInput, naming file, row and value.

    texts: columns that are text even if a CSV file has only numbers in them.
    """
    part_files = files.not_empty(parts(path), say)
    separator = settings.columns.separator
    files.tell_separator(part_files[0], separator, say)
    tables = [_read_part(file, separator, folder_columns(path, file)) for file in part_files]
    try:
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        raise BadInput(f"The parts of {path} don't fit together: {error}. Give all parts the same columns.") from error
    locations = [
        files.location(file, row)
        for file, part in zip(part_files, tables, strict=True)
        for row in range(1, len(part) + 1)
    ]
    names = table.column_names
    id_column = columns.find_item_id(settings.columns, names, part_files[0], say)
    is_text = files.is_text_file(part_files[0])
    ids = _ids(table[id_column], id_column, locations, is_text)
    levels, is_path = columns.find_levels(settings.columns, names, part_files[0], say)
    for name in levels:
        _check_category(table[name], name, is_path, path)
    if is_path:
        cut = settings.columns.category_separator
        paths = tree.names_of_path(tree.without_leading_separators(table[levels[0]], cut, say), cut)
    elif levels:
        of_levels = [table[name] for name in levels]
        paths = tree.names_of_columns([*map(_whole, of_levels)] if is_text else of_levels)
        if not settings.implicit.enabled:  # implicit categories replace this tree, so it need not be consistent
            tree.refuse_contradictions(paths, locations)
    else:
        paths = [()] * len(ids)
    if absent := [name for name in settings.metadata.ignore if name not in names]:
        raise BadInput(f"{path} has no column '{absent[0]}', named by --ignore. {did_you_mean(absent[0], names)}")
    if long := [name for name in names if len(name.encode()) > LONGEST_NAME]:
        raise BadInput(
            f"{path} has a column whose name is {len(long[0].encode())} bytes long: '{long[0][:40]}...'. It can't name "
            f"a file; at most {LONGEST_NAME} bytes can. Rename the column."
        )
    used = {id_column, *levels, *settings.metadata.ignore}
    others = {name: table[name] for name in names if name not in used}
    if is_text:
        numeric = settings.metadata.numeric
        others = {name: _inferred(values, name in texts, name in numeric) for name, values in others.items()}
    for name, file in settings.metadata.vector_files.items():
        if name in names:
            raise BadInput(
                f"{path} has a column '{name}' already, so vectors of that name can't come from {file}. "
                f"Give --vectors {name} to use the column, or give the file's vectors another name."
            )
        others[name] = vector.read(name, file, len(ids))
    return ItemsTable(ids, paths, pa.table(others), {"item_id": id_column, "categories": levels})


def _read_part(part: Path, separator: str | None, constants: Mapping[str, str]) -> pa.Table:
    table = files.table(part, separator, constants)
    if not len(table):
        raise BadInput(f"{part} has no rows. Give a file with items, or leave out --items.")
    return table


def _check_category(values: pa.ChunkedArray, column: str, is_path: bool, path: Path) -> None:
    """Raise BadInput unless a category column holds names, or lists of names that are paths."""
    kind = values.type
    if pa.types.is_list(kind) and not pa.types.is_nested(kind.value_type):
        if is_path:
            return
        raise BadInput(
            f"{path}: column '{column}' holds lists, and a level needs one name. If a list is a whole path from coarse "
            f"to fine, give it with --category-path {column}; else --ignore it or choose another with "
            f"--category-columns."
        )
    if pa.types.is_nested(kind):
        raise BadInput(
            f"{path}: column '{column}' has type {kind}, which is not a category. Categories are text or numbers, one "
            f"column per level, or one path each: text such as Home/Beds, or a list of names."
        )


def _ids(values: pa.ChunkedArray, column: str, locations: list[str], is_text_file: bool) -> pa.ChunkedArray:
    """The ids as text or int64. Raises BadInput if one is empty or repeated."""
    file = locations[0].rsplit(", row", 1)[0]
    if values.type == pa.uint64() and (pc.max(values).as_py() or 0) >= 2**63:
        values = values.cast(pa.string())  # exact, as in events
    if pa.types.is_integer(values.type):
        ids = values.cast(pa.int64())
        empty = ids.is_null()
    elif pa.types.is_string(values.type):
        ids = values.cast(pa.string())
        empty = pc.fill_null(pc.equal(ids, ""), True)
    else:
        raise columns.not_an_id(values.type, column, "item_id", file)
    if pc.any(empty).as_py():
        row = pc.index(empty, True).as_py()
        raise BadInput(
            f"{locations[row]}: column '{column}' (item_id) is empty. Every item needs an id: fill it in or drop it."
        )
    if is_text_file and pc.all(pc.match_substring_regex(ids, INTEGER)).as_py():
        ids = ids.cast(pa.int64())
    first: dict[Any, int] = {}
    for row, item_id in enumerate(ids.to_pylist()):
        if first.setdefault(item_id, row) != row:
            raise BadInput(
                f"{locations[row]}: item '{item_id}' has a row already, {locations[first[item_id]]}. "
                f"Every item must have one row: drop or merge the duplicates."
            )
    return ids


def _whole(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names of categories in CSV: where all are whole numbers, as pandas writes them if some are missing, 1.0 is 1."""
    missing = pc.is_in(names, NOT_A_NUMBER)
    filled = names.filter(pc.invert(pc.or_(missing, pc.equal(pc.utf8_trim_whitespace(names), ""))))
    if not pc.all(pc.match_substring_regex(filled, WHOLE)).as_py():
        return names
    whole = pc.replace_substring_regex(pc.utf8_trim_whitespace(names), r"\.0$", "")
    return pc.if_else(missing, pa.scalar(None, pa.string()), whole)


def _inferred(values: pa.ChunkedArray, is_text: bool, is_numeric: bool) -> pa.ChunkedArray:
    """A column of CSV metadata: blanks become null, and a column with only numbers becomes numeric unless `is_text`.

    Codes such as 007 or whole numbers that floating point does not hold stay text, unless the user says `is_numeric`.
    """
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)
    is_text = is_text or (not is_numeric and pc.any(pc.match_substring_regex(values, CODE)).as_py() is True)
    for pattern, type_ in () if is_text else ((INTEGER, pa.int64()), (times.NUMBER, pa.float64())):
        if values.null_count < len(values) and pc.all(pc.match_substring_regex(values, pattern)).as_py():
            return pc.utf8_trim_whitespace(values).cast(type_)
    return values
