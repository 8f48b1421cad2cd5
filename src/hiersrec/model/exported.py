"""A trained model as one graph and a few tables: all that serving needs of it, without PyTorch.

At inference the input vector of an item (eq. 1) is a constant, and so is what the item task compares a query with. So
the graph starts at input vectors and ends at the query, and the tables are stored next to it:

    score_i = query . vector_i + bias_i + item terms_i + sum over the positions t with s_t = i of position terms_t
              + sum over the positions t of pair terms_(s_t, i) / place of t
    query   = own + sum over the tasks t that the item task reads of factor * M_t f(p_t)         (eq. 3, 4)

f(p_t) are the logits of task t or their softmax. `own` is the session's part, and `factor` the length that a cosine
head gives to its queries; other heads have 1.

Models are on the CPU, as opening a run folder leaves them, and every function here puts them in eval mode.
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.nn import functional

from hiersrec.errors import MissingExtra
from hiersrec.model.heads import Head
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.onnx_gru import translation, without_torch_gru
from hiersrec.model.score_term import position_values
from hiersrec.store.pairs import Pairs
from hiersrec.types import Batch, Float32

ROWS = 65_536
"""Items whose input vectors are computed at a time."""


class Read(NamedTuple):
    """How a task's prediction enters the query: M_t (d, C), and whether it acts on logits or probabilities."""

    matrix: Float32
    reads_as: Literal["logits", "probs"]


class Exported(nn.Module):
    """Vectors (B, T, D) and lengths (B,) from 1 -> query (B, d), own (B, d), factor (B, 1), what each position adds
    (B, T) for each position term, and logits (B, C) of every task but the item task, in the order of the recipe.

    No task reads the item task; the caller has checked that.
    """

    def __init__(self, model: HierarchicalModel) -> None:
        super().__init__()
        self.model = model
        self.others = [name for name in model.predicted if name != "item"]
        self.names = ["query", "own", "factor", *model.position_terms, *self.others]
        """Of the outputs of `forward`."""

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """As above; values of padding are ignored."""
        model, head = self.model, _head(self.model)
        mask = torch.arange(vectors.shape[1]) < lengths[:, None]  # (B, T)
        states = model.encoder(vectors, mask)
        session = model.pooling(states, mask)  # (B, D)
        values = [term[:, 0] for term in position_values(model.position_terms.values(), states, mask, session)]
        logits: dict[str, Tensor] = {}
        for name in self.others:
            logits[name] = model.task(name)(model.state(name, session, logits))
        linear = head.linear(model.state("item", session, logits))  # (B, d)
        factor = head.factor(linear)
        return linear * factor, head.linear(session) * factor, factor, *values, *logits.values()


def to_onnx(model: HierarchicalModel, path: Path) -> list[str]:
    """Write the graph of `Exported` and return the names of its outputs; B and T are free.

    Raises MissingExtra if onnx or onnxscript is not installed.
    """
    try:
        import onnx  # noqa: F401  the exporter imports both
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "export") from error
    graph = Exported(copy.deepcopy(model).eval())
    without_torch_gru(graph)
    example = torch.zeros(2, 3, model.inputs.width), torch.tensor([3, 2])
    rows, length = Dim("rows"), Dim("length", max=model.max_length)
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            dynamic_shapes=({0: rows, 1: length}, {0: rows}),
            input_names=["vectors", "lengths"],
            output_names=graph.names,
            custom_translation_table=translation(),
            verbose=False,
        )
        assert program is not None
        program.save(path)
    return graph.names


@torch.inference_mode()
def outputs(model: HierarchicalModel, batch: Batch) -> dict[str, Float32]:
    """Expected outputs of the graph for sessions of 1 to `max_length` items, by name, from the model itself."""
    model.eval()
    graph = Exported(model)
    items, lengths = (torch.from_numpy(array.astype("int64")) for array in (batch.items, batch.lengths))
    return dict(zip(graph.names, map(_float32, graph(model.inputs(items), lengths)), strict=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings about its own internals; failures raise."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)


@torch.inference_mode()
def input_vectors(model: HierarchicalModel) -> Float32:
    """(N + 1, D) float32: the input vector of each item (eq. 1), row 0 zeros."""
    model.eval()
    parts = torch.arange(model.inputs.num_items + 1)[None].split(ROWS, 1)  # type: ignore[no-untyped-call]
    return _float32(torch.cat([model.inputs(part)[0] for part in parts]))


@torch.inference_mode()
def item_vectors(model: HierarchicalModel) -> tuple[Float32, Float32 | None]:
    """(N, d) vectors and (N,) biases, or None, both float32: score of item i + 1 is query . vector_i + bias_i.

    The biases are those of the head and the item terms.
    """
    head = _head(model.eval())
    biases = head.biases()
    for term in model.item_terms.values():
        biases = term() if biases is None else biases + term()
    return _float32(model.item_vectors()), None if biases is None else _float32(biases)


@torch.inference_mode()
def pairs(model: HierarchicalModel) -> dict[str, Pairs]:
    """What the session's items add to the scores of others, by pair term."""
    return {
        name: Pairs(
            functional.pad(term.counts.cumsum(0), (1, 0)).numpy(),
            term.others.numpy(),
            _float32(term.weight * term.values),
        )
        for name, term in model.pair_terms.items()
    }


@torch.inference_mode()
def reads(model: HierarchicalModel) -> dict[str, Read]:
    """How predictions enter the query, by task that the item task reads."""
    head, wires = _head(model.eval()), model.wiring["item"]
    by_task = {}
    for source in wires.reads:
        projection = model.projections[f"{source}_to_item"].get_parameter("weight")  # (D, C)
        matrix = head.linear(model.injection_weights["item"]() * projection.T).T  # (d, C)
        by_task[source] = Read(_float32(matrix.contiguous()), wires.reads_as)
    return by_task


def _head(model: HierarchicalModel) -> Head:
    return cast("Head", model.tasks["item"])


def _float32(values: Tensor) -> Float32:
    return values.float().cpu().numpy()
