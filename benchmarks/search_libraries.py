"""Accuracy against latency: candidates by category, and FAISS IVF, FAISS HNSW and usearch on the same vectors.

    .venv/bin/pip install -r benchmarks/requirements-search.txt
    .venv/bin/python benchmarks/search_libraries.py BUNDLE --data DIR [--items N] [--picture docs/figures] [--json FILE]

BUNDLE comes from `hiersrec export`, DIR is the dataset it was trained on. Queries are made once, by the bundle's
encoder, from validation prefixes; then each system finds 20 items for one query at a time, on one thread. What counts
is the task: HITS@20 and MRR@20 of the next item, as a part of what the exact scan of all items has. A latency holds all
that a system does from the query on: ours chooses the categories too, from scores that the encoder has given.

Biases, where a model has them, become one more number of the vectors, whose counterpart in the query is 1.

--items grows the catalogue: new items of a category are mixtures of two of its items, such that mean and covariance of
the vectors of each category stay as they are. Targets stay the known items. As most of a list of the exact scan are new
items then, "same of 20" is the surer measure: the part of that list that a system finds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import simsimd  # noqa: F401  for our narrow types; it does not work if usearch was loaded before it
from matplotlib.ticker import LogLocator, NullFormatter
from measuring import machine, show, status, versions, write_json
from usearch.index import Index

from hiersrec import Recommender
from hiersrec.retrieval import search
from hiersrec.retrieval.candidates import of_mass
from hiersrec.retrieval.index import IndexRanker
from hiersrec.retrieval.layout import Layout, PathRanges
from hiersrec.retrieval.search import RangeScores
from hiersrec.retrieval.session_scores import NOTHING
from hiersrec.retrieval.slabs import Slabs
from hiersrec.store.batches import batch_of, sorted_rows
from hiersrec.store.dataset import Dataset
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.store.paths import PATH
from hiersrec.store.sessions import Prefixes
from hiersrec.types import Float32, Int32, Int64, categories
from hiersrec.writing.figures import COLOURS, MARKERS, figure, save

K = 20
PREFIXES = 4_000
TOPS = (1, 2, 3, 4, 6, 9, 14, 22, 34)
MASSES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
PROBES = (1, 2, 4, 8, 16, 32, 64, 128)
EFFORTS = (20, 32, 48, 64, 96, 128, 192, 256, 512)
LINKS = 32
LIBRARIES = ("FAISS IVF", "FAISS HNSW", "usearch")
LEAST = 0.02
"""Percent lost at which the picture ends: half of one hit in 4,000 prefixes."""

Find = Callable[[int], Int32]
Search = Callable[[Any, int, int], Int64]
"""An index, the number of a query and an effort -> rows of the best."""


@dataclass(frozen=True)
class System:
    """One point of the curve: name, setting, how it finds items of a query, seconds and bytes of its index."""

    name: str
    setting: str
    find: Find
    build: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Asked:
    """P queries (P, d) with what the encoder says of the categories of each, and their targets (P,)."""

    query: Float32
    categories: list[dict[int, Float32]]
    """Level -> (C + 1,) scores."""
    paths: list[dict[str, Float32]]
    """The scores of paths (1, P + 1) by name, {} of a model that predicts none."""
    target: Int32


@dataclass(frozen=True)
class Items:
    """What is searched: vectors (N, d) and biases (N,) in the order of the layout."""

    slabs: Slabs
    layout: Layout
    nodes: Int32
    """(N + 1, L), as ItemCatalog.item_nodes."""

    @classmethod
    def of(cls, ranker: IndexRanker) -> "Items":
        return cls(ranker.slabs, ranker.layout, ranker.catalog.item_nodes)

    def grown(self, count: int, seed: int = 0) -> "Items":
        """At least as many items: each new one is a mixture of two items of a path of the tree."""
        draw, known = np.random.default_rng(seed), self.layout.num_items
        paths = self.nodes[self.layout.order, -1]  # (N,), by row
        size = np.bincount(paths).astype(np.float32)[paths][:, None]
        several = np.flatnonzero(size[:, 0] > 2)  # copies of an item would tie with it
        first = several[draw.integers(len(several), size=max(0, count - known))]
        by_path = paths.argsort(kind="stable")
        start, stop = (np.searchsorted(paths[by_path], paths[first], side=side) for side in ("left", "right"))
        second = by_path[draw.integers(start, stop)]
        angle = draw.uniform(0, np.pi / 2, (len(first), 1)).astype(np.float32)

        def mixed(rows: Float32) -> Float32:
            sums = np.zeros((paths.max() + 1, rows.shape[1]), np.float32)
            np.add.at(sums, paths, rows)
            mean = sums[paths] / size
            own = rows - mean  # the mixture of two independent draws has their covariance
            return np.concatenate([rows, mean[first] + np.cos(angle) * own[first] + np.sin(angle) * own[second]])

        vectors = mixed(np.asarray(self.slabs.vectors))
        biases = None if self.slabs.biases is None else mixed(self.slabs.biases[:, None])[:, 0]
        nodes = np.concatenate([self.nodes, self.nodes[self.layout.order[first]]])
        layout = Layout.of(nodes, self.layout.num_known.tolist(), np.arange(len(nodes)))
        row_of = np.concatenate([self.layout.row_of[1:], np.arange(known, len(vectors))])  # in `vectors`, of each item
        rows = row_of[layout.order - 1]
        return Items(Slabs.of(vectors[rows], None if biases is None else biases[rows], "float32"), layout, nodes)


def ask(ranker: IndexRanker, dataset: Dataset, count: int) -> Asked:
    """Queries of validation prefixes, evenly spread, whose target and session are known."""
    prefixes = Prefixes.every(dataset.sessions("valid"))
    every = np.arange(len(prefixes))
    fit = every[(prefixes.targets(every) > 0) & (prefixes.lengths > 0)]
    rows = fit[np.linspace(0, len(fit) - 1, min(count, len(fit)), dtype=np.int64)]
    query: list[Any] = [None] * len(rows)
    of_levels: list[dict[int, Float32]] = [{} for _ in rows]
    paths: list[dict[str, Float32]] = [{} for _ in rows]
    place = {row: at for at, row in enumerate(rows.tolist())}
    for part in sorted_rows(prefixes, 256):
        mine = part[np.isin(part, rows)]
        if len(mine):
            found = ranker.encoder.encode(batch_of(prefixes, mine, ranker.max_length))
            for at, row in enumerate(mine.tolist()):
                query[place[row]] = found.query[at]
                of_levels[place[row]] = {level: scores[at] for level, scores in categories(found.tasks).items()}
                paths[place[row]] = {name: found.tasks[name][at : at + 1] for name in {PATH} & found.tasks.keys()}
    return Asked(np.stack(query), of_levels, paths, prefixes.targets(rows))


def ours(items: Items, catalog: ItemCatalog, asked: Asked, type_: str) -> Iterator[System]:
    """The exact scan of all items, and candidates of the best categories and of the likeliest paths."""
    layout, old = items.layout, items.slabs
    paths = PathRanges(items.nodes[layout.order, -1])
    start = time.perf_counter()
    slabs = old if type_ == "float32" and old.type_ == "float32" else Slabs.of(old.vectors, old.biases, type_)
    build = time.perf_counter() - start
    memory = sum(one.nbytes for one in (slabs.vectors, slabs.biases, slabs.codes, slabs.scales) if one is not None)

    def find(at: int, ranges: Int64) -> Int32:
        query = asked.query[at : at + 1]
        [scores] = slabs.scan(query, [ranges])
        scored = RangeScores(scores, ranges)
        if type_ == "float32":
            return search.best(scored, layout, K)[0]
        return search.best_again(scored, layout, K, slabs, query[0], NOTHING)[0]

    def of_top(at: int, top: int) -> Int32:
        return find(at, layout.of_top(asked.categories[at], top))

    def of_paths(at: int, mass: float) -> Int32:
        return find(at, paths.of(of_mass(catalog, asked.paths[at], mass)[0]))

    yield System(f"all items, {type_}", "all", lambda at: find(at, layout.everything), build, memory)
    for top in TOPS:
        yield System(f"candidates, {type_}", f"K = {top}", lambda at, top=top: of_top(at, top), build, memory)
    for mass in MASSES if asked.paths[0] else ():
        setting = f"mass {mass:g}"
        yield System(f"by mass, {type_}", setting, lambda at, mass=mass: of_paths(at, mass), build, memory)


def libraries(items: Items, asked: Asked, wanted: Sequence[str]) -> Iterator[System]:
    """The wanted indexes of LIBRARIES, each built once, at several efforts."""
    vectors, biases, order = items.slabs.vectors, items.slabs.biases, items.layout.order
    query = asked.query
    if biases is not None:
        vectors = np.concatenate([vectors, biases[:, None]], axis=1)
        query = np.concatenate([query, np.ones((len(query), 1), np.float32)], axis=1)
    vectors, width = np.ascontiguousarray(vectors), vectors.shape[1]
    lists = round(4 * len(vectors) ** 0.5)

    def curve(
        name: str, make: Callable[[], Any], efforts: Sequence[int], setting: str, find: Search
    ) -> Iterator[System]:
        """An index, built once, at each effort."""
        if name not in wanted:
            return
        before, start = status("VmRSS"), time.perf_counter()
        index = make()
        build, memory = time.perf_counter() - start, status("VmRSS") - before
        for effort in efforts:

            def rows(at: int, effort: int = effort) -> Int32:
                return order[find(index, at, effort)]

            yield System(name, setting.format(effort), rows, build, memory)

    def inverted() -> Any:
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.max_points_per_centroid = 64  # a quarter of its default, which takes minutes at a million items
        index.train(vectors)
        index.add(vectors)
        return index

    def probe(index: Any, at: int, probes: int) -> Int64:
        index.nprobe = probes
        return index.search(query[at : at + 1], K)[1][0]

    def graph() -> Any:
        index = faiss.IndexHNSWFlat(width, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 128
        index.add(vectors)
        return index

    def walk(index: Any, at: int, effort: int) -> Int64:
        index.hnsw.efSearch = effort
        return index.search(query[at : at + 1], K)[1][0]

    def other() -> Any:
        index = Index(ndim=width, metric="ip", dtype="f32", connectivity=LINKS, expansion_add=128)
        index.add(np.arange(len(vectors)), vectors, threads=1)
        return index

    def step(index: Any, at: int, effort: int) -> Int64:
        index.expansion_search = effort
        return index.search(query[at], K, threads=1).keys.astype(np.int64)

    yield from curve("FAISS IVF", inverted, PROBES, f"{{}} of {lists} lists", probe)
    yield from curve("FAISS HNSW", graph, EFFORTS, "efSearch {}", walk)
    yield from curve("usearch", other, EFFORTS, "expansion {}", step)


def exact(items: Items, asked: Asked) -> list[Int32]:
    """The list of each query among all items."""
    lists = []
    for query in asked.query:
        [scores] = items.slabs.scan(query[None], [items.layout.everything])
        lists.append(search.best(RangeScores(scores, items.layout.everything), items.layout, K)[0])
    return lists


def measure(system: System, asked: Asked, lists: list[Int32]) -> dict[str, Any]:
    """Latencies of all queries, one at a time, and how good the lists are, also next to the exact ones."""
    for at in range(min(200, len(asked.target))):
        system.find(at)
    hits = reciprocal = same = 0.0
    seconds = np.empty(len(asked.target))
    for at, target in enumerate(asked.target.tolist()):
        start = time.perf_counter()
        items = system.find(at)
        seconds[at] = time.perf_counter() - start
        found = np.flatnonzero(items == target)
        hits += len(found) > 0
        reciprocal += 1 / (found[0] + 1) if len(found) else 0
        same += len(np.intersect1d(items, lists[at])) / K
    p50, p99 = np.percentile(seconds, (50, 99))
    return {
        "system": system.name,
        "setting": system.setting,
        "p50_ms": 1e3 * p50,
        "p99_ms": 1e3 * p99,
        "hits": hits / len(seconds),
        "mrr": reciprocal / len(seconds),
        "same": same / len(seconds),
        "build_s": system.build,
        "memory_mb": system.memory / 1e6,
    }


def draw(out: Path, name: str, measured: list[dict[str, Any]], lost: str) -> None:
    """Write out/NAME.svg: percent of `lost`, a metric of the full scan, that each system loses, against its latency."""
    made = figure(7, 4)
    at = made.subplots()
    names = [one for one in dict.fromkeys(line["system"] for line in measured) if "all items" not in one]
    for system, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
        points = [
            (one["p50_ms"], max(LEAST, 100 * (1 - one[lost] / measured[0][lost])))
            for one in measured
            if one["system"] == system
        ]
        at.plot(*zip(*points, strict=True), color=colour, marker=marker, label=system)
    what = f"% of HITS@{K} lost" if lost == "hits" else f"% of the exact {K} lost"
    at.set(xscale="log", yscale="log", xlabel="median latency of one query, ms", ylabel=what)
    for axis in (at.xaxis, at.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    at.grid(alpha=0.3)
    at.legend()
    with tempfile.TemporaryDirectory() as aside:
        _, svg = save(made, Path(aside), name)
        (out / svg.name).write_bytes(svg.read_bytes())
    print(f"wrote {out / svg.name}")


def main() -> None:
    """Measure all systems at all efforts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prefixes", type=int, default=PREFIXES)
    parser.add_argument("--items", type=int, default=0, help="grow the catalogue to as many items")
    parser.add_argument("--types", nargs="+", default=["float32", "int8"], choices=["float32", "int8"])
    parser.add_argument("--libraries", nargs="+", default=LIBRARIES, choices=LIBRARIES)
    parser.add_argument("--picture", type=Path, help="draw the curve there")
    parser.add_argument("--json", type=Path, help="write all measurements there")
    wanted = parser.parse_args()
    faiss.omp_set_num_threads(1)
    ranker = Recommender.load(wanted.bundle).ranker
    assert isinstance(ranker, IndexRanker), "a bundle, made by hiersrec export"
    asked = ask(ranker, Dataset.open(wanted.data), wanted.prefixes)
    items = Items.of(ranker)
    if wanted.items:
        items = items.grown(wanted.items)
    found: dict[str, Any] = {
        "machine": machine(1),
        "versions": versions("hiersrec", "numpy", "faiss-cpu", "usearch", "simsimd", "numkong"),
        "items": items.layout.num_items,
        "width": asked.query.shape[1],
        "prefixes": len(asked.target),
    }
    print(found)
    lists = exact(items, asked)
    mine = (one for type_ in wanted.types for one in ours(items, ranker.catalog, asked, type_))
    systems = [*mine, *libraries(items, asked, wanted.libraries)]
    print("the indexes are built", flush=True)
    found["systems"] = [measure(one, asked, lists) for one in systems]
    full = found["systems"][0]
    rows = [
        [
            f"{one['system']}, {one['setting']}",
            *(f"{one[name]:.3f}" for name in ("p50_ms", "p99_ms")),
            *(f"{one[name] / full[name]:.2%}" for name in ("hits", "mrr", "same")),
            f"{one['build_s']:.1f}",
            f"{one['memory_mb']:.0f}",
        ]
        for one in found["systems"]
    ]
    kept = (f"HITS@{K} kept", f"MRR@{K} kept", f"same of {K}")
    show(["system", "p50 ms", "p99 ms", *kept, "build s", "index MB"], rows)
    if wanted.picture and wanted.items:
        draw(wanted.picture, f"search-libraries-{wanted.items}", found["systems"], "same")
    elif wanted.picture:
        draw(wanted.picture, "search-libraries", found["systems"], "hits")
    write_json(wanted.json, found)


if __name__ == "__main__":
    main()
