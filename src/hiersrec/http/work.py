"""How much work a request is, known before any of it is done: what is refused, and what is computed in slices.

The unit is the time of listing one item, some 5 microseconds. The others were measured in it, on 43,000 items.
"""

from hiersrec.http.errors import Problem
from hiersrec.http.schemas import Many, RequestOptions

EXPLAINED = 20
"""Of an item with reasons."""
SESSION = 100
"""Of a session. The scan of the items is not counted: sessions that are computed together share it."""
CATEGORY = 20
"""Of a category to list from, or to boost."""
DIVERSE = 12
"""Of an item of a list that is chosen for diversity, in a list of 1,000; half in one of 20."""

MOST_ANSWERED = 20_000
"""Limit of the items of all lists of a batch."""
MOST_EXPLAINED = 8_000
"""The same with reasons; about a second."""
MOST_SEEN = 100_000
"""Limit of the ids of all sessions of a batch."""


def check_work(body: Many) -> None:
    """Raise Problem 422 for a batch that is too much for one request."""
    lists = len(body.sessions) * body.k
    most = MOST_EXPLAINED if body.explain else MOST_ANSWERED
    if lists > most:
        raise Problem(
            422,
            f"sessions times k, the items of all lists, must be at most {most:,}{' with explain' * body.explain}, got "
            f"{len(body.sessions)} times {body.k}. Send fewer sessions at once, or a smaller k.",
        )
    if (seen := sum(map(len, body.sessions))) > MOST_SEEN:
        raise Problem(
            422, f"The sessions must have at most {MOST_SEEN:,} ids together, got {seen:,}. Send fewer at once."
        )


def work_of(options: RequestOptions, session_lengths: list[int], catalog_size: int) -> list[int]:
    """The work of each session of a request."""
    of_item = (EXPLAINED if options.explain else 1) + (DIVERSE if options.diversity else 0)
    listed = min(options.k, catalog_size) * of_item
    work = [SESSION + listed + length for length in session_lengths]
    if work:  # the filters are read once
        work[0] += len(options.allow or ()) + len(options.deny or ()) + len(options.boost or ())
        work[0] += CATEGORY * (len(options.categories or ()) + len(options.boost_categories or ()))
    return work
