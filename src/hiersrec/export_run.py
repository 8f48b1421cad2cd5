"""A finished run folder -> a bundle: all that serving needs, and nothing that needs PyTorch.

    bundle.json      the seal: the run that was exported, how it was checked, and the checksum of every file
    encoder.onnx     input vectors of a session -> query and predictions of the tasks (model/exported.py);
                     or encoder.int8.onnx, with products in int8
    inputs.npy       (N + 1, D) float32: input vector of each item
    vectors.npy ...  vectors and biases of the items, in the order of the layout, and their mean (retrieval/slabs.py)
    layout/          the rows of each item and category in it (retrieval/layout.py)
    explain/         ROW.npy, M_t (d, C) float32 of the task in that row of bundle.json's "reads"; NAME.npy,
                     (N,) float32, what the score term of that name adds to the biases
    pairs/           NAME.starts.npy, NAME.others.npy, NAME.values.npy: what the items of a session add to the scores of
                     others by the score term of that name (retrieval/session_scores.py)
    catalog/         ids, titles, categories and counts (store/bundle_catalog.py)

The exported graph is run on real sessions and compared with the model before anything is put in place.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec import __version__
from hiersrec.build import LoadedRun, facts, open_run
from hiersrec.config import ModelRecipe
from hiersrec.constraints import check, excludes, is_set
from hiersrec.errors import BadInput, BadRecipe, HiersrecError, MissingExtra
from hiersrec.model import exported
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.scorer import ModelScorer
from hiersrec.retrieval.candidates import ALL, Candidates
from hiersrec.retrieval.layout import Layout
from hiersrec.retrieval.order import top_k
from hiersrec.retrieval.session_scores import session_scores
from hiersrec.retrieval.slabs import Slabs
from hiersrec.serving.encoder import OnnxEncoder
from hiersrec.store import folder as folders
from hiersrec.store.batches import whole_sessions
from hiersrec.store.bundle_catalog import pack
from hiersrec.store.dataset import Dataset
from hiersrec.store.pairs import Pairs
from hiersrec.store.paths import PATH
from hiersrec.store.sessions import Sessions
from hiersrec.types import CATEGORY, Batch, Float32, Say

SESSIONS = 64
"""Sessions on which the exported graph is compared with the model."""
TOLERANCE = 1e-4
"""Greatest difference of a float32 graph, relative to values above 1."""
LIST = 20
LEAST_OVERLAP = 0.8
"""Least share of the model's lists of 20 that an int8 graph keeps, on average."""


