"""Write the tables of figures into RESULTS.md and docs/results/, from docs/results/figures.toml.

    python tools/figures.py

A page has a table between `<!-- figures: NAME -->` and `<!-- /figures -->`, and what made its tables (commands, seeds,
versions, machines) between the same marks with the name "sources".

The file has the digits of the log. A table with `percent = true` shows shares of four decimals, as the log writes
accuracies, in percent: 0.7055 as 70.55. All other numbers, such as an ECE of 0.029, stay as they are.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs/results/figures.toml"
LOG = ROOT / "docs/log"
PAGES = (ROOT / "RESULTS.md", ROOT / "docs/results/hierarchy.md")
SHARE = re.compile(r"(?<![\d.])([01])\.(\d\d)(\d\d)(?![\d.])")
MARKED = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- /figures -->)", re.DOTALL)

Document = dict[str, Any]


def filled(text: str, page: Path, figures: Document) -> str:
    """The text of a page with the tables of `figures` in it."""
    names = [name for _, name, _ in MARKED.findall(text)]
    used = dict.fromkeys(
        row["source"] for name in names if name != "sources" for row in figures["tables"][name]["rows"]
    )

    def table(mark: "re.Match[str]") -> str:
        name = mark[2]
        lines = sources(figures, list(used), page) if name == "sources" else rows(figures, name, page)
        return mark[1] + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n" + mark[3]

    return MARKED.sub(table, text)


def rows(figures: Document, name: str, page: Path) -> list[list[str]]:
    """A table, with a link from each row to its entry in the log."""
    table = figures["tables"][name]
    heads = [*table["heads"], "log"]
    shown = percent if table.get("percent") else str
    links = [link(figures["sources"][row["source"]], page) for row in table["rows"]]
    return [
        heads,
        ["---"] * len(heads),
        *([*map(shown, row["cells"]), entry] for row, entry in zip(table["rows"], links, strict=True)),
    ]


def percent(cell: str) -> str:
    """The shares of a cell in percent, digit for digit: "0.3402 / 0.4591" -> "34.02 / 45.91"."""
    return SHARE.sub(lambda share: f"{int(share[1] + share[2])}.{share[3]}", cell)


def sources(figures: Document, used: list[str], page: Path) -> list[list[str]]:
    """What made the figures, a line for each entry of the log."""
    heads = ["entry", "command", "seeds", "versions", "processor"]
    lines = [heads, ["---"] * len(heads)]
    for name in used:
        source = figures["sources"][name]
        command = f"`{source['command']}`" if " has " not in source["command"] else source["command"]
        lines.append([link(source, page), command, source["seeds"], source["versions"], source["processor"]])
    return lines


def entry_of(source: Document) -> str:
    """The entry of the log, from its heading on."""
    text = (LOG / f"{source['date']}.md").read_text(encoding="utf-8")
    (entry,) = (part for part in text.split("\n## ") if source["entry"] in part.splitlines()[0])
    return entry


def link(source: Document, page: Path) -> str:
    """A link to an entry of the log."""
    anchor = re.sub(r"[^\w\- ]", "", entry_of(source).splitlines()[0].lower()).replace(" ", "-")
    return f"[{source['date']}]({os.path.relpath(LOG, page.parent)}/{source['date']}.md#{anchor})"


def main() -> None:
    """Write all pages."""
    figures = tomllib.loads(FIGURES.read_text(encoding="utf-8"))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        page.write_text(filled(text, page, figures), encoding="utf-8")


if __name__ == "__main__":
    main()
