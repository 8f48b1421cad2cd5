"""Sessions of external ids -> recommendations: `Recommender.load(run).recommend([["a", "b"]], k=20)`.

Lists come from a Ranker, and all rankers keep the order and the candidates of `retrieval`, as evaluation does, so what
was measured is what is served. Importing this file loads no torch; `load` does, for a run folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hiersrec import arguments
from hiersrec.arguments import FLAG
from hiersrec.errors import DEFAULT_RECIPE, BadInput, named_extras, repr_of
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.fallback import POPULAR, Popularity
from hiersrec.retrieval.ranking import FullRanker, ListRequest, Ranked, Ranker
from hiersrec.retrieval.similar import most_similar
from hiersrec.serving.answers import BOOST, SIMILAR, Answers, Reason, Recommendations, SeenItem, SimilarItems
from hiersrec.serving.explain import chances_of, coherent, guesses, reasons
from hiersrec.serving.item_records import ids_and_titles, item_records
from hiersrec.serving.list_request import list_request
from hiersrec.serving.listed import Listed
from hiersrec.serving.session_frame import lists_of
from hiersrec.store.batches import whole_sessions
from hiersrec.store.folder import SEALS, put_back
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.store.temporary_folder import TemporaryFolder
from hiersrec.types import Batch, ExternalId, Float32, Float64, Frame, Int32, ScorePart

if TYPE_CHECKING:
    from hiersrec.serving.bundle import Bundle

BATCH = 256
"""Sessions scored at once."""


class Recommender:
    """A ranker and its catalogue; takes and returns external ids. `run` is the run folder they came from, if any.

    `candidates` are ranked where a call names none. `model_version` identifies a bundle; it is None for a run.
    """

    def __init__(
        self,
        catalog: ItemCatalog,
        ranker: Ranker,
        *,
        run: Path | None = None,
        candidates: Candidates = ALL,
        model_version: str | None = None,
    ) -> None:
        self.catalog = catalog
        self.ranker = ranker
        self.run = run
        self.candidates = candidates
        self.model_version = model_version
        self.folder = run
        """The run folder or bundle that `load` opened, None for a recommender that was put together otherwise."""
        self.popularity = Popularity(catalog)

    @classmethod
    def load(cls, path: str | Path) -> "Recommender":
        """Open a run folder or a bundle; its checksums are checked. Raises BadFolder, saying what to do.

        A bundle needs the extra serve, a run folder the extra train; raises MissingExtra where that is not installed.
        """
        folder = arguments.path(path=path)
        put_back(folder)
        if (folder / SEALS["bundle"]).is_file():
            from hiersrec.serving.bundle import open_bundle

            recommender = cls.of_bundle(open_bundle(folder))
            recommender.folder = folder
            return recommender
        with named_extras():
            from hiersrec.build import open_run

        run = open_run(folder)
        return cls(run.catalog, FullRanker(run.scorer, run.catalog), run=folder)

    @classmethod
    def of_bundle(cls, bundle: "Bundle") -> "Recommender":
        """The recommender of a bundle that is open."""
        version = bundle.document["model_version"]
        return cls(bundle.catalog, bundle.ranker, candidates=bundle.candidates, model_version=version)

    def __repr__(self) -> str:
        source = f"run in {self.run}" if self.run is not None else f"bundle, version {self.model_version}"
        return f"Recommender of {self.catalog_size:,} items, from a {source}"

    @property
    def catalog_size(self) -> int:
        return self.catalog.num_items

    @property
    def max_length(self) -> int:
        """Items of a session that the model looks at, the newest."""
        return self.ranker.max_length

    def add_items(self, items: str | Path | Frame) -> "Recommender":
        """A recommender of the same model that knows new items too, without retraining; this one stays as it is.

        items: a file, a folder or a frame with the columns that the prepared items table had; rows of items that are
        known are ignored. For a folder to keep, see `hiersrec add-items`. Raises BadRecipe if the model can't score
        new items (the default recipe can), BadInput if this one was not loaded from a run folder, or if the
        items don't fit or none is new.
        """
        from hiersrec.add_items import add_items

        if self.run is None:
            raise BadInput("Items can be added only to a recommender that Recommender.load opened from a run folder.")
        folder = TemporaryFolder()
        try:
            add_items(self.run, items, folder.path / "run", lambda _: None)
            larger = Recommender.load(folder.path / "run")
        except BaseException:
            folder.remove()
            raise
        folder.held_by(larger)
        return larger

    def recommend(
        self,
        sessions: Sequence[Sequence[ExternalId]] | Frame,
        k: int = 20,
        *,
        explain: bool = False,
        exclude_seen: bool = False,
        candidates: Candidates | None = None,
        allow: Sequence[ExternalId] | None = None,
        deny: Sequence[ExternalId] | None = None,
        categories: Sequence[Sequence[str]] | None = None,
        per_category: int | None = None,
        boost: Mapping[Any, float] | None = None,
        boost_categories: Mapping[Any, float] | None = None,
        diversity: float = 0.0,
    ) -> Answers:
        """The k best next items of each session, oldest item first; all N items if there are fewer than k.

        sessions: lists of item ids, a Series of them, or a frame of events or of lists (see serving/session_frame.py).

        Unknown ids are reported and ignored; a session without a known id gets the most popular items. `explain`
        adds the likeliest categories and the reasons of each item. With `candidates` only those of each session are
        ranked, and a list that gets too short is filled up with popular items (retrieval/fallback.py).

        allow: the only ids that may be listed, deny: those that may not. categories: list only items whose path of
        categories begins with one of these, such as [["Home"], ["Garden", "Chairs"]]. Where `allow` or `categories` are
        given, all that they name is ranked, candidates or not. per_category: most items of one category of the finest
        level, for lists that show more than one kind.

        boost: id -> what is added to the score of that item, such as {"sku-1": 0.5}. boost_categories: path -> what is
        added to all items under it, such as {("Home", "Chairs"): -0.3}. Boosts of an item add up. Candidates are chosen
        without them, and popular items, which have no score of the model, get none. diversity: from 0 to 1, how much
        the distance to the items above counts against the score (retrieval/diversity.py); scores then do not fall with
        the rank.

        Raises BadInput for a wrong k, per_category, boost or diversity, a value that is no list of ids or no id, a path
        that no item has, and if the model can't explain or predicts no categories for candidates.
        """
        self.check_explain(explain)
        FLAG.check(explain=explain, exclude_seen=exclude_seen)
        session_ids, lists = lists_of(sessions)
        chosen = self.candidates if candidates is None else candidates
        request = list_request(
            self.catalog,
            k,
            chosen,
            allow,
            deny,
            categories,
            per_category,
            exclude_seen,
            boost=boost,
            boost_categories=boost_categories,
            diversity=diversity,
        )
        answers: list[Recommendations] = []
        for start in range(0, len(lists), BATCH):
            answers += self.answer(lists[start : start + BATCH], request, explain)
        return Answers(answers, session_ids, None if chosen.policy == "all" else self.catalog_size)

    def check_explain(self, explain: bool) -> None:
        """Raise BadInput if reasons are requested of a model that has none."""
        if explain and not self.ranker.explains:
            raise BadInput(
                "This model has no reasons to give: only recipes with [[tasks]] split their scores into parts. "
                f"Ask without explain, or train with --recipe {DEFAULT_RECIPE}."
            )

    def similar_items(
        self,
        item_ids: ExternalId | Sequence[ExternalId],
        k: int = 20,
        *,
        allow: Sequence[ExternalId] | None = None,
        deny: Sequence[ExternalId] | None = None,
        categories: Sequence[Sequence[str]] | None = None,
        per_category: int | None = None,
    ) -> SimilarItems:
        """Of each item the k most similar others: by the cosine of the vectors that the model compares with a session.

        Filters are those of `recommend`. Raises BadInput for an unknown id, and if the model has no vectors of items.
        """
        is_one = isinstance(item_ids, str | bytes) or not isinstance(item_ids, Iterable)
        ids = [cast(ExternalId, item_ids)] if is_one else list(cast(Sequence[ExternalId], item_ids))
        items = self.catalog.to_internal(ids)
        if unknown := [given for given, item in zip(ids, items, strict=True) if item == 0]:
            raise BadInput(f"There is no item {repr_of(unknown[0])} in the catalogue. Give ids of items that it has.")
        request = list_request(self.catalog, k, ALL, allow, deny, categories, per_category)
        return SimilarItems(self.similar_answers(items, request), ids)

    def similar_answers(self, items: Int32, request: ListRequest) -> list[Recommendations]:
        """`similar_items` of items (K,) of the catalogue, with filters that `list_request` has read."""
        if not self.ranker.compares:
            raise BadInput(
                "This model has no vectors of items to compare: only recipes with [[tasks]] have. "
                f"Train with --recipe {DEFAULT_RECIPE}."
            )
        return [
            Recommendations(
                session=[SeenItem(*pair) for pair in ids_and_titles(self.catalog, items[[row]])],
                unknown_ids=[],
                fallback=None,
                guesses=[],
                coherent=True,
                candidates=self.catalog_size - 1,
                items=item_records(self.catalog, listed, scores.tolist(), [SIMILAR] * len(listed), None),
            )
            for row, (listed, scores) in enumerate(most_similar(self.ranker, self.catalog, items, request))
        ]

    def answer(
        self, sessions: Sequence[Sequence[ExternalId]], request: ListRequest, explain: bool
    ) -> list[Recommendations]:
        """`recommend` with options that `list_request` has read, for callers that answer a request in several steps."""
        return [listed.records(self.catalog) for listed in self.lists(sessions, request, explain)]

    def lists(self, sessions: Sequence[Sequence[ExternalId]], request: ListRequest, explain: bool) -> list[Listed]:
        """The same before what the catalogue knows of the items is looked up."""
        internal = [self.catalog.to_internal(list(session)).tolist() for session in sessions]
        # Seen items must be left out even where the model no longer looks at them.
        width = max(map(len, internal)) if request.exclude_seen else self.max_length
        batch = whole_sessions(internal, max(1, width))
        ranked = self.ranker.rank(batch, request)
        lists = []
        for row, (session, items) in enumerate(zip(sessions, internal, strict=True)):
            unknown = [given for given, item in zip(session, items, strict=True) if item == 0] if 0 in items else []
            unknown_ids = [given if isinstance(given, str) else int(given) for given in unknown]  # no numbers of numpy
            seen = batch.items[row, : batch.lengths[row]]
            lists.append(self._list_one(seen, unknown_ids, ranked, row, request, explain))
        return lists

    def _list_one(
        self, seen: Int32, unknown_ids: list[ExternalId], ranked: Ranked, row: int, request: ListRequest, explain: bool
    ) -> Listed:
        """The answer to the session in a row of `ranked`, whose known items are `seen`."""
        session = seen[-self.max_length :]
        items, exact, sources, fallback = self.popularity.whole_list(ranked, row, seen, request)
        scores: list[float] = exact.tolist()
        explained: list[list[Reason]] | None = None
        chances: dict[str, Float64] = {}
        if explain:
            tasks = {task: of_task[row] for task, of_task in ranked.tasks.items()}
            chances = chances_of(self.catalog, tasks, are_counts=not len(seen))
            count = len(ranked.items[row])
            explained = self._reasons(session, chances, items[:count], scores[:count], request.offsets)
            explained += _popular(scores[count:])
        return Listed(
            session=session,
            unknown_ids=unknown_ids,
            fallback=fallback,
            guesses=[guesses(self.catalog, task, chance) for task, chance in chances.items()],
            coherent=coherent(self.catalog, chances),
            candidates=int(ranked.ranked[row]),
            items=items,
            scores=scores,
            sources=sources,
            reasons=explained,
        )

    def _reasons(
        self, session: Int32, chances: dict[str, Float64], items: Int32, scores: list[float], offsets: Float32 | None
    ) -> list[list[Reason]]:
        if len(session) == 0:
            return _popular(scores)
        if len(items) == 0:
            return []
        batch = Batch(session[None], np.array([len(session)], np.int32))
        boosts = [] if offsets is None else [ScorePart(BOOST, offsets[items], None)]
        return reasons(self.catalog, chances, [*self.ranker.explain(batch, items), *boosts])


def _popular(counts: list[float]) -> list[list[Reason]]:
    """The reasons of popular items: their training events."""
    return [[Reason(POPULAR, count, [], count)] for count in counts]
