"""Sessions of external ids -> recommendations: `Recommender.load(run).recommend([["a", "b"]], k=20)`.

Scores come from `retrieval.scoring` and lists from `retrieval.order`, as in evaluation, so what was measured is what is
served. Importing this file loads no torch; `load` does, for a run folder.
"""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from hiersrec.errors import BadInput
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.order import top_k
from hiersrec.retrieval.scoring import score
from hiersrec.serving.answers import Guess, Item, Reason, Recommendations, SeenItem
from hiersrec.serving.explain import guesses, probabilities, reasons, shares
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog
from hiersrec.types import Batch, Explainer, ExternalId, Float32, Float64, Int32, Scorer, Scores

BATCH = 256
"""Sessions scored at once."""


class Recommender:
    """A scorer and its catalogue, spoken to in external ids; `run` is the run folder they came from, if any."""

    def __init__(self, catalog: Catalog, scorer: Scorer, run: Path | None = None) -> None:
        self.catalog = catalog
        self.scorer = scorer
        self.run = run

    @classmethod
    def load(cls, path: str | Path) -> "Recommender":
        """Open a run folder; its checksums are checked. Raises BadFolder, saying what to do."""
        from hiersrec.build import open_run

        run = open_run(Path(path))
        return cls(run.catalog, run.scorer, Path(path))

    def add_items(self, items: "str | Path | pa.Table") -> "Recommender":
        """A recommender of the same model that knows new items too, without retraining; this one stays as it is.

        items: a file, folder or Arrow table with the columns that the prepared items table had; rows of items that are
        known are passed over. For a folder to keep, see `hiersrec add-items`. Raises BadRecipe if the model can't score
        new items (train with --recipe cold_start), BadInput if this one was not loaded from a run folder, if the items
        don't fit or none is new.
        """
        from hiersrec.grow import add_items

        if self.run is None:
            raise BadInput("Items can be added only to a recommender that Recommender.load opened from a run folder.")
        folder = Path(tempfile.mkdtemp(prefix="hiersrec-"))
        try:
            add_items(self.run, Path(items) if isinstance(items, str) else items, folder / "run", lambda _: None)
            larger = Recommender.load(folder / "run")
        except BaseException:
            shutil.rmtree(folder)
            raise
        weakref.finalize(larger, shutil.rmtree, folder, ignore_errors=True)  # it needs the folder as long as it lives
        return larger

    def recommend(
        self,
        sessions: Sequence[Sequence[ExternalId]],
        k: int = 20,
        *,
        explain: bool = False,
        exclude_seen: bool = False,
        candidates: Candidates | None = None,
    ) -> list[Recommendations]:
        """The k best next items of each session, oldest item first; all N items if there are fewer than k.

        Unknown ids are reported and passed over; a session without a known id gets the most popular items. `explain`
        adds the likeliest categories and the reasons of each item. With `candidates` only those of each session are
        ranked. Raises BadInput for a wrong k, for a session that is not a list of ids, and if the model can't explain
        or has no categories from which candidates could follow.
        """
        if k < 1:
            raise BadInput(f"k must be at least 1, got {k}.")
        if explain and not isinstance(self.scorer, Explainer):
            raise BadInput(
                "This model has no reasons to give: only recipes with [[tasks]] split their scores into addends. "
                "Ask without explain, or train with --recipe hiersrec."
            )
        for session in sessions:
            if isinstance(session, str | int):
                raise BadInput(
                    f"A session is a list of item ids, got {session!r}. Ask for [[...]], a list of sessions."
                )
        answers: list[Recommendations] = []
        for start in range(0, len(sessions), BATCH):
            answers += self._answer(sessions[start : start + BATCH], k, explain, exclude_seen, candidates or ALL)
        return answers

    def _answer(
        self,
        sessions: Sequence[Sequence[ExternalId]],
        k: int,
        explain: bool,
        exclude_seen: bool,
        candidates: Candidates,
    ) -> list[Recommendations]:
        internal = [self.catalog.to_internal(list(session)) for session in sessions]
        # Seen items must be left out even where the scorer no longer looks at them.
        width = max(map(len, internal)) if exclude_seen else self.scorer.max_length
        batch = whole_sessions([one.tolist() for one in internal], max(1, width))
        scores = score(self.scorer, self.catalog, batch, exclude_seen, candidates)
        items, values = top_k(scores.items, min(k, self.catalog.num_items))
        answers = []
        for row, session in enumerate(sessions):
            listed = items[row] > 0  # fewer than k where seen items are left out, or few are candidates
            best, best_scores = items[row][listed], values[row][listed]
            shown: list[list[Guess]] = []
            why: list[list[Reason]] | None = None
            if explain:
                chances = self._chances(scores, row, bool(batch.lengths[row]))
                shown = [guesses(self.catalog, task, chance) for task, chance in chances.items()]
                why = self._reasons(batch, row, chances, best, best_scores)
            answers.append(
                Recommendations(
                    session=self._seen(self._looked_at(batch, row)),
                    unknown_ids=[one for one, item in zip(session, internal[row], strict=True) if item == 0],
                    fallback=None if batch.lengths[row] else "popular",
                    guesses=shown,
                    candidates=int(np.count_nonzero(scores.items[row] > -np.inf)),
                    items=self._items(best, best_scores, why),
                )
            )
        return answers

    def _chances(self, scores: Scores, row: int, is_known: bool) -> dict[str, Float64]:
        """Task -> (C + 1,) probabilities; where no item is known, the scores are counts of the training sessions."""
        measure = probabilities if is_known else shares
        return {task: measure(found[row]) for task, found in scores.tasks.items()}

    def _reasons(
        self, batch: Batch, row: int, chances: dict[str, Float64], items: Int32, values: Float32
    ) -> list[list[Reason]]:
        seen = self._looked_at(batch, row)
        if len(seen) == 0:
            return [[Reason("popular", float(value), [], float(value))] for value in values]
        if len(items) == 0:
            return []
        assert isinstance(self.scorer, Explainer)
        alone = Batch(seen[None], np.array([len(seen)], np.int32))
        return reasons(self.catalog, chances, self.scorer.explain(alone, items))

    def _looked_at(self, batch: Batch, row: int) -> Int32:
        """The items of a session that the scorer sees, oldest first."""
        return batch.items[row, : batch.lengths[row]][-self.scorer.max_length :]

    def _seen(self, items: Int32) -> list[SeenItem]:
        titles = self._titles(items)
        return [SeenItem(*one) for one in zip(self.catalog.to_external(items), titles, strict=True)]

    def _items(self, items: Int32, values: Float32, why: list[list[Reason]] | None) -> list[Item]:
        ids, titles = self.catalog.to_external(items), self._titles(items)
        return [
            Item(
                rank=at + 1,
                item_id=ids[at],
                title=titles[at],
                score=float(values[at]),
                category_path=self.catalog.path(int(items[at])),
                reasons=why[at] if why is not None else None,
            )
            for at in range(len(items))
        ]

    def _titles(self, items: Int32) -> list[str | None]:
        titles = self.catalog.column("title", items)
        return [None] * len(items) if titles is None else [None if one is None else str(one) for one in titles]
