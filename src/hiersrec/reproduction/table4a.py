"""Table 4a: the category of the next item, at each level."""

from hiersrec.reproduction._bars import bars
from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._cells import HEADINGS, METRICS, NAMES, PAPER, Marks, percents
from hiersrec.reproduction._output import Output
from hiersrec.reproduction._published import of_paper
from hiersrec.reproduction._runs import means
from hiersrec.writing.tables import Table

RECIPES = ("last_category", "multi_task", "hiersrec")


def make(bench: Bench) -> Output:
    """A row for each level and recipe; best and second best are marked within a level."""
    levels = range(1, len(bench.dataset.catalog.levels) + 1)
    values = {
        f"category_{level}": {name: means(bench, name, f"category_{level}/") for name in RECIPES} for level in levels
    }
    rows: list[tuple[str, ...]] = []
    marks = Marks()
    for level, models in zip(levels, values.values(), strict=True):
        marks.add(list(models.values()), first_column=1, first_row=len(rows))
        for name in RECIPES:
            paper = of_paper("table4a", "diginetica", name) if level == 1 else ""
            rows.append((f"Level {level}: {NAMES[name]}", *percents(models[name]), paper))
    table = Table(
        f"Table 4a: category of the next item on {bench.dataset.name}",
        ("Model", *HEADINGS, PAPER),
        tuple(rows),
        marks.best,
        marks.second,
        notes=(
            "Only prefixes whose next item has a known category at the level. Any hit@20 is what the paper's Recall@20 "
            "most likely is; Recall@20 is the share of the future categories that are listed.",
            "The paper's Diginetica is another file, with 1.2K categories.",
        ),
    )
    panels = {
        f"level {level}, {METRICS['mrr@20']}": [models[name]["mrr@20"] for name in RECIPES]
        for level, models in zip(levels, values.values(), strict=True)
    }
    title = f"Category of the next item on {bench.dataset.name}"
    return Output(table, values, bars(title, [NAMES[name] for name in RECIPES], panels, NAMES["hiersrec"]))
