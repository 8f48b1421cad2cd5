"""The document of an evaluation -> one HTML page without scripts or links to anything: all tables, with pictures."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import escape
from typing import Any

from hiersrec.api import report_parts
from hiersrec.evaluation import report_table
from hiersrec.writing import figures, reliability, slice_bars, tables
from hiersrec.writing.tables import Table

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .4rem 0 1rem; font-variant-numeric: tabular-nums }
h2 { font-size: 1rem; margin: 1.5rem 0 0 }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, #0000) }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
section { overflow-x: auto }
img { display: block; max-width: 100%; background: #fff; border-radius: .5rem; padding: .5rem; margin: 1rem 0 }
"""


def pictures(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name of a section -> its picture as an <img>: each group of slices, and the reliability where there is any."""
    k = report_table.ks_of(document)[-1]
    for name, (headings, rows) in report_table.slice_rows(document).items():
        metric = next((heading for heading in headings if heading.endswith(f"@{k}")), None)
        if metric:
            column = headings.index(metric)
            bars = [(f"{report_parts.label(name, row[0])} ({row[1]:,})", row[column]) for row in rows]
            yield name, _image(figures.svg(slice_bars.picture(bars, metric)), f"{metric} by {report_parts.by(name)}")
    if document.get("calibration"):
        yield "calibration", _image(figures.svg(reliability.picture(document)), "how often the likeliest is right")


def page(document: dict[str, Any], images: Mapping[str, str]) -> str:
    """The page. images: as `pictures` has them."""
    sections = [
        _texts(report_parts.headline(document), report_parts.counts(document), report_parts.candidates(document))
    ]
    sections += [_texts(table) for table in report_parts.levels(document)]
    sections += [images[name] for name in images if name == "calibration"]
    for name, table in report_parts.slices(document, all_of_them=True):
        chance = report_parts.chance(document) if name == "cold_start" else None
        sections.append(_texts(table, chance) + images.get(name, ""))
    sections.append(
        f"<details><summary>All numbers, as --json has them</summary>{_texts(*_numbers(document))}</details>"
    )
    name = escape(report_parts.title(document))
    body = "\n".join(f"<section>{section}</section>" for section in sections)
    origin = f"hiersrec {document['hiersrec']}, {document['seconds']:,.0f} s of evaluation"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body><h1>{name}</h1>\n{body}\n<p>{escape(origin)}</p></body></html>\n"
    )


def _numbers(document: dict[str, Any]) -> Iterator[Table]:
    """All metrics and counts: of the next item, then of each task and baseline by itself."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, value in document["metrics"].items():
        prefix, slash, _ = name.partition("/")
        text = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
        groups.setdefault(prefix if slash and "@" not in prefix else "the next item", []).append((name, text))
    for title, rows in groups.items():
        yield Table(title, ("name", "value"), tuple(rows))


def _texts(*parts: str | Table | None) -> str:
    """Paragraphs, and tables under their titles: as captions these would make narrow tables as wide as themselves."""
    return "".join(
        f"<h2>{escape(part.title)}</h2>{tables.html(replace(part, title=''))}"
        if isinstance(part, Table)
        else f"<p>{escape(part)}</p>"
        for part in parts
        if part is not None
    )


def _image(svg: str, about: str) -> str:
    """As a picture of its own, since the ids of two SVGs in one page would clash."""
    return f'<img alt="{escape(about)}" src="data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}">'
