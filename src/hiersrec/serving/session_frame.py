"""Live sessions, in any of these layouts -> lists of ids:

    [["a", "b"], ["c"]]                 a list, an array or a Series of lists
    session_id, item_id                 a frame with a row per event; with timestamp or position in that order, else in
                                        row order
    session_id (optional), items        a frame with a row per session, whose items are a list, oldest first

Sessions of a frame come in the order in which they first appear.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from hiersrec.errors import BadInput, repr_of
from hiersrec.frames import is_column, read_frame
from hiersrec.types import ExternalId, Frame

ORDERS = ("position", "timestamp")


def lists_of(sessions: "Sequence[Sequence[ExternalId]] | Frame") -> tuple[list[ExternalId] | None, list[list[Any]]]:
    """Names of the sessions, None where they have no names, and a list of item ids for each.

    Raises BadInput if it is neither a list of lists nor a frame of one of the layouts.
    """
    names: list[ExternalId] | None = None
    lists: Iterable[Any]
    if is_column(sessions):  # a Series, named by the index that it has in pandas
        index = getattr(sessions, "index", None)
        names, lists = None if index is None else index.to_list(), sessions.to_list()  # type: ignore[union-attr]
    elif isinstance(sessions, Frame):
        names, lists = sessions_of_frame(sessions)
    elif isinstance(sessions, Iterable) and not isinstance(sessions, str | bytes | Mapping | Set):
        lists = sessions
    else:
        raise BadInput(
            f"sessions must be a list of lists of item ids, such as [['a', 'b']], or a frame, got {repr_of(sessions)}."
        )
    return names, [_ids(session) for session in lists]


def _ids(session: object) -> list[Any]:
    """A session as a list: it must be a sequence, since its order counts."""
    unordered = isinstance(session, str | bytes | Mapping | Set)
    try:
        if not unordered:
            return list(session)  # type: ignore[call-overload, no-any-return]
    except TypeError:
        pass
    raise BadInput(f"A session is a list of item ids, got {repr_of(session)}. Pass [[...]], a list of sessions.")


def sessions_of_frame(frame: Frame) -> tuple[list[ExternalId], list[Any]]:
    """Names and item ids of the sessions of a frame. Raises BadInput if it has neither layout, a null, or odd ids."""
    table = read_frame(frame).read_all()
    names = table.column_names
    if "items" in names:
        lists = table["items"].to_pylist()
        ids = table["session_id"].to_pylist() if "session_id" in names else list(range(len(lists)))
        return ids, [[] if items is None else items for items in lists]
    if not {"session_id", "item_id"} <= set(names):
        raise BadInput(
            "A frame of sessions needs the columns session_id and item_id, a row per event, or the column items, a "
            f"list per session; got {', '.join(names) or 'no columns'}. Rename them."
        )
    needed = ["session_id", "item_id", *(name for name in ORDERS if name in names)]
    for name in needed:
        if table[name].null_count:
            raise BadInput(f"Column '{name}' of the frame of sessions has nulls. Fill them in, or drop those rows.")
    if str(table["item_id"].type) in ("float", "double"):
        raise BadInput(
            "Column 'item_id' of the frame of sessions holds floating-point numbers, and an item id is text or a whole "
            "number. Convert it; in pandas, where missing values make it so, with .astype('Int64')."
        )
    order = [name for name in ORDERS if name in names][:1]
    rows = list(zip(*(table[name].to_pylist() for name in ("session_id", "item_id", *order)), strict=True))
    of_session: dict[ExternalId, list[Any]] = {}
    for session, *event in rows:
        of_session.setdefault(session, []).append(event)
    if order:
        for events in of_session.values():
            events.sort(key=lambda event: event[1])  # stable: ties stay in row order
    return list(of_session), [[event[0] for event in events] for events in of_session.values()]
