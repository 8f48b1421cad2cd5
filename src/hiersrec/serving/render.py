"""Recommendations -> tables for a terminal, in readable titles."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from hiersrec.serving.answers import SIMILAR, Guess, Item, Pull, Reason, Recommendations, SeenItem
from hiersrec.serving.explain import STRONGEST
from hiersrec.types import CATEGORY
from hiersrec.writing.terminal import TerminalTable, plain_rows

BAR = 12
"""Characters of a full probability bar."""


def render(answer: Recommendations, catalog_size: int | None = None) -> Iterator[RenderableType]:
    """The session, its likeliest next categories, and its items (with reasons where they are given).

    catalog_size: N, where only candidates were ranked; a line then says how many.
    """
    if answer.items and answer.items[0].source == SIMILAR:
        yield Text.assemble(("Similar to: ", "bold"), *map(_title, answer.session))
        yield _item_table(answer.items)
        return
    seen = " > ".join(_title(item) for item in answer.session)
    yield Text.assemble(("Session: ", "bold"), seen or "(no known item)")
    if answer.unknown_ids:
        yield Text(f"Ignored, not in the catalogue: {', '.join(map(str, answer.unknown_ids))}")
    if not answer.session:
        yield Text("No item of the session is known, so these are the most popular items.")
    elif filled := [item for item in answer.items if item.source != "session"]:
        yield Text(f"Too few candidates: the last {len(filled)} are popular items, of likely categories first.")
    if catalog_size is not None:
        yield Text(f"Ranked {answer.candidates:,} of {catalog_size:,} items.")
    if answer.guesses:
        yield _guess_table(answer.guesses)
    yield _item_table(answer.items)


def _guess_table(tasks: list[list[Guess]]) -> TerminalTable:
    rows = []
    for guesses in tasks:
        for number, guess in enumerate(guesses):
            bar = "█" * round(BAR * guess.probability)
            source = _source(guess.task) if number == 0 else ""
            rows.append([source, _path(guess.path), f"{guess.probability:.1%}", bar])
    return TerminalTable("Likely to come next", ["task", "class", "probability", ""], plain_rows(rows), {2})


def _item_table(items: list[Item]) -> TerminalTable:
    sources = [reason.source for reason in items[0].reasons or []] if items else []
    # A model without an item bias says 0 for all; a column of zeros would only confuse.
    shown = [n for n in range(len(sources)) if any(item.reasons and item.reasons[n].value for item in items)]
    parts = [_source(sources[n]) for n in shown]
    title = f"Next items: the score is the sum of {', '.join(parts)}" if sources else "Next items"
    # There are none where the item task reads no other task.
    has_pulls = any(reason.strongest for item in items for reason in item.reasons or [])
    headings = ["rank", "item", "category", "score", *parts, *(["pulled most by"] if has_pulls else [])]
    rows = []
    for item in items:
        cells = [str(item.rank), _title(item), _path(item.category_path), f"{item.score:.2f}"]
        if item.reasons:
            cells[2] = next((name for name in reversed(item.category_path) if name is not None), "unknown")
            cells += [f"{item.reasons[n].value:+.2f}" for n in shown]
            if has_pulls:
                cells.append(", ".join(f"{pull.name} {pull.value:+.2f}" for pull in _strongest(item.reasons)))
        rows.append(cells)
    return TerminalTable(title, headings, plain_rows(rows), {0, *range(3, 4 + len(parts))})


def _strongest(reasons: list[Reason]) -> list[Pull]:
    """The categories of all levels that add or subtract most."""
    pulls = [pull for reason in reasons for pull in reason.strongest]
    return sorted(pulls, key=lambda pull: -abs(pull.value))[:STRONGEST]


def _source(source: str) -> str:
    """The name of a source of reasons in a table: "category_1" is level 1."""
    if source.startswith(CATEGORY):
        return f"level {source.removeprefix(CATEGORY)}"
    return source.removeprefix("column_").replace("_", " ")


def _title(item: Item | SeenItem) -> str:
    return item.title if item.title is not None else str(item.item_id)


def _path(names: list[str | None]) -> str:
    return " / ".join("unknown" if name is None else name for name in names)
