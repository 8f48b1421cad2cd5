"""The kind of each column of the items table, by option or inferred from its values."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from hiersrec import registry
from hiersrec.errors import BadInput, did_you_mean
from hiersrec.preparation.settings import Metadata
from hiersrec.preparation.values import FOLDER, is_list, is_number, is_text
from hiersrec.types import Say

DISPLAY = "display"
"""A column that is only shown to users."""
LEFT_OUT = "left out"
"""A column of lists of numbers that no option names: too large to be kept for display."""
TEXT_SHARE = 0.5
"""A string column with a larger share of distinct values is inferred to be text."""
NOTES = {
    DISPLAY: ", not used as a feature; name it with --numeric or --categorical to use it",
    LEFT_OUT: "; name it with --vectors or --multi to use it",
}


def kinds(items: pa.Table, metadata: Metadata, say: Say) -> dict[str, str]:
    """Column -> kind of feature, DISPLAY or LEFT_OUT, for every column of `items`; inferred where settings don't say.

    Raises BadInput if settings name a missing column.
    """
    kind_of: dict[str, str] = {}
    for name, kind, option in _named(metadata):
        if name not in items.column_names:
            raise BadInput(
                f"The items table has no metadata column '{name}', named by --{option}. "
                f"{did_you_mean(name, items.column_names)}"
            )
        kind_of[name] = kind
    for name in items.column_names:
        if name not in kind_of:
            kind_of[name] = kind = _inferred(items[name])
            verb = "is" if kind == LEFT_OUT else "is taken for"
            say(f"prepare: items column '{name}' {verb} {kind}{NOTES.get(kind, '')}")
    return {name: kind_of[name] for name in items.column_names}


def _named(metadata: Metadata) -> Iterator[tuple[str, str, str]]:
    """Column, kind and option of each column that an option names. Raises UnknownName for an unknown kind."""
    for kind in registry.own_names(FOLDER):
        member = registry.load(FOLDER, kind)
        yield from ((name, kind, member.OPTION) for name in member.columns(metadata))
    for name, kind in metadata.kind_of.items():
        registry.load(FOLDER, kind)
        yield name, kind, "kind"


def _inferred(values: pa.ChunkedArray) -> str:
    filled = len(values) - values.null_count
    if filled and is_list(values.type):
        inner = values.type.value_type
        return "multi" if is_text(inner) else LEFT_OUT if is_number(inner) else DISPLAY
    if not filled or not is_text(values.type):
        return DISPLAY
    return "text" if pc.count_distinct(values, mode="only_valid").as_py() > TEXT_SHARE * filled else "categorical"
