"""Figure 2b: sessions, the categories predicted for them, and what these do to the recommended items.

Nobody chose the sessions by what came out: they lie evenly spread among the test sessions of 5 to 7 different items,
all of them known to the model. The last item of each is hidden, and marked in the picture.
"""

import numpy as np

from hiersrec.reproduce._bench import Bench
from hiersrec.reproduce._case import Case, of_session
from hiersrec.reproduce._output import Output
from hiersrec.reproduce._runs import folder_of
from hiersrec.reproduce._storyboard import draw
from hiersrec.serving.recommender import Recommender
from hiersrec.store.dataset import Dataset
from hiersrec.types import Int32
from hiersrec.writing.tables import Table

OURS = "hiersrec"
RECIPES = (OURS,)
SESSIONS, LENGTHS = 3, range(5, 8)
LISTED = 6
"""Items shown of a list; the one that came next is shown wherever it stands."""


def make(bench: Bench) -> Output:
    """A row for each item that is shown, of the run with seed 0."""
    recommender = Recommender.load(folder_of(bench, OURS))
    external = [bench.dataset.catalog.to_external(walk) for walk in pick(bench.dataset)]
    cases = [of_session(recommender, walk, LISTED) for walk in external]
    rows = [
        (
            f"{at}: {' > '.join(case.seen)}" if place == 0 else "",
            f"{item.rank:,}",
            item.title,
            item.category,
            f"{item.score:.2f}",
            f"{sum(item.parts.values()):+.2f}",
            "yes" if item.is_next else "",
        )
        for at, case in enumerate(cases, start=1)
        for place, item in enumerate(case.items)
    ]
    table = Table(
        f"Figure 2b: {len(cases)} test sessions of {bench.dataset.name}",
        ("Session", "Rank", "Item", "Category", "Score", "Of it from predicted categories", "Came next"),
        tuple(rows),
        notes=(
            *(f"Session {at}, likely next: {_likely(case)}." for at, case in enumerate(cases, start=1)),
            f"Sessions: evenly spread among the test sessions of {LENGTHS[0]} to {LENGTHS[-1]} different items that "
            "the model knows, not chosen by what came out. The run with seed 0.",
        ),
    )
    title = f"HierSRec on {bench.dataset.name}: session, predicted categories, recommended items"
    return Output(table, [case.document() for case in cases], draw(title, cases))


def pick(dataset: Dataset) -> list[Int32]:
    """Up to SESSIONS test sessions, evenly spread over those that fit; items by their numbers."""
    test = dataset.sessions("test")
    sizes = np.diff(test.offsets)
    few = [at for at in np.flatnonzero((sizes >= LENGTHS[0]) & (sizes <= LENGTHS[-1])).tolist() if test[at].min() > 0]
    fit = [at for at in few if len(set(test[at].tolist())) == len(test[at])]
    count = min(SESSIONS, len(fit))
    return [test[fit[len(fit) * (2 * one + 1) // (2 * count)]] for one in range(count)]


def _likely(case: Case) -> str:
    return "; ".join(
        f"level {level}: " + ", ".join(f"{one.name} {one.probability:.0%}" for one in guesses)
        for level, guesses in enumerate(case.levels, start=1)
    )
