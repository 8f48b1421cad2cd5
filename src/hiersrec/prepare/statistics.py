"""The statistics of a dataset, in the terms of table 2 of the paper, and as rows for printing."""

from typing import Any

from hiersrec.prepare.catalog import Written


def statistics(
    split: dict[str, Any], items: int, written: Written, unseen_items: int, unseen_events: int
) -> dict[str, Any]:
    """Entry `statistics` of dataset.json, from the entry `split` and the counts of the catalogue.

    Training sessions and prefixes are counted before the validation cut, as they are published. A session of n events
    has n - 1 prefixes, each with a next item to predict.
    """
    train, valid, test = (split[part] for part in ("train", "valid", "test"))
    sessions = train["sessions"] + valid["sessions"]
    events = train["events"] + valid["events"]
    return {
        "training_sessions": sessions,
        "validation_sessions": valid["sessions"],
        "test_sessions": test["sessions"],
        "items": items,
        "interactions": events + test["events"],
        "mean_session_length": (events + test["events"]) / (sessions + test["sessions"]),
        "categories": written.categories,
        "training_prefixes": events - sessions,
        "test_prefixes": test["events"] - test["sessions"],
        "unseen_test_items": unseen_items,
        "unseen_test_events": unseen_events,
        "items_without_metadata": written.absent,
        "metadata": [
            {"name": one.name, "kind": one.kind, "coverage": one.coverage, "vocabulary": one.vocabulary}
            for one in written.features
        ],
        "display_columns": written.display,
    }


def table(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows (what, value) for printing: the statistics of a dataset.json, then what each filter left."""
    found = document["statistics"]
    rows = [
        ("training sessions", f"{found['training_sessions']:,} (before the validation cut)"),
        ("validation sessions", f"{found['validation_sessions']:,} of them"),
        ("test sessions", f"{found['test_sessions']:,}"),
        ("items", f"{found['items']:,}"),
        ("interactions", f"{found['interactions']:,}"),
        ("mean session length", f"{found['mean_session_length']:.2f}"),
    ]
    rows += [(f"categories, level {level}", f"{count:,}") for level, count in enumerate(found["categories"], start=1)]
    rows += [
        ("training prefixes", f"{found['training_prefixes']:,} (before the validation cut)"),
        ("test prefixes", f"{found['test_prefixes']:,}"),
        ("unseen test items", f"{found['unseen_test_items']:,} ({found['unseen_test_events']:,} events)"),
    ]
    for one in found["metadata"]:
        detail = f"{one['kind']}, {one['coverage']:.1%} of items, {one['vocabulary'] - 1:,} values"
        rows.append((f"metadata, {one['name']}", detail))
    if found["items_without_metadata"]:
        rows.append(("items not in the items table", f"{found['items_without_metadata']:,}"))
    for before, after in zip(document["filters"], document["filters"][1:], strict=False):
        name = f"filter {after['name']}" + (f", round {after['round']}" if after["round"] else "")
        rows.append((name, f"{before['events']:,} -> {after['events']:,} events, {_left(after)}"))
    return rows


def _left(counts: dict[str, Any]) -> str:
    there = [what for what in ("sessions", "items", "users") if counts[what] is not None]
    return ", ".join(f"{counts[what]:,} {what}" for what in there) + " left"
