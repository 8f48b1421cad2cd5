"""Table 4a: the category of the next item, at each level."""

from hiersrec.reproduce._bars import bars
from hiersrec.reproduce._bench import Bench
from hiersrec.reproduce._cells import METRICS, NAMES, Marks, percent
from hiersrec.reproduce._output import Output
from hiersrec.reproduce._published import of_paper
from hiersrec.reproduce._runs import mean
from hiersrec.writing.tables import Table

RECIPES = ("last_category", "multi_task", "hiersrec")


def make(bench: Bench) -> Output:
    """A row for each level and recipe; best and second best within a level."""
    levels = [f"category_{at}" for at, _ in enumerate(bench.dataset.catalog.levels, start=1)]
    values = {
        level: {name: {metric: mean(bench, name, f"{level}/{metric}") for metric in METRICS} for name in RECIPES}
        for level in levels
    }
    rows: list[tuple[str, ...]] = []
    marks = Marks()
    for at, level in enumerate(levels, start=1):
        for column, metric in enumerate(METRICS, start=1):
            marks.add([values[level][name][metric] for name in RECIPES], column, len(rows))
        for name in RECIPES:
            paper = of_paper("table4a", "diginetica", name) if at == 1 else ""
            cells = (percent(values[level][name][metric]) for metric in METRICS)
            rows.append((f"Level {at}: {NAMES[name]}", *cells, paper))
    table = Table(
        f"Table 4a: category of the next item on {bench.dataset.name}",
        ("Model", *(f"{heading} %" for heading in METRICS.values()), "Paper, Diginetica: MRR / HITS / Recall"),
        tuple(rows),
        best=frozenset(marks.best),
        second=frozenset(marks.second),
        notes=(
            "Only prefixes whose next item has a known category at the level. Any hit@20 is what the paper's Recall@20 "
            "most likely is; Recall@20 is the share of the future categories that are listed.",
            "The paper's Diginetica is another file, with 1.2K categories.",
        ),
    )
    panels = {
        f"level {at}, {METRICS[metric]}": [values[level][name][metric] for name in RECIPES]
        for at, level in enumerate(levels, start=1)
        for metric in ("mrr@20",)
    }
    title = f"Category of the next item on {bench.dataset.name}"
    return Output(table, values, bars(title, [NAMES[name] for name in RECIPES], panels, NAMES["hiersrec"]))
