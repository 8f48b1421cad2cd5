"""Recommendations -> tables for a terminal, in readable titles."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from hiersrec.score_parts import AVERAGE
from hiersrec.serving.answers import SIMILAR, Guess, Item, Pull, Reason, Recommendations, SeenItem
from hiersrec.serving.explain import STRONGEST
from hiersrec.store.paths import ENDS_HERE, NO_CATEGORY
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
        yield _guess_table(answer)
    yield _item_table(answer.items)


def _guess_table(answer: Recommendations) -> TerminalTable:
    """A row for each class of each task; the levels of a coherent tree are rows of one task, likeliest first."""
    levels = [guesses for guesses in answer.guesses if guesses and guesses[0].task.startswith(CATEGORY)]
    tasks = [(_source(guesses[0].task), guesses) for guesses in answer.guesses if guesses]
    title = "Likely to come next"
    if len(levels) > 1 and answer.coherent:
        tasks = [("category", _tree(levels)), *(task for task in tasks if task[1] not in levels)]
    elif len(levels) > 1 and answer.session:
        title += "; each level is predicted by itself"
    rows = []
    for source, guesses in tasks:
        for number, guess in enumerate(guesses):
            bar = "█" * round(BAR * guess.probability)
            rows.append([source if number == 0 else "", _ending(guess.path), f"{guess.probability:.1%}", bar])
    return TerminalTable(title, ["task", "class", "probability", ""], plain_rows(rows), {2})


def _tree(levels: list[list[Guess]]) -> list[Guess]:
    """The guesses of all levels, likeliest first, a parent before its children; what ends is there once, as a leaf."""
    of_path = {_ending(guess.path): guess for guesses in reversed(levels) for guess in guesses}
    return sorted(of_path.values(), key=lambda guess: (-round(guess.probability, 6), len(guess.path)))


def _item_table(items: list[Item]) -> TerminalTable:
    values = [{reason.source: reason.value for reason in item.reasons or []} for item in items]
    sources = list(dict.fromkeys(source for of_item in values for source in of_item if source != AVERAGE))
    # A model without an item bias says 0 for all; a column of zeros would only confuse.
    shown = [source for source in sources if any(of_item.get(source) for of_item in values)]
    shared = [f"average item ({of_item[AVERAGE]:+.2f})" for of_item in values if AVERAGE in of_item][:1]
    title = "Next items" + f": score = {' + '.join([*shared, *map(_source, shown)])}" * bool(sources)
    # There are none where the item task reads no other task.
    has_pulls = any(reason.strongest for item in items for reason in item.reasons or [])
    headings = ["rank", "item", "category", "score", *map(_source, shown)]
    headings += ["raised or lowered most by"] if has_pulls else []
    rows = []
    for item, of_item in zip(items, values, strict=True):
        cells = [str(item.rank), _title(item), _path(item.category_path), f"{item.score:.2f}"]
        if item.reasons:
            cells[2] = next((name for name in reversed(item.category_path) if name is not None), "unknown")
            cells += [f"{of_item[source]:+.2f}" if source in of_item else "" for source in shown]
            if has_pulls:
                cells.append(", ".join(f"{pull.name} {pull.value:+.2f}" for pull in _strongest(item.reasons)))
        rows.append(cells)
    return TerminalTable(title, headings, plain_rows(rows), {0, *range(3, 4 + len(shown))})


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


def _ending(names: list[str | None]) -> str:
    """The path of a guess: a tree that has no deeper category there ends."""
    known = len(names)
    while known and names[known - 1] is None:
        known -= 1
    if known == len(names):
        return _path(names)
    return f"{_path(names[:known])} / {ENDS_HERE}" if known else NO_CATEGORY


def _path(names: list[str | None]) -> str:
    return " / ".join("unknown" if name is None else name for name in names)
