"""What do candidates save at one session a time, and are vectors read as fast as memory gives them?

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/category_index.py [--json FILE]

The list of 20 for one query on one thread, from item vectors in the type named: over the whole catalogue, and over the
candidates that predicted categories give (the largest K whose I' has at most 4 % of the items). Both take all that
follows the encoder: choice of ranges, products, the best, and for int8 the second scoring in float32.

Vectors are drawn around a centre for each category, as trained ones lie, and queries near an item; categories have the
sizes of shop.py and are scored by their centres. Bytes read a second are compared with a plain read of the float32
vectors (numpy's maximum) in the same run. Overlap: of the 20 over the whole catalogue with those of float32. Ways take
turns; medians. Last, a batch of queries at once, a query.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine, show, versions, write_json
from shop import Shop

from hiersrec.retrieval import search
from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.session_scores import NOTHING
from hiersrec.retrieval.slabs import TYPES, Slabs
from hiersrec.types import Float32, Int32, Int64

CATALOGUES, WIDTH, SHARE, K = (43_097, 1_000_000), 384, 0.04, 20
BYTES = {"float32": 4, "int8": 1}


class World:
    """Vectors, layout and queries of one catalogue."""

    def __init__(self, items: int, queries: int, levels: Sequence[int]) -> None:
        random = np.random.default_rng(0)
        nodes = np.stack(Shop(items).nodes(), axis=1)
        item_nodes = np.concatenate([np.zeros((1, 3), np.int32), nodes])
        self.layout = Layout.of(item_nodes, nodes.max(axis=0).tolist(), np.arange(items + 1)[::-1].copy())
        self.vectors = random.standard_normal((items, WIDTH), np.float32)
        centres = [random.standard_normal((nodes_of.max() + 1, WIDTH), np.float32) for nodes_of in item_nodes.T]
        for nodes_of, table in zip(item_nodes[self.layout.order].T, centres, strict=True):
            self.vectors += table[nodes_of]
        rows = random.integers(items, size=queries)
        self.queries: Float32 = self.vectors[rows] / 2 + random.standard_normal((queries, WIDTH), np.float32)
        self.categories = {level: self.queries @ centres[level - 1].T for level in levels}  # (Q, C + 1) each

    def candidates(self, row: int) -> Int64:
        """Ranges of the candidates of one query."""
        return self.layout.of_share({level: scores[row] for level, scores in self.categories.items()}, SHARE)


def listed(world: World, slabs: Slabs, row: int, full: bool) -> tuple[Int32, int]:
    """The list of one query, and how many items were scored."""
    ranges = world.layout.everything if full else world.candidates(row)
    query = world.queries[row]
    [scores] = slabs.scan(query[None], [ranges])
    scored = search.RangeScores(scores, ranges)
    if slabs.codes is None:
        return search.best(scored, world.layout, K)[0], len(scores)
    return search.best_again(scored, world.layout, K, slabs, query, NOTHING)[0], len(scores)


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(items: int, queries: int, batch: int, levels: Sequence[int]) -> list[dict[str, Any]]:
    """One row for each type."""
    world = World(items, queries, levels)
    slabs = {name: Slabs.of(world.vectors, None, name) for name in TYPES}
    unions = [world.candidates(row) for row in range(queries)]
    taken: dict[tuple[str, str], list[float]] = {}

    def take(name: str, work_name: str, work: Callable[[], object]) -> None:
        taken.setdefault((name, work_name), []).append(seconds(work))

    for row in range(queries):
        take("", "read", world.vectors.max)
        for name, typed in slabs.items():
            take(name, "full", lambda typed=typed, row=row: listed(world, typed, row, True))
            take(name, "candidates", lambda typed=typed, row=row: listed(world, typed, row, False))
            scan = world.queries[row : row + 1], [world.layout.everything]
            take(name, "scan", lambda typed=typed, scan=scan: typed.scan(*scan))
    some = world.queries[:batch]
    for _ in range(5):
        for name, typed in slabs.items():
            take(name, "batch, full", lambda typed=typed: typed.scan(some, [world.layout.everything] * len(some)))
            take(name, "batch, candidates", lambda typed=typed: typed.scan(some, unions[:batch]))
    p50 = {key: statistics.median(values) for key, values in taken.items()}
    read = world.vectors.nbytes / p50["", "read"]
    scored = statistics.mean(listed(world, slabs["float32"], row, False)[1] for row in range(queries))
    true = [set(listed(world, slabs["float32"], row, True)[0].tolist()) for row in range(queries)]
    results = []
    for name, typed in slabs.items():
        same = [len(true[row] & set(listed(world, typed, row, True)[0].tolist())) / K for row in range(queries)]
        results.append(
            {
                "items": items,
                "type": name,
                "share_scored": scored / items,
                "stretches": statistics.mean(map(len, unions)),
                "full_s": p50[name, "full"],
                "candidates_s": p50[name, "candidates"],
                "ratio": p50[name, "full"] / p50[name, "candidates"],
                "scan_bytes_per_s": items * WIDTH * BYTES[name] / p50[name, "scan"],
                "read_bytes_per_s": read,
                "overlap": statistics.mean(same),
                "batch": len(some),
                "batch_full_s_a_query": p50[name, "batch, full"] / len(some),
                "batch_candidates_s_a_query": p50[name, "batch, candidates"] / len(some),
            }
        )
    return results


def main() -> None:
    """Measure every catalogue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalogues", type=int, nargs="+", default=CATALOGUES, help="items")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--levels", type=int, nargs="+", default=[3], help="predicted ones, of 1 to 3 (the finest)")
    parser.add_argument("--json", type=Path, help="write all measurements there")
    arguments = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(1), "versions": versions("numpy", "simsimd", "hiersrec")}
    print(document["machine"], document["versions"])
    document["levels"], document["rows"] = arguments.levels, []
    for items in arguments.catalogues:
        document["rows"] += measured(items, arguments.queries, arguments.batch, arguments.levels)
    headers = [
        "items, type",
        "scored",
        "ranges",
        "full ms",
        "candidates ms",
        "ratio",
        "GB/s",
        "of plain read",
        "same of 20",
    ]
    rows = []
    for row in document["rows"]:
        batch = [f"{1e3 * row[f'batch_{way}_s_a_query']:.2f}" for way in ("full", "candidates")]
        rows.append(
            [
                f"{row['items']:,}, {row['type']}",
                f"{row['share_scored']:.1%}",
                f"{row['stretches']:.0f}",
                *(f"{1e3 * row[name]:.2f}" for name in ("full_s", "candidates_s")),
                f"{row['ratio']:.1f}",
                f"{row['scan_bytes_per_s'] / 1e9:.1f}",
                f"{row['scan_bytes_per_s'] / row['read_bytes_per_s']:.0%}",
                f"{row['overlap']:.1%}",
                *batch,
            ]
        )
    show([*headers, f"full, {arguments.batch} at once", f"candidates, {arguments.batch} at once"], rows)
    write_json(arguments.json, document)


if __name__ == "__main__":
    main()
