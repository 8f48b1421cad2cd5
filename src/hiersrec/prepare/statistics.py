"""The statistics of a dataset, in the terms of table 2 of the paper, and as rows for printing."""

from itertools import zip_longest
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
        "category_coverage": written.category_coverage,
        "training_prefixes": events - sessions,
        "test_prefixes": test["events"] - test["sessions"],
        "unseen_test_items": unseen_items,
        "unseen_test_events": unseen_events,
        "items_without_metadata": written.absent,
        "metadata": [one.facts() for one in written.features],
        "display_columns": written.display,
    }


def held_out(split: dict[str, Any]) -> str:
    """What holding items out did to training and validation, from the entry `split`, which must have `held_out`."""
    found, parts = split["held_out"], []
    for name in ("train", "valid"):
        before, after = found["before"][name], split[name]
        left = ", ".join(f"{before[what]:,} -> {after[what]:,} {what}" for what in ("sessions", "events"))
        parts.append(f"{name} {left}")
    return "; ".join([f"{found['items']:,} of {found['of']:,}", *parts])


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
    rows += _levels(found)
    rows += [_agreement(one) for one in found.get("agreement", [])]
    rows += [
        ("training prefixes", f"{found['training_prefixes']:,} (before the validation cut)"),
        ("test prefixes", f"{found['test_prefixes']:,}"),
        ("unseen test items", f"{found['unseen_test_items']:,} ({found['unseen_test_events']:,} events)"),
    ]
    if "held_out" in document["split"]:
        rows.append(("items held out", held_out(document["split"])))
    if types := found.get("event_types"):
        rows.append(("event types, in training", ", ".join(f"{name} {count:,}" for name, count in types.items())))
    for one in found["metadata"]:
        rows.append((f"metadata, {one['name']}", _metadata(one)))
    if found["items_without_metadata"]:
        rows.append(("items not in the items table", f"{found['items_without_metadata']:,}"))
    for before, after in zip(document["filters"], document["filters"][1:], strict=False):
        name = f"filter {after['name']}" + (f", round {after['round']}" if after["round"] else "")
        rows.append((name, f"{before['events']:,} -> {after['events']:,} events, {_left(after)}"))
    return rows


def _levels(found: dict[str, Any]) -> list[tuple[str, str]]:
    # Folders that were made before coverage was counted have none.
    known = [f", known for {share:.1%} of items" for share in found.get("category_coverage", [])]
    levels = zip_longest(found["categories"], known, fillvalue="")
    return [(f"categories, level {level}", f"{count:,}{share}") for level, (count, share) in enumerate(levels, start=1)]


def _agreement(one: dict[str, Any]) -> tuple[str, str]:
    name = f"implicit level {one['level']}, given level {one['given_level']}"
    if not one["items"]:
        return name, "no item has both"
    return name, f"purity {one['purity']:.1%}, NMI {one['nmi']:.3f}, {one['items']:,} items"


def _metadata(one: dict[str, Any]) -> str:
    size = f"{one['vocabulary'] - 1:,} values" if one["vocabulary"] else f"vectors of {one['width']:,} numbers"
    cut = f", {one['cut']:,} items cut to their first {one['width']}" if one.get("cut") else ""
    return f"{one['kind']}, {one['coverage']:.1%} of items, {size}{cut}"


def _left(counts: dict[str, Any]) -> str:
    there = [what for what in ("sessions", "items", "users") if counts[what] is not None]
    return ", ".join(f"{counts[what]:,} {what}" for what in there) + " left"
