"""Table 4b: ablation of the hierarchy of tasks, for the next item."""

from hiersrec.reproduction._bars import bars
from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._cells import HEADINGS, METRICS, NAMES, PAPER, Marks, change, percents
from hiersrec.reproduction._output import Output
from hiersrec.reproduction._published import of_paper
from hiersrec.reproduction._runs import means
from hiersrec.writing.tables import Table

OURS = "hiersrec"
RECIPES = ("single_task", "multi_task", OURS)


def make(bench: Bench) -> Output:
    """A row per recipe, with the change from it to HierSRec."""
    values = {name: means(bench, name) for name in RECIPES}
    marks = Marks()
    marks.add(list(values.values()), first_column=1)
    rows = tuple(
        (
            NAMES[name],
            *percents(values[name]),
            "" if name == OURS else change(values[OURS]["mrr@20"] or 0.0, values[name]["mrr@20"] or 0.0),
            of_paper("table4b", "diginetica", name),
        )
        for name in RECIPES
    )
    table = Table(
        f"Table 4b: ablation on {bench.dataset.name}",
        ("Model", *HEADINGS, "HierSRec's MRR@20 is better by", PAPER),
        rows,
        marks.best,
        marks.second,
        notes=(
            "The recipes differ only in their tasks.",
            "The paper's text says that its ablation is on THD, its caption and its numbers say Diginetica; its "
            "Diginetica is another file.",
        ),
    )
    panels = {heading: [values[name][metric] for name in RECIPES] for metric, heading in METRICS.items()}
    title = f"Ablation on {bench.dataset.name}"
    return Output(table, values, bars(title, [NAMES[name] for name in RECIPES], panels, NAMES[OURS]))
