"""The statistics of a dataset, in the terms of the paper's table 2."""

from typing import Any

from hiersrec.preparation.catalog import Written


def statistics(
    split: dict[str, Any], items: int, written: Written, unseen_items: int, unseen_events: int
) -> dict[str, Any]:
    """The entry `statistics` of dataset.json.

    Training sessions and prefixes include validation, as in publications. A session of n events has n - 1 prefixes,
    each with a next item to predict.
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
        "metadata": [column.facts() for column in written.features],
        "display_columns": written.display,
    }
