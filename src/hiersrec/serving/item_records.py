"""Item numbers -> the records of an answer, with ids, titles and paths."""

from collections.abc import Sequence

from hiersrec.serving.answers import Item, Reason
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import ExternalId, Int32


def item_records(
    catalog: ItemCatalog,
    items: Int32,
    scores: Sequence[float],
    sources: Sequence[str],
    reasons: Sequence[list[Reason]] | None,
) -> list[Item]:
    """The records of items (K,), best first, each with its score, its source and its reasons, if there are any."""
    return [
        Item(
            rank=number + 1,
            item_id=item_id,
            title=title,
            score=scores[number],
            category_path=catalog.path(int(items[number])),
            reasons=reasons[number] if reasons is not None else None,
            source=sources[number],
        )
        for number, (item_id, title) in enumerate(ids_and_titles(catalog, items))
    ]


def ids_and_titles(catalog: ItemCatalog, items: Int32) -> list[tuple[ExternalId, str | None]]:
    """External id and title of each of (K,) items."""
    titles = catalog.column("title", items)
    texts = [None] * len(items) if titles is None else [None if title is None else str(title) for title in titles]
    return list(zip(catalog.to_external(items), texts, strict=True))
