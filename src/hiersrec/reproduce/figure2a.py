"""Figure 2a: how exact HierSRec stays if only candidates are ranked, by predicted category and at random."""

from typing import TYPE_CHECKING, Any

from hiersrec.reproduce._bench import Bench
from hiersrec.reproduce._cells import percent
from hiersrec.reproduce._output import Output
from hiersrec.reproduce._runs import measured
from hiersrec.retrieval.candidates import Candidates
from hiersrec.writing import figures
from hiersrec.writing.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS = "hiersrec"
RECIPES = (OURS,)
TOPS = {"full": (1, 2, 3, 5, 8, 12, 20, 40), "small": (1, 2, 4, 8)}
"""Budget -> numbers K of best categories of each level."""
POLICIES = {"category": "of the likeliest categories", "random": "as many at random"}


def tops(bench: Bench) -> list[int]:
    """The K that leave something out: from the number of categories of a level on, its K best are all of them."""
    fewest = min(level.num_known for level in bench.dataset.catalog.levels)
    return [top for top in TOPS[bench.budget] if top < fewest]


def make(bench: Bench) -> Output:
    """A row for each policy and K, all of them of the run with seed 0."""
    whole = measured(bench, OURS)["metrics"]["mrr@20"]
    wanted = [(policy, top) for policy in POLICIES for top in tops(bench)]
    points: list[dict[str, Any]] = []
    for at, (policy, top) in enumerate(wanted, start=1):
        bench.callback.say(f"figure2a: point {at} of {len(wanted)}: candidates {policy}, top {top}")
        found = measured(bench, OURS, candidates=Candidates(policy=policy, top=top))["metrics"]
        share, target = found["candidates/share"], found["candidates/target"]
        points.append({"policy": policy, "top": top, "share": share, "target": target, "mrr@20": found["mrr@20"]})
    size = bench.dataset.catalog.num_items
    rows = [("All items", "", "100.00", f"{size:,}", "", percent(whole), "100.0 %")]
    rows += [
        (
            POLICIES[one["policy"]].capitalize(),
            str(one["top"]),
            percent(one["share"]),
            f"{one['share'] * size:,.0f}",
            percent(one["target"]),
            percent(one["mrr@20"]),
            f"{100 * one['mrr@20'] / whole:.1f} %" if whole else "",
        )
        for one in points
    ]
    table = Table(
        f"Figure 2a: HierSRec on {bench.dataset.name}, ranking candidates only",
        ("Candidates", "K", "Of the items %", "Items", "Targets among them %", "MRR@20 %", "Of full ranking"),
        tuple(rows),
        notes=(
            "Candidates: the items of the K likeliest categories of each level, or as many drawn at random. The run "
            "with seed 0. The paper gives no numbers beside its picture; it says that 4 % of the items are enough.",
        ),
    )
    return Output(table, {"all": {"mrr@20": whole}, "points": points}, _picture(bench, points, whole))


def _picture(bench: Bench, points: list[dict[str, Any]], whole: float) -> "Figure":
    made = figures.figure(9.2, 3.7)
    left, right = made.subplots(1, 2, sharey=True)
    for axis, key, scale in ((left, "top", 1), (right, "share", 100)):
        axis.axhline(100 * whole, color=figures.COLOURS[6], linestyle="--", linewidth=1.2, label="all items")
        for at, (policy, label) in enumerate(POLICIES.items()):
            mine = [one for one in points if one["policy"] == policy]
            axis.plot(
                [scale * one[key] for one in mine],
                [100 * one["mrr@20"] for one in mine],
                color=figures.COLOURS[at],
                marker=figures.MARKERS[at],
                label=label,
            )
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    left.set_xlabel("K, categories of each level")
    left.set_ylabel("MRR@20, %")
    right.set_xlabel("candidates, % of the items")
    left.set_xscale("log")
    shown = sorted({one["top"] for one in points})
    left.set_xticks(shown, list(map(str, shown)), minor=False)
    left.set_xticks([], minor=True)
    made.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    made.suptitle(f"HierSRec on {bench.dataset.name}: ranking candidates only", fontsize=11)
    return made
