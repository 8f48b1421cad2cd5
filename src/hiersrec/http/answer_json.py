"""Answers of one model as JSON, from numbers of items: what is said of an item is written once, and then kept.

Most of an answer is the same each time that its items are listed: ids, titles, categories. To look these up, to make a
record of each and to write it takes longer than to rank. Answers with reasons have little that recurs, and are written
from their records (responses.py); both give the same bytes.
"""

from functools import lru_cache

import numpy as np

from hiersrec.http.responses import encoded, is_large, safe, text_of
from hiersrec.serving.item_records import ids_and_titles
from hiersrec.serving.listed import Listed
from hiersrec.store.item_catalog import ItemCatalog

KEPT = 20_000
"""Items whose JSON is kept, those that were listed last; some 10 MB."""


class AnswerWriter:
    """writer(listed) -> the JSON of an answer. ids_as_text: whether all ids are written as text (responses.safe)."""

    def __init__(self, catalog: ItemCatalog, ids_as_text: bool) -> None:
        self._catalog = catalog
        self._ids_as_text = ids_as_text
        self._facts_of = lru_cache(KEPT)(self._facts)

    def __call__(self, listed: Listed) -> bytes:
        if listed.reasons is not None or listed.guesses:
            return encoded(safe(listed.records(self._catalog), self._ids_as_text))
        seen = ",".join(["{" + self._facts_of(item)[0] + "}" for item in listed.session.tolist()])
        unknown = [str(i) if self._ids_as_text or is_large(i) else i for i in listed.unknown_ids]
        items = []
        for rank, item in enumerate(listed.items.tolist()):
            named, path = self._facts_of(item)
            items.append(
                f'{{"rank":{rank + 1},{named},"score":{listed.scores[rank]!r},"category_path":{path},"reasons":null,'
                f'"source":"{listed.sources[rank]}"}}'
            )
        text = (
            f'{{"session":[{seen}],"unknown_ids":{text_of(unknown)},"fallback":{text_of(listed.fallback)},"guesses":[],'
            f'"coherent":{text_of(listed.coherent)},"candidates":{listed.candidates},"items":[{",".join(items)}]}}'
        )
        return text.encode("utf-8", "replace")

    def _facts(self, item: int) -> tuple[str, str]:
        """Id and title as fields, and the category path, of an item."""
        [(item_id, title)] = ids_and_titles(self._catalog, np.array([item], np.int32))
        named = text_of({"item_id": str(item_id) if self._ids_as_text else item_id, "title": title})
        return named[1:-1], text_of(self._catalog.path(item))
