"""Items of the test sessions that training never saw, once they were added to the catalogue.

    test/unseen.parquet   item_id (as given), item (int32, -1, -2, ...: its number in test/items.npy)

The table is stored with the test sessions because it tells about them: training can't reach it.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions

UNSEEN = "unseen.parquet"


def renumbered(sessions: Sessions, unseen: pa.Table, catalog: Catalog) -> Sessions:
    """Sessions in which unseen items that the catalogue now holds have their number there; the others stay negative.

    unseen: table from `Dataset.unseen`. Returns `sessions` itself if the catalogue holds none of them.
    """
    added = catalog.to_internal(unseen["item_id"].to_pylist())
    if not added.any():
        return sessions
    negative = unseen["item"].to_numpy()
    numbers = np.zeros(len(negative) + 1, np.int32)
    numbers[-negative] = np.where(added > 0, added, negative)
    items = np.asarray(sessions.items)
    return replace(sessions, items=np.where(items < 0, numbers[np.maximum(-items, 0)], items))
