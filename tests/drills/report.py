"""What a drill found: a row for each thing that it harms, and the table of all rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Row:
    """Tries of one kind, and a line for each that failed."""

    drill: str
    """The harm, such as "kill"."""
    target: str
    """What is harmed, such as "train --overwrite"."""
    tries: int = 0
    failures: list[str] = field(default_factory=list)


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| drill | of | tries | failures |", "|---|---|---|---|"]
    lines += [f"| {row.drill} | `{row.target}` | {row.tries} | {len(row.failures)} |" for row in rows]
    return "\n".join(lines)
