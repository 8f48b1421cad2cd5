"""Figure 2a: accuracy of HierSRec if only candidates are ranked, by predicted category and at random."""

from typing import TYPE_CHECKING, Any

from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._cells import percent
from hiersrec.reproduction._output import Output
from hiersrec.reproduction._runs import evaluated
from hiersrec.retrieval.candidates import Candidates
from hiersrec.writing import figures
from hiersrec.writing.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS = "hiersrec"
RECIPES = (OURS,)
TOPS = {"full": (1, 2, 3, 5, 8, 12, 20, 40), "small": (1, 2, 4, 8)}
"""Budget -> values of K, the number of best categories per level."""
POLICIES = {"category": "of the likeliest categories", "random": "as many at random"}


def tops(bench: Bench) -> list[int]:
    """The values of K that exclude items: below the number of categories of every level."""
    fewest = min(level.num_known for level in bench.dataset.catalog.levels)
    return [top for top in TOPS[bench.budget] if top < fewest]


def make(bench: Bench) -> Output:
    """A row for each policy and K, for the run with seed 0."""
    whole = evaluated(bench, OURS)["metrics"]["mrr@20"]
    choices = [(policy, top) for policy in POLICIES for top in tops(bench)]
    points: list[dict[str, Any]] = []
    for number, (policy, top) in enumerate(choices, start=1):
        bench.reporter.say(f"figure2a: point {number} of {len(choices)}: candidates {policy}, top {top}")
        metrics = evaluated(bench, OURS, candidates=Candidates(policy=policy, top=top))["metrics"]
        share, target = metrics["candidates/share"], metrics["candidates/target"]
        points.append({"policy": policy, "top": top, "share": share, "target": target, "mrr@20": metrics["mrr@20"]})
    size = bench.dataset.catalog.num_items
    rows = [("All items", "", "100.00", f"{size:,}", "", percent(whole), "100.0 %")]
    rows += [
        (
            POLICIES[point["policy"]].capitalize(),
            str(point["top"]),
            percent(point["share"]),
            f"{point['share'] * size:,.0f}",
            percent(point["target"]),
            percent(point["mrr@20"]),
            f"{100 * point['mrr@20'] / whole:.1f} %" if whole else "",
        )
        for point in points
    ]
    table = Table(
        f"Figure 2a: HierSRec on {bench.dataset.name}, ranking candidates only",
        ("Candidates", "K", "Of the items %", "Items", "Targets among them %", "MRR@20 %", "Of full ranking"),
        tuple(rows),
        notes=(
            "Candidates: the items of the K likeliest categories of each level, or as many drawn at random. The run "
            "with seed 0. The paper gives no numbers for its picture; it says that 4 % of the items are enough.",
        ),
    )
    return Output(table, {"all": {"mrr@20": whole}, "points": points}, _picture(bench, points, whole))


def _picture(bench: Bench, points: list[dict[str, Any]], whole: float) -> "Figure":
    figure = figures.figure(9.2, 3.7)
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, key, scale in ((left, "top", 1), (right, "share", 100)):
        axis.axhline(100 * whole, color=figures.COLOURS[6], linestyle="--", linewidth=1.2, label="all items")
        for (policy, label), colour, marker in zip(POLICIES.items(), figures.COLOURS, figures.MARKERS, strict=False):
            curve = [point for point in points if point["policy"] == policy]
            x, y = [scale * point[key] for point in curve], [100 * point["mrr@20"] for point in curve]
            axis.plot(x, y, color=colour, marker=marker, label=label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    left.set_xlabel("K, categories of each level")
    left.set_ylabel("MRR@20, %")
    right.set_xlabel("candidates, % of the items")
    left.set_xscale("log")
    shown = sorted({point["top"] for point in points})
    left.set_xticks(shown, list(map(str, shown)), minor=False)
    left.set_xticks([], minor=True)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.suptitle(f"HierSRec on {bench.dataset.name}: ranking candidates only", fontsize=11)
    return figure
