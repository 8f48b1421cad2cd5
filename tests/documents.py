"""The least that dataset.json, run.json and bundle.json hold, for folders that tests write by hand."""

SIZE = {"sessions": 1, "events": 2}
DATASET = {
    "name": "toy",
    "columns": {"events": {}},
    "settings": {"split": {"valid": "random"}},
    "split": dict.fromkeys(("train", "valid", "test"), SIZE),
    "filters": [],
    "statistics": {
        **dict.fromkeys(("training_sessions", "validation_sessions", "test_sessions", "items", "interactions"), 1),
        **dict.fromkeys(("training_prefixes", "test_prefixes", "unseen_test_items", "unseen_test_events"), 0),
        **{"mean_session_length": 2.0, "categories": [], "items_without_metadata": 0, "metadata": []},
    },
}
RUN = {
    "recipe": "hiersrec",
    "created": "2026-11-29T12:00:00+00:00",
    "versions": {"hiersrec": "0"},
    "dataset": {"name": "toy", "path": "/toy", "fingerprint": "0" * 64},
    "parameters": 1,
    "best": {},
}
