"""The document of a comparison -> one table, one picture."""

from typing import TYPE_CHECKING, Any

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
    """A row for each metric and system, values in percent; p-values are corrected."""
    rows: list[tuple[str, ...]] = []
    best: set[tuple[int, int]] = set()
    second: set[tuple[int, int]] = set()
    for metric in document["settings"]["metrics"]:
        values = [system["metrics"][metric]["mean"] for system in document["systems"]]
        highest = sorted(set(values), reverse=True)[:2]
        for value, system in zip(values, document["systems"], strict=True):
            if value in highest:
                (best if value == highest[0] else second).add((len(rows), MEAN))
            rows.append(_row(system, metric))
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
        results = [system["metrics"][metric] for system in systems]
        best = max(result["mean"] for result in results)
        for row, result in enumerate(results):
            colour, marker = figures.COLOURS[min(row, 1)], figures.MARKERS[min(row, 1)]  # ours, and all others
            if result["mean"] < best / 2:
                has_arrow = True
                panel.plot(0.04, row, "<", color=colour, transform=panel.get_yaxis_transform())
                panel.text(0.09, row, _percent(result["mean"]), va="center", transform=panel.get_yaxis_transform())
                continue
            low, high = (100 * end for end in result["interval"])
            panel.hlines(row, low, high, colors=colour, linewidth=2)
            panel.plot(100 * result["mean"], row, marker, color=colour, markersize=5)
        panel.set_xlabel(f"{metric}, %")
        panel.grid(axis="x", linewidth=0.4)
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(systems)), [system["name"] for system in systems])
    panels[0].invert_yaxis()  # shared: ours on top in every panel
    title = f"{document['dataset']['name']}, {document['split']} split: means and 95 % intervals"
    arrows = "; ◀ below half of the best" if has_arrow else ""
    figure.suptitle(title + arrows, fontsize=10)
    return figure


def _row(system: dict[str, Any], metric: str) -> tuple[str, ...]:
    result = system["metrics"][metric]
    cells = (system["name"], metric, str(len(system["runs"])), _percent(result["mean"]), _interval(result["interval"]))
    if (lead := result.get("ours_better_by")) is None:
        return (*cells, "", "", "", "")
    return (
        *cells,
        f"{100 * lead['mean']:+.2f}",
        _interval(lead["interval"]),
        _p(lead["p_sessions_holm"]),
        _p(lead["p_seeds_holm"]),
    )


def _notes(document: dict[str, Any]) -> tuple[str, ...]:
    settings, origin, baselines = document["settings"], document["origin"], len(document["systems"]) - 1
    commit = f", commit {short(origin['commit'])}" if "commit" in origin else ""
    return (
        f"Values in %: means over {document['prefixes']:,} prefixes of {document['sessions']:,} sessions and over the "
        "runs of a system. The best is bold, the second best underlined.",
        f"Intervals and p, sessions: {settings['bootstrap']:,} resamples of whole sessions, seed {settings['seed']}. "
        "p, seeds: Welch's one-tailed t-test over runs, where both systems have two or more and they differ.",
        f'Both p are one-sided ("ours is better") and corrected by Holm over the baselines ({baselines}). '
        f"hiersrec {origin['hiersrec']}{commit}.",
    )


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _interval(ends: list[float]) -> str:
    return f"[{_percent(ends[0])}, {_percent(ends[1])}]"


def _p(value: float | None) -> str:
    return "" if value is None else "<0.0001" if value < 0.0001 else f"{value:.4f}"
