"""Which items stood near one another in sessions."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from hiersrec.store.sessions import Sessions
from hiersrec.types import Float64, Int32


def item_pairs(
    sessions: Sessions, num_items: int, window: int, value: Callable[[int], float], with_itself: bool = True
) -> sparse.csr_array:
    """Sum, over all pairs of positions in one session that are at most `window` apart, of `value` of their distance.

    Returns (N + 1, N + 1) sparse float64, symmetric. with_itself: count pairs of an item and itself too.
    """
    session, items, size = sessions.of_events(), np.asarray(sessions.items), num_items + 1
    pairs = sparse.csr_array((size, size), dtype=np.float64)
    for distance in range(1, window + 1):
        together = session[:-distance] == session[distance:]
        earlier, later = items[:-distance], items[distance:]
        if not with_itself:
            together &= earlier != later
        values = np.full(together.sum(), value(distance))
        pairs = pairs + sparse.csr_array((values, (earlier[together], later[together])), shape=(size, size))
    return pairs + pairs.T


def greatest_of_each(pairs: sparse.coo_array, most: int) -> tuple[Int32, Int32, Float64]:
    """Rows (E,), ascending, columns (E,) and values (E,) of the greatest `most` entries of each row, greatest first.

    Of equal ones those with the lower columns are taken.
    """
    of, other = pairs.coords
    order = np.lexsort((other, -pairs.data, of))
    of, other, value = of[order], other[order], pairs.data[order]
    kept = np.arange(len(of)) - np.searchsorted(of, of) < most
    return of[kept].astype(np.int32), other[kept].astype(np.int32), value[kept]
