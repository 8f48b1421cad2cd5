"""Figure 2b: sessions, the categories predicted for them, and the parts of the items' scores from these.

The sessions are not selected by result: they are evenly spread over the test sessions of 5 to 7 different items that
the model knows. The last item of each is hidden, and marked in the picture.
"""

from dataclasses import asdict

from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._case import LENGTHS, Case, of_session, pick_sessions
from hiersrec.reproduction._output import Output
from hiersrec.reproduction._runs import folder_of
from hiersrec.reproduction._storyboard import draw
from hiersrec.serving.recommender import Recommender
from hiersrec.writing.tables import Table

OURS = "hiersrec"
RECIPES = (OURS,)
LISTED = 6
"""Items shown of a list; the next item is shown at any rank."""


def make(bench: Bench) -> Output:
    """A row for each item that is shown, for the run with seed 0."""
    recommender = Recommender.load(folder_of(bench, OURS))
    external = [bench.dataset.catalog.to_external(walk) for walk in pick_sessions(bench.dataset)]
    cases = [of_session(recommender, walk, LISTED) for walk in external]
    rows = [
        (
            f"{number}: {' > '.join(case.seen)}" if row == 0 else "",
            f"{item.rank:,}",
            item.title,
            item.category,
            f"{item.score:.2f}",
            f"{sum(item.parts.values()):+.2f}",
            "yes" if item.is_next else "",
        )
        for number, case in enumerate(cases, start=1)
        for row, item in enumerate(case.items)
    ]
    table = Table(
        f"Figure 2b: {len(cases)} test sessions of {bench.dataset.name}",
        ("Session", "Rank", "Item", "Category", "Score", "Part from predicted categories", "Came next"),
        tuple(rows),
        notes=(
            *(f"Session {number}, likely next: {_likely(case)}." for number, case in enumerate(cases, start=1)),
            f"Sessions: evenly spread over the test sessions of {LENGTHS[0]} to {LENGTHS[-1]} different items that the "
            "model knows, not selected by result. The run with seed 0.",
        ),
    )
    title = f"HierSRec on {bench.dataset.name}: session, predicted categories, recommended items"
    return Output(table, [asdict(case) for case in cases], draw(title, cases))


def _likely(case: Case) -> str:
    return "; ".join(
        f"level {level}: " + ", ".join(f"{guess.name} {guess.probability:.0%}" for guess in guesses)
        for level, guesses in enumerate(case.levels, start=1)
    )
