"""The answer to a session in numbers of items, before its ids, titles and categories are looked up."""

from dataclasses import dataclass

from hiersrec.serving.answers import Guess, Reason, Recommendations, SeenItem
from hiersrec.serving.item_records import ids_and_titles, item_records
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.types import ExternalId, Int32


@dataclass(frozen=True)
class Listed:
    """As Recommendations (answers.py); items are internal numbers."""

    session: Int32
    """(S,) the items that count, oldest first."""
    unknown_ids: list[ExternalId]
    fallback: str | None
    guesses: list[list[Guess]]
    coherent: bool
    candidates: int
    items: Int32
    """(K,) best first."""
    scores: list[float]
    """Of each item, as are `sources` and `reasons`."""
    sources: list[str]
    reasons: list[list[Reason]] | None

    def records(self, catalog: ItemCatalog) -> Recommendations:
        """The same with what a catalogue knows of the items."""
        return Recommendations(
            session=[SeenItem(*pair) for pair in ids_and_titles(catalog, self.session)],
            unknown_ids=self.unknown_ids,
            fallback=self.fallback,
            guesses=self.guesses,
            coherent=self.coherent,
            candidates=self.candidates,
            items=item_records(catalog, self.items, self.scores, self.sources, self.reasons),
        )
