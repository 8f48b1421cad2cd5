"""What the code reads of dataset.json, run.json and bundle.json, as forms (json_form.py).

Entries that were added later have a question mark: older folders lack them.
"""

from hiersrec.store.json_form import Form

PLUGINS: Form = [
    {"kind": str, "name": str, "module": str, "distribution": (str, None), "version": (str, None)},
]
_SIZE: Form = {"sessions": int, "events": int}
_SIZES: Form = {"train": _SIZE, "valid": _SIZE}
SEAL: Form = {
    "kind": str,
    "format_version": int,
    "files": {str: {"bytes": int, "sha256": str}},
    "seal_sha256?": str,
}
"""Of every kind."""

DATASET: Form = {
    "name": str,
    "columns": {"events": {str: (str, None)}},
    "settings": {"split": {"valid": str}},
    "split": {
        **_SIZES,
        "test": _SIZE,
        "targets?": str,
        "too_short?": int,
        "held_out?": {"items": int, "of": int, "before": _SIZES},
    },
    "filters": [
        {"name": str, "round": int, "events": int, **dict.fromkeys(("sessions", "items", "users"), (int, None))},
    ],
    "statistics": {
        "training_sessions": int,
        "validation_sessions": int,
        "test_sessions": int,
        "items": int,
        "interactions": int,
        "mean_session_length": float,
        "categories": [int],
        "category_coverage?": [float],
        "training_prefixes": int,
        "test_prefixes": int,
        "unseen_test_items": int,
        "unseen_test_events": int,
        "items_without_metadata": int,
        "metadata": [
            {"name": str, "kind": str, "coverage": float, "vocabulary": int, "width": int, "cut?": int},
        ],
        "event_types?": {str: int},
        "agreement?": [
            {"level": int, "given_level": int, "items": int, "purity": (float, None), "nmi": (float, None)},
        ],
    },
    "plugins?": PLUGINS,
}

RUN: Form = {
    "recipe": str,
    "created": str,
    "versions": {str: str},
    "dataset": {"name": str, "path": str, "fingerprint": str},
    "parameters": int,
    "best": {"epoch?": int, "valid_mrr@20?": float},
    "added_items?": int,
    "plugins?": PLUGINS,
}

BUNDLE: Form = {
    "model_version": str,
    "recipe": str,
    "dataset": str,
    "num_items": int,
    "max_length": int,
    "tasks": [str],
    "reads": [{"task": str, "as": str}],
    "terms?": {"constants": {str: str}, "positions": {str: str}},
    "candidates": {"policy": str, "top": (int, None), "share": (float, None), "mass?": (float, None)},
    "slabs": str,
    "encoder": str,
}
FORMS = {"dataset": DATASET, "run": RUN, "bundle": BUNDLE}
