"""The document of an evaluation -> what a person reads: sentences and short tables, together about one screen."""

from collections.abc import Iterator
from typing import Any

from hiersrec.evaluation import report_table
from hiersrec.evaluation.metrics import about_in
from hiersrec.evaluation.report_table import Rows
from hiersrec.writing.tables import Table

FIRST_SLICES = ("cold_start", "target_in_prefix", "category_switch", "prefix_length")
"""What a terminal shows; a page shows all."""
GROUPS = {
    "cold_start": "what is new, in no training session",
    "target_in_prefix": "whether the next item was in the session before",
    "category_switch": "whether the next item leaves the category of the one before",
    "prefix_length": "number of known items in the session so far",
    "target_popularity": "popularity of the next item in training",
    "target_category": "category of the next item",
}
"""Group of slices in the document -> what it divides the prefixes by."""
LABELS = {
    "cold_start": {
        "target new": "the next item",
        "session holds new items": "only an earlier item",
        "all known": "nothing",
    },
    "category_switch": {"unknown": "no known category"},
    "prefix_length": {"0": "none"},
}
"""Slices whose names in the document say too little in a table. Names of categories are never changed."""
COLUMNS = 4
"""Metrics of a slice, at the greatest k."""


def title(document: dict[str, Any]) -> str:
    """Run, dataset, split."""
    return f"{document['run']} on {document['dataset']['name']}, {document['split']} split"


def headline(document: dict[str, Any]) -> Table:
    """The next item: a row for each metric, a column for each k."""
    headings, rows = report_table.metric_rows(document)
    cells = []
    for kind, *values in rows:
        about = about_in(document, kind)
        side = {"higher": "", "lower": " (lower is better)", None: " (neither is better)"}[about.better]
        cells.append((kind + side, *("" if value is None else about.text(value) for value in values)))
    prefixes = document["metrics"]["prefixes"]
    return Table(f"{title(document)}: the next item of {prefixes:,} prefixes", tuple(headings), tuple(cells))


def counts(document: dict[str, Any]) -> str:
    """Misses, empty prefixes, and what ties may change."""
    numbers = document["metrics"]
    text = (
        f"{numbers['unseen_targets']} targets are not in the catalogue and count as misses; "
        f"{numbers['empty_prefixes']} prefixes hold no known item and are answered by popularity; "
        f"{numbers['tied_targets']:.2%} of the targets tie with another item"
    )
    for name in (f"{kind}@{report_table.ks_of(document)[-1]}" for kind in ("mrr", "hits")):
        bounds = [numbers.get(name + side, numbers.get(name, 0.0)) for side in reversed(report_table.SIDES)]
        least, most = map(share, bounds)
        if least != most:
            return f"{text}, by whose order {name} may be {least} to {most}."
    return f"{text}."


def levels(document: dict[str, Any]) -> Iterator[Table]:
    """The other tasks, each at a k that fits its classes, and the calibration; none where nothing is predicted."""
    _, rows = report_table.task_rows(document)
    if rows:
        yield Table(
            "The next category, and other tasks; k is a tenth of the classes",
            ("task", "classes", "prefixes", "first is right", "in first k", "k", "mrr"),
            tuple(
                (task, f"{classes:,}", f"{size:,}", share(first), share(hits) if k > 1 else "", str(k), share(mrr))
                for task, classes, size, first, k, hits, mrr in rows
            ),
        )
    headings, calibrated = report_table.calibration_rows(document)
    if calibrated:
        yield Table(
            "Calibration: how often the likeliest is right, and how likely it was said to be",
            (*headings[:-1], "ECE"),
            tuple(
                (task, f"{size:,}", share(right), share(told), f"{ece:.3f}")
                for task, size, right, told, ece in calibrated
            ),
            notes=_outside(document),
        )


def _outside(document: dict[str, Any]) -> tuple[str, ...]:
    """What calibration makes of targets that no scorer can list."""
    unseen, prefixes = document["metrics"]["unseen_targets"], document["metrics"]["prefixes"]
    if not unseen:
        return ()
    text = (
        f"Next items that are not in the catalogue, {unseen:,} of {prefixes:,}, count as wrong here, for categories too"
    )
    return (f"{text}: a well calibrated model looks too sure by about their share.",)


