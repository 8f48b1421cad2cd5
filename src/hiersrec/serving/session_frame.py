"""A frame of live sessions -> lists of ids. Two layouts are read:

    session_id, item_id                 one row per event; with timestamp or position in that order, else in row order
    session_id (optional), items        one row per session, whose items are a list, oldest first

Sessions come in the order in which they first appear.
"""

from typing import Any

from hiersrec.errors import BadInput
from hiersrec.frames import read_frame
from hiersrec.types import ExternalId

ORDERS = ("position", "timestamp")


def sessions_of_frame(frame: Any) -> tuple[list[ExternalId], list[list[ExternalId]]]:
    """Names and item ids of the sessions of a frame. Raises BadInput if it has neither layout, or a null."""
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
    order = [name for name in ORDERS if name in names][:1]
    rows = list(zip(*(table[name].to_pylist() for name in ("session_id", "item_id", *order)), strict=True))
    of_session: dict[ExternalId, list[Any]] = {}
    for session, *event in rows:
        of_session.setdefault(session, []).append(event)
    if order:
        for events in of_session.values():
            events.sort(key=lambda event: event[1])  # stable: ties stay in row order
    return list(of_session), [[event[0] for event in events] for events in of_session.values()]
