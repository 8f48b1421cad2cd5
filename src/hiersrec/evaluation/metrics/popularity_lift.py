"""Popularity lift: how much more popular the listed items are than the items of the sessions they are listed for.

    lift = (GAP of lists - GAP of sessions) / GAP of sessions

GAP, the group average popularity, is the mean over prefixes of the mean training events of an item; for the lists, over
all their places. Abdollahpouri, Mansoury, Burke and Mobasher, "The Connection Between Popularity Bias, Calibration, and
Fairness in Recommendation", RecSys 2020, where groups are of users; here all prefixes are one group. A prefix without
known items adds nothing to the GAP of sessions. It is one number for all lists, since a mean of ratios would be decided
by the few sessions with the rarest items. 0: as popular as the sessions; above: the lists push what is popular.
"""

import math

import numpy as np

from hiersrec.evaluation.metrics import AllLists

USES = ("listed", "history", "train_count")
RANGE = (-1.0, math.inf)
BETTER = None


def value(lists: AllLists) -> float:
    """Lift of all lists over all sessions.

    Lists hold items of 8, 8, 8 and 2 events, 6.5 on average; sessions are half item 1 (8 events), half item 2 (2).

    >>> lists = AllLists(listed=np.array([0, 3, 1]), history=np.array([0, 0.5, 0.5]), train_count=np.array([0, 8, 2]))
    >>> value(lists)
    0.3
    """
    of_lists = np.dot(lists.listed, lists.train_count) / max(1, lists.listed.sum())
    of_sessions = np.dot(lists.history, lists.train_count) / lists.history.sum()
    return float((of_lists - of_sessions) / of_sessions)
