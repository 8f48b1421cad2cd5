"""Tables of Python libraries, in and out.

In: whatever has `__arrow_c_stream__`, the Arrow PyCapsule interface: frames of pandas and polars, tables of PyArrow,
relations of DuckDB, tables of Ibis. Out: columns as an Arrow table, a frame of pandas or polars, or HTML. None of these
libraries is required here; PyArrow is, to read a frame.
"""

import html
import importlib
import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiersrec.errors import BadInput, HiersrecError, did_you_mean, named_extras
from hiersrec.types import Frame

if TYPE_CHECKING:
    import pyarrow as pa

LIBRARIES = ("pandas", "polars")
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
"""The column that pandas makes of an index without a name."""
MOST_ROWS = 60
"""Rows that HTML shows."""
FRAME_RULE = "Give each column a name of its own and values of one type."


def read_frame(frame: Frame) -> "pa.RecordBatchReader":
    """The rows of a frame, batch by batch, in plain types: text, not views of text or dictionaries of it.

    An index of pandas without a name is left out; one with a name is a column. Raises BadInput if a column can't be
    converted to Arrow, MissingExtra without PyArrow.
    """
    with named_extras():
        import pyarrow as pa
    kind = type(frame).__name__
    if is_column(frame):
        raise BadInput(f"A {kind} is one column, and a frame has several. Give a frame, such as its to_frame().")
    try:
        reader = pa.RecordBatchReader.from_stream(frame)
    except Exception as error:  # the library of the frame runs here, and each has its own errors
        raise BadInput(f"A {kind} can't be converted to Arrow: {_first_line(error)}. {FRAME_RULE}") from error
    if twice := [name for name, count in Counter(reader.schema.names).items() if count > 1]:
        raise BadInput(f"A {kind} has several columns '{twice[0]}'. {FRAME_RULE}")
    columns = [number for number, name in enumerate(reader.schema.names) if not UNNAMED_INDEX.fullmatch(name)]
    kept = [reader.schema.field(number) for number in columns]
    schema = pa.schema([pa.field(field.name, plain_type(field.type)) for field in kept])

    def batches() -> "Iterable[pa.RecordBatch]":
        while (batch := _next(reader, kind)) is not None:  # one without rows is not the end
            arrays = [plain_array(batch.column(number)) for number in columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _next(reader: "pa.RecordBatchReader", kind: str) -> "pa.RecordBatch | None":
    """The next batch, or None at the end."""
    try:
        return next(reader, None)
    except Exception as error:  # of the frame's own library, or of a generator behind it
        raise BadInput(f"The rows of a {kind} can't be read: {_first_line(error)}.") from error


def _first_line(error: Exception) -> str:
    """What an error of another library says, without its traceback and full stop."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")


def is_column(value: object) -> bool:
    """Whether a value is one column of a library, such as a Series of pandas or polars."""
    return hasattr(value, "to_list") and hasattr(value, "to_frame")


def plain_array(array: "pa.Array") -> "pa.Array":
    """An array in its plain type; dictionaries of views, also inside lists, are what Arrow's own cast lacks."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    plain = plain_type(kind)
    if kind == plain:
        return array
    if pa.types.is_dictionary(kind):
        return plain_array(array.dictionary).take(array.indices)
    if pa.types.is_list(plain):
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array([0, *accumulate(lengths.tolist())], pa.int32())
        return pa.ListArray.from_arrays(offsets, plain_array(array.flatten()), type=plain, mask=array.is_null())
    return array.cast(plain)


def plain_type(kind: "pa.DataType") -> "pa.DataType":
    """The type that the values of a column have in files: text for views, large text and dictionaries of text."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if types.is_string_view(kind) or types.is_large_string(kind):
        return pa.string()
    if types.is_struct(kind):
        return pa.struct([pa.field(field.name, plain_type(field.type)) for field in kind.fields])
    if types.is_fixed_size_list(kind):
        return pa.list_(plain_type(kind.value_type), kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
        return pa.list_(plain_type(kind.value_type))
    return kind


def write_frame(frame: Frame, path: Path) -> Path:
    """Write a frame to a Parquet file, in batches; returns the path."""
    reader = read_frame(frame)
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return path


def to_arrow(columns: Mapping[str, Sequence[Any]]) -> "pa.Table":
    """Columns of Python values as an Arrow table; raises MissingExtra without PyArrow."""
    with named_extras():
        import pyarrow as pa
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def to_frame(columns: Mapping[str, Sequence[Any]], library: str | None = None) -> Any:
    """Columns of Python values as a DataFrame of `library`, "pandas" or "polars".

    By default of pandas if it is installed, else of polars. Raises HiersrecError where it is not installed.
    """
    if library is not None and library not in LIBRARIES:
        raise BadInput(f"There are frames of pandas and polars, not of '{library}'. {did_you_mean(library, LIBRARIES)}")
    installed = [name for name in LIBRARIES if importlib.util.find_spec(name) is not None]
    wanted = [name for name in installed if library in (None, name)]
    if not wanted:
        raise HiersrecError(
            f"A frame needs {library or 'pandas or polars'}, which is not installed. Install it with pip, or use "
            "to_dicts()."
        )
    make: Callable[[dict[str, Any]], Any] = importlib.import_module(wanted[0]).DataFrame
    return make({name: list(values) for name, values in columns.items()})


def to_html(
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    notes: Iterable[str] = (),
    marks: Mapping[tuple[int, int], str] | None = None,
) -> str:
    """A table of formatted cells for notebooks: the first column left, the others right; at most MOST_ROWS rows.

    marks: (row, column), from 0, of cells -> the tag around their text, such as "b".
    """

    def text(cell: str, mark: str | None) -> str:
        return f"<{mark}>{html.escape(str(cell))}</{mark}>" if mark else html.escape(str(cell))

    def line(cells: Sequence[str], tag: str, row: int = -1) -> str:
        aligned = (
            f'<{tag} style="text-align:{"right" if number else "left"}">{text(cell, (marks or {}).get((row, number)))}'
            f"</{tag}>"
            for number, cell in enumerate(cells)
        )
        return f"<tr>{''.join(aligned)}</tr>"

    remaining = iter(rows)
    body = "".join(line(row, "td", number) for number, row in enumerate(islice(remaining, MOST_ROWS)))
    hidden = sum(1 for _ in remaining)
    below = [*notes, *([f"{hidden:,} more rows"] if hidden else [])]
    caption = f'<caption style="text-align:left;white-space:nowrap">{html.escape(title)}</caption>' if title else ""
    head = f"<thead>{line(headings, 'th')}</thead>"
    return f"<table>{caption}{head}<tbody>{body}</tbody></table>" + "".join(f"<p>{html.escape(n)}</p>" for n in below)
