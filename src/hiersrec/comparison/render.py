"""The document of a comparison -> one table, one picture."""

import math
from typing import TYPE_CHECKING, Any

from hiersrec.evaluation.metrics import About, about_in
from hiersrec.writing import figures
from hiersrec.writing.origin import short
from hiersrec.writing.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEADINGS = (
    *("system", "metric", "runs", "mean", "95 % interval"),
    *("ours better by", "95 % interval", "p, sessions", "p, seeds"),
)
MEAN = HEADINGS.index("mean")


def table(document: dict[str, Any]) -> Table:
    """A row for each metric and system, shares in percent; p-values are corrected."""
    rows: list[tuple[str, ...]] = []
    best: set[tuple[int, int]] = set()
    second: set[tuple[int, int]] = set()
    for metric in document["settings"]["metrics"]:
        values = [system["metrics"][metric]["mean"] for system in document["systems"]]
        about = about_in(document, metric)
        leading = sorted(set(values), reverse=about.better == "higher")[:2]
        for value, system in zip(values, document["systems"], strict=True):
            if value in leading:
                (best if value == leading[0] else second).add((len(rows), MEAN))
            rows.append(_row(system, metric, about))
    dataset, split = document["dataset"]["name"], document["split"]
    return Table(
        f"{document['ours']} and its baselines on {dataset}, {split} split",
        HEADINGS,
        tuple(rows),
        best,
        second,
        _notes(document),
    )


def picture(document: dict[str, Any]) -> "Figure":
    """A panel for each metric, with the mean and the interval of each system. Raises MissingExtra.

    A system below half of the best is an arrow with a number, because its point would squeeze all others together.
    """
    metrics, systems = document["settings"]["metrics"], document["systems"]
    figure = figures.figure(2.2 + 2.4 * len(metrics), 1.1 + 0.32 * len(systems))
    panels: list[Axes] = list(figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0])
    has_arrow = False
    for panel, metric in zip(panels, metrics, strict=True):
        results, about = [system["metrics"][metric] for system in systems], about_in(document, metric)
        least = max(result["mean"] for result in results) / 2 if about.better == "higher" else -math.inf
        scale = _scale(about)
        for row, result in enumerate(results):
            colour, marker = figures.COLOURS[min(row, 1)], figures.MARKERS[min(row, 1)]  # ours, and all others
            if result["mean"] < least:
                has_arrow = True
                panel.plot(0.04, row, "<", color=colour, transform=panel.get_yaxis_transform())
                mean = _text(result["mean"], about)
                panel.text(0.09, row, mean, va="center", transform=panel.get_yaxis_transform())
                continue
            low, high = (scale * end for end in result["interval"])
            panel.hlines(row, low, high, colors=colour, linewidth=2)
            panel.plot(scale * result["mean"], row, marker, color=colour, markersize=5)
        panel.set_xlabel(metric + ", %" * about.is_share + ", lower is better" * (about.better == "lower"))
        panel.grid(axis="x", linewidth=0.4)
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(systems)), [system["name"] for system in systems])
    panels[0].invert_yaxis()  # shared: ours on top in every panel
    title = f"{document['dataset']['name']}, {document['split']} split: means and 95 % intervals"
    arrows = "; ◀ below half of the best" if has_arrow else ""
    figure.suptitle(title + arrows, fontsize=10)
    return figure


def _row(system: dict[str, Any], metric: str, about: About) -> tuple[str, ...]:
    result = system["metrics"][metric]
    interval = _interval(result["interval"], about)
    cells = (system["name"], metric, str(len(system["runs"])), _text(result["mean"], about), interval)
    if (lead := result.get("ours_better_by")) is None:
        return (*cells, "", "", "", "")
    return (
        *cells,
        f"{_scale(about) * lead['mean']:+.2f}",
        _interval(lead["interval"], about),
        _p(lead["p_sessions_holm"]),
        _p(lead["p_seeds_holm"]),
    )


def _notes(document: dict[str, Any]) -> tuple[str, ...]:
    settings, origin, baselines = document["settings"], document["origin"], len(document["systems"]) - 1
    commit = f", commit {short(origin['commit'])}" if "commit" in origin else ""
    metrics = settings["metrics"]
    absolute = [metric for metric in metrics if not about_in(document, metric).is_share]
    exceptions = f", of {', '.join(absolute)} as they are" if absolute else ""
    lower = [metric for metric in metrics if about_in(document, metric).better == "lower"]
    counts = f"{document['prefixes']:,} prefixes of {document['sessions']:,} sessions"
    return (
        f"Values in %{exceptions}: means over {counts} and over the runs of a system."
        + (f" Of {', '.join(lower)} lower is better." if lower else ""),
        f"Intervals and p, sessions: {settings['bootstrap']:,} resamples of whole sessions, seed {settings['seed']}. "
        "p, seeds: Welch's one-tailed t-test over runs, where both systems have two or more and they differ.",
        f'Both p are one-sided ("ours is better") and corrected by Holm over the baselines ({baselines}). '
        f"hiersrec {origin['hiersrec']}{commit}.",
    )


def _scale(about: About) -> int:
    """Shares are shown in percent."""
    return 100 if about.is_share else 1


def _text(value: float, about: About) -> str:
    return f"{_scale(about) * value:.2f}"


def _interval(ends: list[float], about: About) -> str:
    return f"[{_text(ends[0], about)}, {_text(ends[1], about)}]"


def _p(value: float | None) -> str:
    return "" if value is None else "<0.0001" if value < 0.0001 else f"{value:.4f}"
