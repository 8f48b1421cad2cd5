"""Published numbers (published.toml) as cells for tables."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

MARKS = {"R": "read in the source", "Q": "quoted by another paper", "M": "from memory, unverified"}


@cache
def published() -> dict[str, Any]:
    """All of published.toml."""
    return tomllib.loads((Path(__file__).parent / "published.toml").read_text(encoding="utf-8"))


def of_paper(table: str, data: str, name: str) -> str:
    """MRR@20 / HITS@20 / Recall@20 of a row of the paper in percent, such as "9.90 / 33.47 / 50.31"; or ""."""
    values = published()["paper"][table][data].get(name, [])
    return " / ".join(f"{100 * value:.2f}" for value in values)


def gains_of_paper(data: str) -> str:
    """The last row of the paper's table 3, such as "+25.8 % / +11.8 % / +8.9 %"."""
    return " / ".join(f"{100 * value:+.1f} %" for value in published()["paper"]["improvement"][data])


def of_split(dataset: str, name: str) -> str:
    """HITS@20 / MRR@20 on the standard split in percent, and its mark, such as "49.70 / 16.17 [Q]"; or "".

    "~" marks a split that is only near the standard one.
    """
    row = published()["split"].get(dataset, {}).get(name)
    if row is None:
        return ""
    near = "" if row.get("same", True) else "~"
    return f"{near}{100 * row['hits']:.2f} / {100 * row['mrr']:.2f} [{row['mark']}]"


def sources(dataset: str, names: tuple[str, ...]) -> str:
    """Sources of the cells of `of_split`, such as "narm [Q] MGCOT paper, table 2"; or ""."""
    known = published()["split"].get(dataset, {})
    return "; ".join(f"{name} [{known[name]['mark']}] {known[name]['source']}" for name in names if name in known)
