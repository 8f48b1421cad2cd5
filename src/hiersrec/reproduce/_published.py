"""published.toml, read: numbers that others published, as cells beside ours."""

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
    found = published()["paper"][table][data].get(name)
    return "" if found is None else " / ".join(f"{100 * one:.2f}" for one in found)


def gains_of_paper(data: str) -> str:
    """The last row of the paper's table 3, such as "+25.8 % / +11.8 % / +8.9 %"."""
    return " / ".join(f"{100 * one:+.1f} %" for one in published()["paper"]["improvement"][data])


def of_split(dataset: str, name: str) -> str:
    """HITS@20 / MRR@20 on the standard split in percent, and its mark, such as "49.70 / 16.17 [Q]"; or "".

    "~" stands before numbers of a split that is only near the standard one.
    """
    found = published()["split"].get(dataset, {}).get(name)
    if found is None:
        return ""
    near = "" if found.get("same", True) else "~"
    return f"{near}{100 * found['hits']:.2f} / {100 * found['mrr']:.2f} [{found['mark']}]"


def sources(dataset: str, names: tuple[str, ...]) -> str:
    """Where the numbers of `of_split` are from, such as "narm [Q] MGCOT paper, table 2"; or ""."""
    known = published()["split"].get(dataset, {})
    return "; ".join(f"{name} [{known[name]['mark']}] {known[name]['source']}" for name in names if name in known)
