"""Parts of scores, told against the average item of the catalogue.

A part that says how much a category adds to an item is read as praise or blame of that item, though it may add as much,
or more, to every other one: then it moves no item up. So the mean of each part over all items, for this session, is
taken out of it, and these means together are one part that all items share. The parts still sum to the score.

Every part is linear in what it knows of an item (its vector, bias, trend), so its mean is the part of an item that has
the mean vector, bias and trend: the average item. What positions add to the items of the session is 0 for all others
and stays as it is: its mean would tell items that were never seen that they were not.
"""

from collections.abc import Sequence

import numpy as np

from hiersrec.types import ScorePart

AVERAGE = "average_item"
"""The source of the part that all items share."""


def against_average(parts: Sequence[ScorePart]) -> list[ScorePart]:
    """The parts of K items less those of the average item, which the last row holds, and the latter as one part.

    >>> part = ScorePart("session", np.float32([3, 1, 2]), None)
    >>> [(part.source, part.values.tolist()) for part in against_average([part])]
    [('session', [1.0, -1.0]), ('average_item', [2.0, 2.0])]
    """
    own = [
        ScorePart(
            part.source,
            part.values[:-1] - part.values[-1],
            None if part.by_class is None else part.by_class[:-1] - part.by_class[-1],
        )
        for part in parts
    ]
    shared = sum(float(part.values[-1]) for part in parts)
    return [*own, ScorePart(AVERAGE, np.full(len(parts[0].values) - 1, shared, np.float32), None)]
