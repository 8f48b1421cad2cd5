"""What a batch asks of a model, the same for every session, as a JSON document that worker processes read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hiersrec.arguments import FLAG
from hiersrec.errors import BadFolder, BadInput
from hiersrec.retrieval.candidates import Candidates
from hiersrec.retrieval.ranking import ListRequest
from hiersrec.serving.list_request import list_request
from hiersrec.serving.recommender import Recommender
from hiersrec.store.folder import SEALS, sha256
from hiersrec.types import ExternalId


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """The arguments of `Recommender.recommend` for every session; what is None there is None here."""

    k: int = 20
    explain: bool = False
    exclude_seen: bool = False
    candidates: Candidates | None = None
    allow: Sequence[ExternalId] | None = None
    deny: Sequence[ExternalId] | None = None
    categories: Sequence[Sequence[str]] | None = None
    per_category: int | None = None
    boost: Mapping[Any, float] | None = None
    boost_categories: Mapping[Any, float] | None = None
    diversity: float = 0.0

    def kept(self) -> "BatchRequest":
        """The same request, with lists in place of what can be read only once: each process reads it."""
        paths = self.categories
        if isinstance(paths, Iterable) and not isinstance(paths, str):
            paths = [_kept(path) for path in paths]
        return replace(self, allow=_kept(self.allow), deny=_kept(self.deny), categories=paths)

    def of(self, recommender: Recommender) -> ListRequest:
        """The request in the items of a model. Raises BadInput, as `Recommender.recommend` does."""
        FLAG.check(explain=self.explain, exclude_seen=self.exclude_seen)
        recommender.check_explain(self.explain)
        return list_request(
            recommender.catalog,
            self.k,
            recommender.candidates if self.candidates is None else self.candidates,
            self.allow,
            self.deny,
            self.categories,
            self.per_category,
            self.exclude_seen,
            boost=self.boost,
            boost_categories=self.boost_categories,
            diversity=self.diversity,
        )

    def document(self) -> dict[str, Any]:
        """The request for JSON; to be called after `of` has checked it."""
        lists = {
            name: None if ids is None else [_plain(item_id) for item_id in ids]
            for name, ids in (("allow", self.allow), ("deny", self.deny))
        }
        paths = None if self.categories is None else [list(path) for path in self.categories]
        of_items = [[_plain(item_id), float(value)] for item_id, value in (self.boost or {}).items()]
        of_paths = [[list(path), float(value)] for path, value in (self.boost_categories or {}).items()]
        document = asdict(replace(self, allow=None, deny=None, categories=None, boost=None, boost_categories=None))
        counts = {name: None if document[name] is None else int(document[name]) for name in ("k", "per_category")}
        boosts = {"boost": of_items, "boost_categories": of_paths, "diversity": float(self.diversity)}
        return {**document, **counts, **lists, "categories": paths, **boosts}

    @classmethod
    def read(cls, document: dict[str, Any]) -> "BatchRequest":
        """The request in a document."""
        candidates = document["candidates"]
        chosen = None if candidates is None else Candidates(**candidates)
        boosts = {
            "boost": dict(document["boost"]),
            "boost_categories": {tuple(path): value for path, value in document["boost_categories"]},
        }
        return cls(**{**document, "candidates": chosen, **boosts})


def _kept(values: Any) -> Any:
    return list(values) if isinstance(values, Iterator) else values


def _plain(item_id: ExternalId) -> ExternalId:
    """An id without types of numpy."""
    return item_id if isinstance(item_id, str) else int(item_id)


def folder_of(recommender: Recommender) -> Path:
    """The folder of a recommender, from which other processes open it too. Raises BadInput if it has none."""
    if recommender.folder is None:
        raise BadInput(
            "This Recommender has no folder that other processes could open. Give one that Recommender.load opened, or "
            "the path of a run folder or bundle."
        )
    return recommender.folder.absolute()


def identity(folder: Path) -> str:
    """SHA-256 of the seal of a run folder or bundle. Raises BadFolder if it is neither."""
    for kind in ("bundle", "run"):
        if (folder / SEALS[kind]).is_file():
            return sha256(folder / SEALS[kind])
    raise BadFolder(
        f"{folder} is no finished run folder or bundle. Make one with `hiersrec train` or `hiersrec export`."
    )
