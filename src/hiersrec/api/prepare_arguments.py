"""Arguments of `prepare` and `check` as people write them -> settings of the preparation."""

from collections.abc import Sequence
from typing import Any

from hiersrec.arguments import TEXT, TEXTS
from hiersrec.errors import BadInput

Names = str | Sequence[str]
TAB = ("tab", "\\t")
"""What stands for a tab, which is hard to type."""


def columns_of(*, category_columns: Names | None, separator: str | None, **columns: str | None) -> dict[str, Any]:
    """The settings of the columns, None where they were left out. Raises BadInput for an argument of another type."""
    TEXT.check_given(**columns, separator=separator)
    TEXTS.check_given(category_columns=category_columns)
    return {
        **columns,
        "category_columns": names_of(category_columns),
        "separator": "\t" if separator in TAB else separator,
    }


def split_rule(split: str | None, key: str | None, has_test: bool) -> dict[str, Any]:
    """The split that a rule such as "last-days:7" stands for."""
    if split is None:
        return {"method": "given" if has_test else None, "key": key}
    method, _, text = split.partition(":")
    method = method.strip().replace("-", "_")
    try:
        value: float | str = text.strip() if method == "date" else float(text)
    except ValueError:
        raise BadInput(
            f"--split must look like last-days:7, date:2016-05-25, fraction:0.1, random:0.2 or leave-last:1, got "
            f"'{split}'."
        ) from None
    return {"method": method, "value": value, "key": key}


def clusters_of(clusters: str | int | Sequence[int] | None) -> dict[str, Any]:
    """The setting that "30,995", 995, [30, 995] or "auto" stands for."""
    if clusters is None:
        return {}
    if isinstance(clusters, str) and clusters.strip() == "auto":
        return {"auto": True}
    try:
        if isinstance(clusters, str):
            return {"clusters": tuple(int(count) for count in clusters.split(","))}
        return {"clusters": (clusters,) if isinstance(clusters, int) else tuple(map(int, clusters))}
    except (TypeError, ValueError):
        raise BadInput(
            "--implicit-categories must be a number of clusters such as 995, several from coarse to fine such as "
            f"30,995, or auto, got '{clusters}'."
        ) from None


def names_of(names: Names | None) -> tuple[str, ...] | None:
    """One name, or several, as a tuple; None where none were given."""
    return None if names is None else (names,) if isinstance(names, str) else tuple(names)
