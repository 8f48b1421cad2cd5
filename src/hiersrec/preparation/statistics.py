"""The statistics of a dataset, in the terms of the paper's table 2."""

from typing import Any

from hiersrec.preparation.catalog import Written


def statistics(
    split: dict[str, Any], items: int, written: Written, unseen_items: int, unseen_events: int
) -> dict[str, Any]:
    """The entry `statistics` of dataset.json.

    Training sessions and prefixes include validation, as in publications. A session of n events has n - 1 prefixes,
    each with a next item to predict. Where every session is divided (the split leave-last), the validation and test
    sessions are the same sessions with one and two items more, and only their last items are targets.
    """
    train, valid, test = (split[part] for part in ("train", "valid", "test"))
    last_only = split.get("targets") == "last"
    if last_only:
        # Those that are too short to be divided only train, with all of their items, which are two at most.
        sessions = train["sessions"]
        events = train["events"] + valid["sessions"]
        interactions, total = events + test["sessions"], sessions
    else:
        sessions = train["sessions"] + valid["sessions"]
        events = train["events"] + valid["events"]
        interactions, total = events + test["events"], sessions + test["sessions"]
    return {
        "training_sessions": sessions,
        "validation_sessions": valid["sessions"],
        "test_sessions": test["sessions"],
        "items": items,
        "interactions": interactions,
        "mean_session_length": interactions / total,
        "categories": written.categories,
        "category_coverage": written.category_coverage,
        "training_prefixes": events - sessions,
        "test_prefixes": test["sessions"] if last_only else test["events"] - test["sessions"],
        "unseen_test_items": unseen_items,
        "unseen_test_events": unseen_events,
        "items_without_metadata": written.absent,
        "metadata": [column.facts() for column in written.features],
        "display_columns": written.display,
    }
