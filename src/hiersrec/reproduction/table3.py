"""Table 3: the next item, by the paper's baselines, by the methods that practitioners use, and by HierSRec.

HierSRec has two rows: the recipe `hiersrec`, which is nearest to the paper and the one of the other tables, and `best`,
the default of `hiersrec train`, to which the p-values and the last row belong.
"""

from typing import Any

from hiersrec.comparison.compare import compare
from hiersrec.reproduction._bars import bars
from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._cells import HEADINGS, METRICS, NAMES, PAPER, Marks, change, percents
from hiersrec.reproduction._output import Output
from hiersrec.reproduction._published import MARKS, gains_of_paper, of_paper, of_split, sources
from hiersrec.reproduction._runs import folders, mean, seeds_of
from hiersrec.training.progress import progress_stage
from hiersrec.writing.tables import Table

OURS, OF_THE_PAPER = "best", "hiersrec"
BASELINES = (
    *("narm", "stamp", "csrm", "tagnn", "cotrec"),  # the paper's, in its order
    *("popularity", "session_popularity", "cooccurrence", "sknn", "vsknn", "stan", "vstan"),
    *("gru4rec", "sasrec", "m2trec"),
)
RECIPES = (*BASELINES, OF_THE_PAPER, OURS)
TESTED = "mrr@20"
"""The metric whose p-values are in the table; the JSON has those of the others."""
P_VALUES = {"p_sessions_holm": "p over sessions", "p_seeds_holm": "p over seeds"}


def make(bench: Bench) -> Output:
    """A row per recipe; the last row is the improvement of the default recipe over the best baseline of each column."""
    values = {name: {metric: mean(bench, name, metric) or 0.0 for metric in METRICS} for name in RECIPES}
    with progress_stage(bench.reporter, "table3: bootstrap") as progress:
        comparison = compare(folders(bench, [OURS, *RECIPES[:-1]]), progress=progress)
    leads = {
        system["recipe"]["name"]: system["metrics"][TESTED].get("ours_better_by") for system in comparison["systems"]
    }
    gains = {m: change(values[OURS][m], max(values[name][m] for name in BASELINES)) for m in METRICS}
    marks = Marks()
    marks.add(list(values.values()), first_column=2)
    rows = [
        (
            NAMES[name],
            str(len(seeds_of(bench, name))),
            *percents(values[name]),
            *(_p(leads[name], key) for key in P_VALUES),
            *_published(bench, name),
        )
        for name in RECIPES
    ]
    of_the_paper = (gains_of_paper("diginetica"), gains_of_paper("thd"), *([""] * len(_split_heading(bench))))
    rows.append((f"{NAMES[OURS]}, over the best baseline", "", *gains.values(), "", "", *of_the_paper))
    headings = ("Model", "Runs", *HEADINGS, *P_VALUES.values(), PAPER, "Paper, THD: the same", *_split_heading(bench))
    table = Table(
        f"Table 3: next item on {bench.dataset.name}",
        headings,
        tuple(rows),
        marks.best,
        marks.second,
        notes=_notes(bench, comparison),
    )
    panels = {heading: [values[name][metric] for name in RECIPES] for metric, heading in METRICS.items()}
    picture = bars(f"Next item on {bench.dataset.name}", [NAMES[name] for name in RECIPES], panels, NAMES[OURS])
    return Output(table, {"means": values, "improvement": gains, "comparison": comparison}, picture)


def _p(lead: dict[str, Any] | None, key: str) -> str:
    value = None if lead is None else lead[key]
    return "" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _published(bench: Bench, name: str) -> tuple[str, ...]:
    paper = (of_paper("table3", "diginetica", name), of_paper("table3", "thd", name))
    return (*paper, of_split(bench.dataset.name, name)) if _split_heading(bench) else paper


def _split_heading(bench: Bench) -> tuple[str, ...]:
    """The heading of the column of the standard split; empty if this dataset has none."""
    return ("Published, this split: HITS / MRR",) if sources(bench.dataset.name, RECIPES) else ()


def _notes(bench: Bench, comparison: dict[str, Any]) -> tuple[str, ...]:
    notes = [
        f"{comparison['prefixes']:,} test prefixes of {comparison['sessions']:,} sessions, all items ranked. "
        "Values are means over the runs of a recipe.",
        "p: one-sided, that the default recipe's MRR@20 is higher than the row's; over sessions by bootstrap of whole "
        "sessions, over seeds by Welch's t-test where both have two runs or more; Holm's correction over the rows.",
        "The paper's columns: another file of Diginetica (117K items), and The Home Depot (THD), whose data is not "
        "public. They can't be compared with ours. The paper's Recall@20 is most likely our any hit@20.",
    ]
    if known := sources(bench.dataset.name, RECIPES):
        marks = "; ".join(f"[{mark}] {meaning}" for mark, meaning in MARKS.items())
        notes.append(f"Published: {marks}; ~ a split near this one. {known}.")
    return tuple(notes)
