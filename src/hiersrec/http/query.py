"""The options of a request, in a hashable form: requests with equal options can be computed together."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hiersrec.errors import BadInput
from hiersrec.http.schemas import RequestOptions
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.list_request import list_request
from hiersrec.serving.listed import Listed
from hiersrec.serving.recommender import Recommender
from hiersrec.types import Bool, ExternalId

Ids = tuple[ExternalId, ...]


@dataclass(frozen=True)
class ListQuery:
    """The options of Recommender.recommend."""

    k: int
    explain: bool
    exclude_seen: bool
    candidates: Candidates | None
    allow: Ids | None
    deny: Ids | None
    categories: tuple[tuple[str, ...], ...] | None
    per_category: int | None
    boost: tuple[tuple[str, float], ...]
    boost_categories: tuple[tuple[tuple[str, ...], float], ...]
    diversity: float

    @classmethod
    def from_body(cls, body: RequestOptions) -> "ListQuery":
        """Raises BadInput for candidates that exclude each other, and for a category that is boosted twice."""
        narrowed, candidates = body.candidates, None
        if narrowed is not None:
            candidates = Candidates(policy=narrowed.policy, top=narrowed.top, share=narrowed.share, mass=narrowed.mass)
        of_paths = tuple((tuple(boost.path), boost.value) for boost in body.boost_categories or ())
        for path, count in Counter(path for path, _ in of_paths).items():
            if count > 1:
                raise BadInput(f"boost_categories has {' > '.join(path)} {count} times. Give each category one value.")
        return cls(
            k=body.k,
            explain=body.explain,
            exclude_seen=body.exclude_seen,
            candidates=candidates,
            allow=None if body.allow is None else tuple(body.allow),
            deny=None if body.deny is None else tuple(body.deny),
            categories=None if body.categories is None else tuple(map(tuple, body.categories)),
            per_category=body.per_category,
            boost=tuple((body.boost or {}).items()),
            boost_categories=of_paths,
            diversity=body.diversity,
        )

    def begin(
        self, recommender: Recommender, available: Bool | None = None
    ) -> Callable[[Sequence[Sequence[ExternalId]]], list[Listed]]:
        """Read the options once -> a function from sessions to their lists, to be called for some at a time.

        available: (N + 1,) whether each item may be listed, whatever the options say; None for all.
        Both raise BadInput as Recommender.recommend does.
        """
        recommender.check_explain(self.explain)
        request = list_request(
            recommender.catalog,
            self.k,
            recommender.candidates if self.candidates is None else self.candidates,
            self.allow,
            self.deny,
            self.categories,
            self.per_category,
            self.exclude_seen,
            boost=dict(self.boost),
            boost_categories=dict(self.boost_categories),
            diversity=self.diversity,
        )
        request = replace(request, available=available)
        return lambda sessions: recommender.lists(sessions, request, self.explain) if sessions else []
