"""The model of the service: a recommender, the facts of its bundle, and look-ups in its catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import BadFolder, BadInput
from hiersrec.http.answer_json import AnswerWriter
from hiersrec.http.records import CategoryFacts, CategoryItems, ItemFacts, ModelFacts, SimilarItem, SimilarResult
from hiersrec.http.responses import is_large, safe
from hiersrec.retrieval.ranking import ListRequest
from hiersrec.serving.bundle import open_bundle
from hiersrec.serving.filters import items_under
from hiersrec.serving.recommender import Recommender
from hiersrec.store.bundle_catalog import BundleCatalog
from hiersrec.store.folder import SEALS, open_seal
from hiersrec.types import Bool, ExternalId, Int32


def check_bundle(folder: Path) -> Mapping[str, Any]:
    """The bundle.json of a bundle. Raises BadFolder; for a run folder it names the command that exports it."""
    if (folder / SEALS["run"]).is_file():
        raise BadFolder(
            f"{folder} is a run folder; only a bundle is served. "
            f"Make one with `hiersrec export {folder} --out {folder}-bundle`."
        )
    return open_seal(folder, "bundle")


def open_model(folder: Path) -> "Model":
    """Open a bundle and verify its checksums. Raises BadFolder, also if it is replaced meanwhile."""
    check_bundle(folder)
    bundle = open_bundle(folder)
    return Model(Recommender.of_bundle(bundle), bundle.document)


@dataclass(frozen=True)
class Model:
    """One model, replaced only as a whole. `document` is its bundle.json."""

    recommender: Recommender
    document: Mapping[str, Any]

    @property
    def version(self) -> str | None:
        return self.recommender.model_version

    @property
    def facts(self) -> ModelFacts:
        chosen = self.recommender.candidates
        return ModelFacts(
            model_version=self.version,
            recipe=self.document["recipe"],
            dataset=self.document["dataset"],
            catalog_size=self.recommender.catalog_size,
            max_length=self.recommender.max_length,
            tasks=list(self.document["tasks"]),
            candidates={name: getattr(chosen, name) for name in ("policy", "top", "share", "mass")},
            explains=self.recommender.ranker.explains,
        )

    @cached_property
    def categories(self) -> list[list[CategoryFacts]]:
        """The known categories of each level, in catalogue order."""
        catalog = self.recommender.catalog
        paths: list[list[str | None]] = [[]]
        categories: list[list[CategoryFacts]] = []
        for depth, level in enumerate(catalog.levels, start=1):
            parents: list[int] = level.parents.tolist()
            paths = [[], *([*paths[parents[node]], level.names[node]] for node in range(1, level.num_nodes + 1))]
            sizes = np.bincount(catalog.item_nodes[1:, depth - 1], minlength=level.num_nodes + 1).tolist()
            known = range(1, level.num_known + 1)
            categories.append([CategoryFacts(depth, paths[node], sizes[node]) for node in known])
        return categories

    @cached_property
    def ids_as_text(self) -> bool:
        """Whether ids are written as text in JSON, because one of them is a number that JavaScript can't hold."""
        catalog = self.recommender.catalog
        assert isinstance(catalog, BundleCatalog)  # as in every bundle
        return any(map(is_large, catalog.to_external(catalog.ends)))

    @cached_property
    def written(self) -> AnswerWriter:
        """Writes answers as JSON."""
        return AnswerWriter(self.recommender.catalog, self.ids_as_text)

    def item(self, item_id: ExternalId) -> ItemFacts | None:
        """One item, None if the catalogue doesn't have it."""
        number = self.recommender.catalog.to_internal([item_id])
        return None if number[0] == 0 else self._items(number)[0]

    def find(self, query: str, limit: int) -> list[ItemFacts]:
        """Search items by title, best first."""
        catalog = self.recommender.catalog
        assert isinstance(catalog, BundleCatalog)  # as in every bundle
        return self._items(catalog.find(query, limit))

    def similar(self, item_id: ExternalId, k: int, available: Bool | None) -> SimilarResult | None:
        """The items most similar to one, None if the catalogue doesn't have it. Raises BadInput without vectors.

        available: (N + 1,) whether each item may be listed; None for all.
        """
        number = self.recommender.catalog.to_internal([item_id])
        if number[0] == 0:
            return None
        [item] = self._items(number)
        [answer] = self.recommender.similar_answers(number, ListRequest(k=k, available=available))
        items = [
            SimilarItem(found.rank, found.item_id, found.title, found.category_path, found.score)
            for found in safe(answer, self.ids_as_text).items
        ]
        return SimilarResult(item, items, self.version)

    def category(self, path: Sequence[str], limit: int) -> CategoryItems | None:
        """A category with its most popular items, None if no item has it."""
        below = [*self.categories, []][len(path)] if len(path) <= len(self.categories) else []
        catalog = self.recommender.catalog
        try:
            items = items_under(catalog, [path])
        except BadInput:
            return None
        by_popularity = items[np.argsort(-catalog.train_count[items], kind="stable")]
        children = [child for child in below if child.path[:-1] == list(path)]
        return CategoryItems(len(path), list(path), children, len(items), self._items(by_popularity[:limit]))

    def _items(self, items: Int32) -> list[ItemFacts]:
        catalog = self.recommender.catalog
        titles: Sequence[Any] = catalog.column("title", items) or [None] * len(items)
        return [
            ItemFacts(
                str(item_id) if self.ids_as_text else item_id,
                None if title is None else str(title),
                catalog.path(item),
                int(catalog.train_count[item]),
            )
            for item, item_id, title in zip(items.tolist(), catalog.to_external(items), titles, strict=True)
        ]
