"""The calibration of an evaluation -> a reliability picture: how often what is told with a probability comes true."""

from typing import TYPE_CHECKING, Any

from hiersrec.writing import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LARGEST, SMALLEST = 12.0, 2.5
"""Sizes in points of the marks of a bin with all prefixes and with hardly any; their areas go by the prefixes."""


def picture(document: dict[str, Any]) -> "Figure":
    """A panel for the items and for each category level: a mark for each bin, the diagonal where both are equal.

    document: an evaluation's, with a calibration. Raises MissingExtra without Matplotlib.
    """
    tasks: dict[str, Any] = document["calibration"]
    figure = figures.figure(0.6 + 2.5 * len(tasks), 3.1)
    panels: list[Axes] = list(figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0])
    for number, (panel, (task, result)) in enumerate(zip(panels, tasks.items(), strict=True)):
        colour = figures.COLOURS[min(number, 1)]  # items, and all levels
        panel.plot([0, 100], [0, 100], "--", color="grey", linewidth=1)
        confidence, accuracy = ([100 * row[name] for row in result["bins"]] for name in ("confidence", "accuracy"))
        panel.plot(confidence, accuracy, color=colour, linewidth=1)
        for x, y, row in zip(confidence, accuracy, result["bins"], strict=True):
            size = max(SMALLEST, LARGEST * (row["prefixes"] / result["prefixes"]) ** 0.5)
            panel.plot(x, y, figures.MARKERS[min(number, 1)], color=colour, markersize=size)
        panel.set_title(f"{task.replace('category_', 'level ')}: ECE {result['ece']:.3f}", fontsize=10)
        panel.set_xlabel("confidence, %")
        panel.set_xlim(0, 100)
        panel.set_ylim(0, 100)
        panel.grid(linewidth=0.4)
        panel.set_axisbelow(True)
    panels[0].set_ylabel("right, %")
    figure.suptitle(f"{document['run']} on {document['dataset']['name']}, {document['split']} split", fontsize=10)
    return figure
