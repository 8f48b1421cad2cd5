"""Which items stood near one another in sessions."""

import numpy as np
from scipy import sparse

from hiersrec.store.sessions import Sessions


def item_pairs(
    sessions: Sessions, num_items: int, distance: int, value: float, with_itself: bool = True
) -> sparse.csr_array:
    """(N + 1, N + 1) sparse float64: `value` for each (earlier, later) pair of positions of a session that far apart.

    with_itself: count pairs of an item and itself too.
    """
    session, items = sessions.of_events(), np.asarray(sessions.items)
    together = session[:-distance] == session[distance:]
    earlier, later = items[:-distance], items[distance:]
    if not with_itself:
        together &= earlier != later
    values, size = np.full(together.sum(), value), num_items + 1
    return sparse.csr_array((values, (earlier[together], later[together])), shape=(size, size))