def export(
    run: Path,
    out: Path,
    say: Say,
    *,
    data: Path | None = None,
    candidates: Candidates = ALL,
    promise: Mapping[str, float] | None = None,
    slabs: str = "float32",
    int8_encoder: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the bundle `out` of a finished run folder; returns its bundle.json.

    data: a dataset folder in place of the one the run was trained on; the graph is checked on its validation sessions,
    or on random ones where there is no dataset. candidates: the items that the bundle ranks where a request names none;
    promise: what bundle.json says of how they were chosen.
    slabs: the type of the vectors that are read first, "float32" or "int8"; lists are in the order of float32
    scores in any case. `say` gets a line per stage. Raises BadRecipe if the run's model can't be exported, BadInput for
    candidates that it can't give or another dataset, MissingExtra for a missing package, BadFolder if
    a folder is not what it should be, and HiersrecError if the graph is too far from the model.
    """
    Slabs.of(np.zeros((1, 1), np.float32), None, slabs)  # refuses an unknown type before anything is read
    opened = open_run(run)
    model, recipe = _model(opened), opened.recipe
    _check_candidates(candidates, list(model.wiring))
    batch, source = _sessions(opened, data, model.max_length)
    catalog = opened.catalog
    with folders.new_folder(out, "bundle", overwrite) as folder:
        say(f"export: graph of {recipe.name}")
        names = exported.to_onnx(model, folder / "encoder.onnx")
        inputs = exported.input_vectors(model)
        np.save(folder / "inputs.npy", inputs)
        vectors, biases = exported.item_vectors(model)
        reads, pairs = exported.reads(model), exported.pairs(model)
        say(f"export: compare with the model on {len(batch)} {source}")
        expected = exported.outputs(model, batch) | {"item": opened.scorer.score(batch).items[:, 1:]}
        encoder = "encoder.onnx"
        terms = list(model.position_terms), [*pairs.values()]
        outputs = _run(folder / encoder, inputs, batch, vectors, biases, *terms)
        checked: dict[str, Any] = {"sessions": len(batch), "from": source, "difference": _close(outputs, expected)}
        if int8_encoder:
            encoder = "encoder.int8.onnx"
            _quantize(folder / "encoder.onnx", folder / encoder)
            (folder / "encoder.onnx").unlink()
            outputs = _run(folder / encoder, inputs, batch, vectors, biases, *terms)
            checked["int8"] = {"difference": _difference(outputs, expected), "overlap": _overlap(outputs, expected)}
            say(
                f"export: with int8 the greatest difference is {checked['int8']['difference']:.2g}, and "
                f"{checked['int8']['overlap']:.1%} of the lists of {LIST} stay"
            )
        say(f"export: vectors of {catalog.num_items:,} items as {slabs}")
        layout = Layout.of(catalog.item_nodes, [level.num_known for level in catalog.levels], catalog.train_count)
        layout.save(folder / "layout")
        of_row = layout.order - 1
        Slabs.of(vectors[of_row], None if biases is None else biases[of_row], slabs).save(folder)
        (folder / "explain").mkdir()
        for name, term in model.item_terms.items():
            np.save(folder / f"explain/{name}.npy", term().numpy()[of_row])
        for number, read in enumerate(reads.values()):
            np.save(folder / f"explain/{number}.npy", read.matrix)
        (folder / "pairs").mkdir()
        for name, found in pairs.items():
            for part, array in found._asdict().items():
                np.save(folder / f"pairs/{name}.{part}.npy", array)
        pack(catalog, folder / "catalog")
        file_facts = folders.facts_of(folder, [path for path in folder.rglob("*") if path.is_file()])
        document = {
            "hiersrec": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "model_version": _version(file_facts),
            "run": run.resolve().name,
            "recipe": recipe.name,
            "dataset": opened.document["dataset"]["name"],
            "num_items": catalog.num_items,
            "max_length": model.max_length,
            "query_width": vectors.shape[1],
            "tasks": [name for name in names if name in model.wiring],
            "reads": [{"task": task, "as": read.reads_as} for task, read in reads.items()],
            "terms": {
                "constants": {f"explain/{name}.npy": term.label for name, term in model.item_terms.items()},
                "positions": {name: term.label for name, term in model.position_terms.items()},
                "pairs": {name: term.label for name, term in model.pair_terms.items()},
            },
            "candidates": {name: getattr(candidates, name) for name in ("policy", "top", "share", "mass")},
            **({} if promise is None else {"promise": dict(promise)}),
            "slabs": slabs,
            "encoder": encoder,
            "checked": checked,
        }
        folders.write_seal(folder, "bundle", document, file_facts)
        written = folders.open_seal(folder, "bundle")
    say(f"export: wrote {out}")
    return written


def _model(run: LoadedRun) -> HierarchicalModel:
    """The model of a run; raises BadRecipe for one without a graph and vectors."""
    command, way_out = f"an export of {run.folder}", "Serve the run folder itself, through Recommender.load."
    if not isinstance(run.recipe, ModelRecipe):
        raise BadRecipe(f"{command} requires a recipe with [[tasks]], got the baseline '{run.recipe.name}'. {way_out}")
    all_scores = excludes(
        command, is_set("the tasks that read the item task"), "they read the scores of all items", way_out
    )
    check([all_scores], facts(run.recipe, run.catalog))
    assert isinstance(run.scorer, ModelScorer)
    return run.scorer.model


def _check_candidates(candidates: Candidates, tasks: list[str]) -> None:
    if candidates.policy == "random":
        raise BadInput("Random candidates are for `hiersrec evaluate`, on a run folder. Export with all or category.")
    if candidates.policy != "all" and not any(task.startswith(CATEGORY) for task in tasks):
        raise BadInput(
            "Candidates by category need predicted categories, and this run predicts none. Export without --top, "
            "--share and --mass, or train a recipe that predicts categories on items that have some."
        )
    if candidates.mass is not None and PATH not in tasks:
        raise BadInput(
            "Candidates by mass need predicted paths of the category tree, and this run predicts none. Export with "
            "--top or --share, or train a recipe with tasks.category.tree = true, as best has it."
        )


def _sessions(run: LoadedRun, data: Path | None, max_length: int) -> tuple[Batch, str]:
    """Sessions to check the graph on, each with a known item, and what to call them."""
    trained_on = run.document["dataset"]
    folder = data if data is not None else Path(trained_on["path"])
    if data is not None or folder.is_dir():
        dataset = Dataset.open(folder)
        if dataset.fingerprint == trained_on["fingerprint"]:
            batch = _of_split(dataset.sessions("valid"), max_length)
            if len(batch):
                return batch, f"validation sessions of {dataset.name}"
        elif data is not None:
            raise BadInput(
                f"{folder} has other items than {run.folder} was trained on ({trained_on['name']}), so its sessions "
                "can't check the export. Name the folder of that dataset with --data, or leave --data out."
            )
    random = np.random.default_rng(0)
    lengths = random.integers(1, max_length + 1, SESSIONS)
    sessions = [random.integers(1, run.catalog.num_items + 1, length).tolist() for length in lengths]
    return whole_sessions(sessions, max_length), "random sessions"


def _of_split(sessions: Sessions, max_length: int) -> Batch:
    """At most SESSIONS of them, evenly spread, less those without a known item."""
    rows = range(0, len(sessions), max(1, -(-len(sessions) // SESSIONS)))
    bounds = [(sessions.offsets[row], sessions.offsets[row + 1]) for row in rows]
    batch = whole_sessions([sessions.items[start:stop].tolist() for start, stop in bounds], max_length)
    known = np.flatnonzero(batch.lengths)
    return Batch(batch.items[known], batch.lengths[known])


def _run(
    graph: Path,
    inputs: Float32,
    batch: Batch,
    vectors: Float32,
    biases: Float32 | None,
    positions: list[str],
    pairs: list[Pairs],
) -> dict[str, Float32]:
    """Outputs of the graph, and the scores of all items. Runs the first session, then the others in two halves."""
    encoder = OnnxEncoder(graph, inputs, batch.items.shape[1], {}, {name: name for name in positions})
    parts = []
    for rows in (slice(0, 1), slice(1, 1 + len(batch) // 2), slice(1 + len(batch) // 2, None)):
        lengths = batch.lengths[rows]
        if len(lengths):
            parts.append(encoder.encode(Batch(batch.items[rows, : lengths.max()], lengths)))
    outputs = {task: np.concatenate([part.tasks[task][:, 1:] for part in parts]) for task in parts[0].tasks}
    query = np.concatenate([part.query for part in parts])
    items = query @ vectors.T + (0 if biases is None else biases)
    own, factor = np.concatenate([part.own for part in parts]), np.concatenate([part.factor for part in parts])
    width = batch.items.shape[1]
    for name in positions:
        outputs[name] = np.concatenate([_padded(part.positions[name], width) for part in parts])
    for line, scores in zip(items, session_scores(batch, [outputs[name] for name in positions], pairs), strict=True):
        line[scores.items - 1] += scores.values
    return outputs | {"query": query, "own": own, "factor": factor[:, None], "item": items}


def _padded(values: Float32, width: int) -> Float32:
    """(B, T) -> (B, width), with zeros on the right."""
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def _difference(outputs: dict[str, Float32], expected: dict[str, Float32]) -> float:
    """The greatest difference of any output, relative where a value is above 1."""
    return max(
        float((np.abs(outputs[name] - values) / np.maximum(np.abs(values), 1)).max(initial=0))
        for name, values in expected.items()
    )


def _close(outputs: dict[str, Float32], expected: dict[str, Float32]) -> float:
    """The greatest difference; raises HiersrecError if it is more than rounding makes."""
    difference = _difference(outputs, expected)
    if not difference <= TOLERANCE:  # NaN too
        raise HiersrecError(
            f"The exported graph differs from the model by {difference:.2g}, at most {TOLERANCE:g} is allowed: the "
            "installed exporter writes this encoder wrongly. Serve the run folder itself, through Recommender.load, "
            "or install other versions of torch, onnx and onnxscript."
        )
    return difference


def _overlap(outputs: dict[str, Float32], expected: dict[str, Float32]) -> float:
    """Share of the lists of 20 that an int8 graph keeps; raises HiersrecError if it is too little."""
    lists = (
        top_k(np.pad(arrays["item"], ((0, 0), (1, 0)), constant_values=-np.inf), LIST)[0]
        for arrays in (outputs, expected)
    )
    kept = float(np.mean([np.isin(int8, exact).mean() for int8, exact in zip(*lists, strict=True)]))
    if kept < LEAST_OVERLAP:
        raise HiersrecError(
            f"With int8 the encoder keeps {kept:.1%} of the lists of {LIST}; it must keep at least "
            f"{LEAST_OVERLAP:.0%}. Export without --int8."
        )
    return kept


def _quantize(source: Path, target: Path) -> None:
    """Dynamic int8: weights with a scale for each column, the other factor quantised at run time."""
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "export") from error
    root, handlers = logging.getLogger(), list(logging.getLogger().handlers)
    logging.disable(logging.WARNING)  # advice for other kinds of models, given through the root logger
    try:
        quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
    finally:
        logging.disable(logging.NOTSET)
        root.handlers[:] = handlers


def _version(facts: dict[str, dict[str, Any]]) -> str:
    """12 hexadecimal digits, a hash of the names and contents of all files."""
    listed = "".join(f"{name} {facts[name]['sha256']}\n" for name in sorted(facts))
    return sha256(listed.encode()).hexdigest()[:12]
