"""What stood near an item in training sessions, as edges of an item graph.

    near(i, j)  = sum, over all pairs of positions of i and j in one training session that are at most WINDOW apart, of
                  1 / distance
    share(i, j) = near(i, j) / sqrt(near(j)) of the K items for which that is greatest, over its sum for those K;
                  near(j) is the sum of near(j, .)

The global graph of GCE-GNN (Wang et al., SIGIR 2020), symmetric, and weighted so that popular items do not fill it.
"""

import numpy as np

from hiersrec.store.item_pairs import greatest_of_each, item_pairs
from hiersrec.store.sessions import Sessions
from hiersrec.types import Float32, Int32

WINDOW = 2
"""Greatest distance of two positions that count as near. 4, with 40 neighbours, gave less on Diginetica."""


def nearest(num_items: int, train: Sessions, most: int) -> tuple[Int32, Float32]:
    """Edges (2, E) int32, an item and a neighbour, from 1, and shares (E,) float32; at most `most` for each item.

    Of equally near ones those with the lower numbers are taken. An item without neighbours has no edge.
    """
    near = item_pairs(train, num_items, WINDOW, lambda distance: 1 / distance, with_itself=False).tocoo()
    near.data /= np.sqrt(np.asarray(near.sum(1))[near.coords[1]])
    of, other, value = greatest_of_each(near, most)
    shares = value / np.bincount(of, value, num_items + 1)[of]
    return np.stack([of, other]), shares.astype(np.float32)
