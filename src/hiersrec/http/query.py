"""What a request asks for beside its sessions, in a form that tells which requests can be computed together."""

from collections.abc import Sequence
from dataclasses import dataclass

from hiersrec.http.schemas import RequestOptions
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.answers import Recommendations
from hiersrec.serving.recommender import Recommender
from hiersrec.types import ExternalId

Ids = tuple[ExternalId, ...]


@dataclass(frozen=True)
class Asked:
    """The options of Recommender.recommend; two requests fit together if these are equal."""

    k: int
    explain: bool
    exclude_seen: bool
    candidates: Candidates | None
    allow: Ids | None
    deny: Ids | None
    categories: tuple[tuple[str, ...], ...] | None
    per_category: int | None

    @classmethod
    def from_body(cls, body: RequestOptions) -> "Asked":
        """Raises BadInput for candidates that exclude each other."""
        narrowed = body.candidates
        return cls(
            k=body.k,
            explain=body.explain,
            exclude_seen=body.exclude_seen,
            candidates=None
            if narrowed is None
            else Candidates(policy=narrowed.policy, top=narrowed.top, share=narrowed.share),
            allow=None if body.allow is None else tuple(body.allow),
            deny=None if body.deny is None else tuple(body.deny),
            categories=None if body.categories is None else tuple(map(tuple, body.categories)),
            per_category=body.per_category,
        )

    def of(self, recommender: Recommender, sessions: Sequence[Sequence[ExternalId]]) -> list[Recommendations]:
        """The answers of a recommender. Raises BadInput as it does."""
        return recommender.recommend(
            sessions,
            self.k,
            explain=self.explain,
            exclude_seen=self.exclude_seen,
            candidates=self.candidates,
            allow=self.allow,
            deny=self.deny,
            categories=self.categories,
            per_category=self.per_category,
        )
