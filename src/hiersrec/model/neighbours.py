"""What stood near an item in training sessions, as edges of an item graph.

    near(i, j)  = sum, over all pairs of positions of i and j in one training session that are at most WINDOW apart, of
                  1 / distance
    share(i, j) = near(i, j) / sqrt(near(j)) of the K items for which that is greatest, over its sum for those K;
                  near(j) is the sum of near(j, .)

The global graph of GCE-GNN (Wang et al., SIGIR 2020), symmetric, and weighted so that popular items do not fill it.
"""

import numpy as np
from scipy import sparse

from hiersrec.store.item_pairs import item_pairs
from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Int32

WINDOW = 2
"""Greatest distance of two positions that count as near. 4, with 40 neighbours, gave less on Diginetica."""


def nearest(num_items: int, train: Sessions, most: int) -> tuple[Int32, Float32]:
    """Edges (2, E) int32, an item and a neighbour, from 1, and shares (E,) float32; at most `most` for each item.

    Of equally near ones those with the lower numbers are taken. An item without neighbours has no edge.
    """
    size = num_items + 1
    near = sparse.csr_array((size, size), dtype=np.float64)
    for distance in range(1, WINDOW + 1):
        near = near + item_pairs(train, num_items, distance, 1 / distance, with_itself=False)
    near = (near + near.T).tocoo()
    total = np.asarray(near.sum(1))
    of, other = near.coords
    value = near.data / np.sqrt(total[other])
    order = np.lexsort((other, -value, of))
    of, other, value = of[order], other[order], value[order]
    rank = np.arange(len(of)) - np.searchsorted(of, of)
    of, other, value = (array[rank < most] for array in (of, other, value))
    shares = value / np.bincount(of, value, size)[of]
    return np.stack([of, other]).astype(np.int32), shares.astype(np.float32)
