"""An open bundle: the folder that `hiersrec export` makes of a run, for recommending without PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import BadFolder, BadInput
from hiersrec.retrieval.candidates import Candidates
from hiersrec.retrieval.index import IndexRanker
from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.slabs import TYPES, Slabs
from hiersrec.serving.bundle_arrays import check_arrays
from hiersrec.serving.encoder import OnnxEncoder
from hiersrec.store.bundle_catalog import BundleCatalog
from hiersrec.store.contents import readable
from hiersrec.store.folder import open_seal
from hiersrec.store.memory_map import mapped
from hiersrec.store.pairs import Pairs

FORMER_CONSTANTS, FORMER_POSITIONS = {"explain/trend.npy": "trend"}, {"repeats": "repeat"}
"""The score terms that an older bundle may have, whose document names none; those that it lacks are ignored."""


@dataclass(frozen=True)
class Bundle:
    """`document` is bundle.json; `candidates` are the items to rank where a request names none."""

    document: dict[str, Any]
    catalog: BundleCatalog
    ranker: IndexRanker
    candidates: Candidates


def open_bundle(path: Path, threads: int = 1) -> Bundle:
    """Open a bundle after checking every checksum; its arrays stay on disk, memory-mapped.

    threads: how many the encoder may use for one batch. Raises BadFolder, saying what to do, and MissingExtra if ONNX
    Runtime is not installed.
    """
    document = open_seal(path, "bundle", checksums=True)
    if "catalog/search/words.bin" not in document["files"]:
        raise BadFolder(f"{path} was made by an older hiersrec: its titles have no index. Export the run again.")
    if document["slabs"] not in TYPES:
        raise BadFolder(
            f"{path} has vectors of type '{document['slabs']}', made by an older hiersrec; types are "
            f"{' and '.join(TYPES)}. Export the run again, with --slabs int8 or without."
        )
    with readable(path, "bundle"):
        bundle = _opened(path, document, threads)
    if open_seal(path, "bundle") != document:  # files of two bundles could be mixed without an error
        raise BadFolder(f"{path} was replaced while it was being opened. Open it again.")
    return bundle


def _opened(path: Path, document: dict[str, Any], threads: int) -> Bundle:
    catalog = BundleCatalog(path / "catalog")
    inputs = mapped(path / "inputs.npy")
    reads = {
        read["task"]: (np.load(path / f"explain/{number}.npy"), read["as"])
        for number, read in enumerate(document["reads"])
    }
    terms = document.get("terms", {"constants": FORMER_CONSTANTS, "positions": FORMER_POSITIONS})
    if (graph := document["encoder"]) not in document["files"]:
        raise BadFolder(f"{path} names as its encoder '{graph}', which is none of its sealed files. Export again.")
    if document["max_length"] < 1:
        raise ValueError(f"max_length is {document['max_length']}, and a session has at least one item")
    encoder = OnnxEncoder(path / graph, inputs, document["max_length"], reads, terms["positions"], threads)
    constants = {label: mapped(path / name) for name, label in terms["constants"].items() if name in document["files"]}
    pairs = {
        label: Pairs(*(mapped(path / f"pairs/{name}.{part}.npy") for part in Pairs._fields))
        for name, label in terms.get("pairs", {}).items()
    }
    ranker = IndexRanker(encoder, Slabs.open(path), Layout.open(path / "layout"), catalog, constants, pairs)
    check_arrays(ranker, len(inputs))
    try:
        candidates = Candidates(
            **{name: document["candidates"].get(name) for name in ("policy", "top", "share", "mass")}
        )
    except BadInput as error:
        raise BadFolder(f"{path} has candidates that can't be: {error} Export again.") from error
    return Bundle(document, catalog, ranker, candidates)
