"""The statistics in a dataset.json as rows for people."""

from itertools import zip_longest
from typing import Any


def held_out(split: dict[str, Any]) -> str:
    """One line on how holding items out changed training and validation; `split` must have `held_out`."""
    facts, parts = split["held_out"], []
    for name in ("train", "valid"):
        before, after = facts["before"][name], split[name]
        changes = ", ".join(f"{before[key]:,} -> {after[key]:,} {key}" for key in ("sessions", "events"))
        parts.append(f"{name} {changes}")
    return "; ".join([f"{facts['items']:,} of {facts['of']:,}", *parts])


def table(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows (name, value) for printing: the statistics of a dataset.json, then the counts after each filter."""
    facts = document["statistics"]
    rows = [
        ("training sessions", f"{facts['training_sessions']:,} (before the validation cut)"),
        ("validation sessions", f"{facts['validation_sessions']:,} of them"),
        ("test sessions", f"{facts['test_sessions']:,}"),
        ("items", f"{facts['items']:,}"),
        ("interactions", f"{facts['interactions']:,}"),
        ("mean session length", f"{facts['mean_session_length']:.2f}"),
    ]
    # Folders that were made before coverage was counted have none.
    shares = [f", known for {share:.1%} of items" for share in facts.get("category_coverage", [])]
    for level, (size, share) in enumerate(zip_longest(facts["categories"], shares, fillvalue=""), start=1):
        rows.append((f"categories, level {level}", f"{size:,}{share}"))
    rows += [_agreement(levels) for levels in facts.get("agreement", [])]
    rows += [
        ("training prefixes", f"{facts['training_prefixes']:,} (before the validation cut)"),
        ("test prefixes", f"{facts['test_prefixes']:,}"),
        ("unseen test items", f"{facts['unseen_test_items']:,} ({facts['unseen_test_events']:,} events)"),
    ]
    if document["split"].get("targets") == "last":
        short = document["split"]["too_short"]
        rest = f"; sessions that are too short to be divided ({short:,}) only train" if short else ""
        rows.append(("targets", f"the last item of each session: one tests, the one before validates{rest}"))
    if "held_out" in document["split"]:
        rows.append(("items held out", held_out(document["split"])))
    if types := facts.get("event_types"):
        rows.append(("event types, in training", ", ".join(f"{name} {count:,}" for name, count in types.items())))
    rows += [(f"metadata, {column['name']}", _metadata(column)) for column in facts["metadata"]]
    if facts["items_without_metadata"] and document["columns"].get("items", True):
        rows.append(("items not in the items table", f"{facts['items_without_metadata']:,}"))
    for before, after in zip(document["filters"], document["filters"][1:], strict=False):
        name = f"filter {after['name']}" + (f", round {after['round']}" if after["round"] else "")
        rows.append((name, f"{before['events']:,} -> {after['events']:,} events, {_left(after)}"))
    return rows


def _agreement(levels: dict[str, Any]) -> tuple[str, str]:
    name = f"implicit level {levels['level']}, given level {levels['given_level']}"
    if not levels["items"]:
        return name, "no item has both"
    return name, f"purity {levels['purity']:.1%}, NMI {levels['nmi']:.3f}, {levels['items']:,} items"


def _metadata(column: dict[str, Any]) -> str:
    size = f"{column['vocabulary'] - 1:,} values" if column["vocabulary"] else f"vectors of {column['width']:,} numbers"
    cut = f", {column['cut']:,} items cut to their first {column['width']}" if column.get("cut") else ""
    return f"{column['kind']}, {column['coverage']:.1%} of items, {size}{cut}"


def _left(counts: dict[str, Any]) -> str:
    keys = ("sessions", "items", "users")
    return ", ".join(f"{counts[key]:,} {key}" for key in keys if counts[key] is not None) + " left"
