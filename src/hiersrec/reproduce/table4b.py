"""Table 4b: what each part of the hierarchy of tasks is worth for the next item."""

from hiersrec.reproduce._bars import bars
from hiersrec.reproduce._bench import Bench
from hiersrec.reproduce._cells import METRICS, NAMES, Marks, change, percent
from hiersrec.reproduce._output import Output
from hiersrec.reproduce._published import of_paper
from hiersrec.reproduce._runs import mean
from hiersrec.writing.tables import Table

OURS = "hiersrec"
RECIPES = ("single_task", "multi_task", OURS)


def make(bench: Bench) -> Output:
    """A row a recipe, and the change from each of them to HierSRec."""
    values = {name: {metric: mean(bench, name, metric) for metric in METRICS} for name in RECIPES}
    marks = Marks()
    for column, metric in enumerate(METRICS, start=1):
        marks.add([values[name][metric] for name in RECIPES], column)
    rows = tuple(
        (
            NAMES[name],
            *(percent(values[name][metric]) for metric in METRICS),
            "" if name == OURS else change(values[OURS]["mrr@20"] or 0.0, values[name]["mrr@20"] or 0.0),
            of_paper("table4b", "diginetica", name),
        )
        for name in RECIPES
    )
    headings = (
        *("Model", *(f"{heading} %" for heading in METRICS.values())),
        *("HierSRec's MRR@20 is better by", "Paper, Diginetica: MRR / HITS / Recall"),
    )
    table = Table(
        f"Table 4b: ablation on {bench.dataset.name}",
        headings,
        rows,
        best=frozenset(marks.best),
        second=frozenset(marks.second),
        notes=(
            "The recipes differ in their tasks alone.",
            "The paper's text says that its ablation is on THD, its caption and its numbers say Diginetica; its "
            "Diginetica is another file.",
        ),
    )
    panels = {heading: [values[name][metric] for name in RECIPES] for metric, heading in METRICS.items()}
    title = f"Ablation on {bench.dataset.name}"
    return Output(table, values, bars(title, [NAMES[name] for name in RECIPES], panels, NAMES[OURS]))