def by(group: str) -> str:
    """What a group of slices divides the prefixes by."""
    return GROUPS.get(group, group.replace("_", " "))


def label(group: str, name: str) -> str:
    """What a slice of the group is called in tables and pictures."""
    return LABELS.get(group, {}).get(name, name)


def slices(document: dict[str, Any], *, all_of_them: bool = False) -> Iterator[tuple[str, Table]]:
    """Name and table of each group of slices, those that matter most first, at the greatest k."""
    groups = report_table.slice_rows(document)
    rest = [name for name in groups if name not in FIRST_SLICES] if all_of_them else []
    for name in (*FIRST_SLICES, *rest):
        if name in groups:
            yield name, _slice(document, name, groups[name])


def _slice(document: dict[str, Any], name: str, rows: Rows) -> Table:
    k = report_table.ks_of(document)[-1]
    columns = [column for column, heading in enumerate(rows.headings) if heading.endswith(f"@{k}")][:COLUMNS]
    texts = {column: about_in(document, rows.headings[column]).text for column in columns}
    return Table(
        f"By {by(name)}",
        (*rows.headings[:2], *(rows.headings[column] for column in columns)),
        tuple(
            (label(name, row[0]), f"{row[1]:,}", *(text(row[column]) for column, text in texts.items()))
            for row in rows.rows
        ),
    )


def others(document: dict[str, Any]) -> str:
    """Where the rest is."""
    groups = [name for name in report_table.slice_rows(document) if name not in FIRST_SLICES]
    named = f"By {' and '.join(map(by, groups))}, and all" if groups else "All"
    return f"{named} else: --html FILE, or --json."


def chance(document: dict[str, Any]) -> str | None:
    """New targets in one sentence: this run, and items in random order (evaluation/random_baseline.py)."""
    numbers = document["metrics"]
    k = report_table.ks_of(document)[-1]
    name = next((name for name in (f"hits@{k}", f"mrr@{k}") if f"within_category/{name}" in numbers), None)
    new = next((part for part in document["slices"].get("cold_start", ()) if part["slice"] == "target new"), None)
    if name is None or new is None or document["options"]["candidates"]["policy"] != "all":
        return None
    text = (
        f"Where the next item is new, {name} is {share(new['metrics'][name])}. Random order within its category would "
        f"have {share(numbers[f'random_within_category/{name}'])}"
    )
    predicted = f"random_within_predicted_category/{name}"
    if predicted in numbers:
        text += f", within the category that the run predicts {share(numbers[predicted])}"
    return f"{text}; the run's own order within its category {share(numbers[f'within_category/{name}'])}."


def candidates(document: dict[str, Any]) -> str | None:
    """Which items were ranked, if not all, and how that was chosen."""
    options, numbers = document["options"], document["metrics"]
    if options["candidates"]["policy"] == "all":
        return None
    candidates = options["candidates"]
    name = next(name for name in ("top", "mass", "share") if candidates.get(name) is not None)
    size = f"{name} {candidates[name]}" if name == "top" else f"{name} {candidates[name]:.5g}"
    text = (
        f"Only candidates were ranked ({candidates['policy']}, {size}): {share(numbers['candidates/share'])} of the "
        f"catalogue, with {share(numbers['candidates/target'])} of the targets among them."
    )
    if (chosen := document.get("chosen")) and name == "mass":
        text += (
            f" The mass was chosen on validation sessions, for a promise of {share(chosen['promise'])}: there "
            f"{share(chosen['validation']['kept'])} of the targets are candidates."
        )
    elif chosen:
        part, kept = chosen["validation"]["share"], chosen["validation"]["kept"]
        text += (
            f" Top {candidates['top']} was chosen on validation sessions: there candidates by category are "
            f"{share(part)} of the catalogue and keep {share(kept)} of the full "
            f"mrr@{report_table.ks_of(document)[-1]}."
        )
        if chosen["share"] is not None and part > chosen["share"]:
            text += f" Even one category per level holds more than {share(chosen['share'])}, the goal."
    return text


def share(value: float) -> str:
    """In percent."""
    return f"{value:.2%}"
