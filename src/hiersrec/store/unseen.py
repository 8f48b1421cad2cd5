"""Items of the test sessions that training never saw, once a catalogue has grown to hold some of them.

    test/unseen.parquet   item_id (as given), item (int32, -1, -2, ...: its number in test/items.npy)

The table lies beside the test sessions, because it tells of them: training has no way to it.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions

UNSEEN = "unseen.parquet"


def renumbered(sessions: Sessions, unseen: pa.Table, catalog: Catalog) -> Sessions:
    """Sessions in which every unseen item that the catalogue holds has its number there; the others stay negative.

    unseen: as `Dataset.unseen` gives it. Returns the very `sessions` if the catalogue holds none of them.
    """
    found = catalog.to_internal(unseen["item_id"].to_pylist())
    if not found.any():
        return sessions
    negative = unseen["item"].to_numpy()
    numbers = np.zeros(len(negative) + 1, np.int32)
    numbers[-negative] = np.where(found > 0, found, negative)
    items = np.asarray(sessions.items)
    return replace(sessions, items=np.where(items < 0, numbers[np.maximum(-items, 0)], items))
