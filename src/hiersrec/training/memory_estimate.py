"""The memory that a training will need, from one step on tensors that have shapes but no data.

The model's own code runs, so every recipe is counted as it is written. What the count can't see are the measured
constants below; docs/do/large-catalogues.md has the measurements.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hiersrec.build import build_model
from hiersrec.config import ModelRecipe
from hiersrec.errors import BadRecipe
from hiersrec.evaluation.evaluate import EvaluationOptions, at_once
from hiersrec.model import inputs
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.targets import Targets
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.training import precision
from hiersrec.training.advice import memory_of_machine
from hiersrec.training.examples import pieces
from hiersrec.training.fit_tree import lesson_count, lesson_size
from hiersrec.training.optimizer import MOMENTS, Optimizers, optimizers
from hiersrec.types import Int64

PROCESS = 410_000_000
"""Bytes of Python with torch, its optimizers and the rest, before any data."""
EVENT = 100
"""Bytes of an event of the training sessions: itself, its prefix, and both in the order of the epoch."""
EDGE = 28
"""Bytes of an edge of the item graph: as it is saved, and as both directions read it (model/item_graph.py)."""
HEAP = 2.5
"""Bytes that the process takes for each byte in use at the peak of a step, with the recipe hiersrec: glibc leaves gaps
between blocks of many sizes, and keeps them (training/allocator.py). Encoders of few, large arrays leave fewer."""

COPIES = 4
"""Of each weight: itself, its gradient, and two moments."""
MATRICES = 64
"""More than the encoders of our recipes have."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes."""

    process: int
    """Python and its libraries."""
    data: int
    """Training sessions, the order of their prefixes, the table of items, and the item graph."""
    weights: int
    """Parameters, and what the model copies of the catalogue."""
    optimizer: int
    """Gradients and Adam's two moments."""
    step: int
    """Activations, softmax and gradients of the largest training batch."""
    validation: int
    """Scores of a validation batch."""
    tree: int
    """What a tree head learns from after the last step (training/fit_tree.py)."""

    @property
    def total(self) -> int:
        """Peak of the process: steps and validation take turns; what comes after them finds no gap that is as large."""
        return self.process + self.data + self.weights + self.optimizer + max(self.step, self.validation) + self.tree

    def document(self) -> dict[str, int]:
        return {"total": self.total, **asdict(self)}


def estimate_memory(recipe: ModelRecipe, data: TrainingData) -> MemoryEstimate:
    """What training `recipe` needs on this processor, not on a GPU. Raises BadRecipe if the model can't be built.

    docs/do/large-catalogues.md has measurements.
    """
    dtype = precision.choose(recipe.training.precision, torch.device("cpu"))
    data = replace(data, train=data.train.newest(recipe.training.newest_share))
    with _counting() as count:
        count.rows, count.neighbours = data.catalog.num_items + 1, inputs.config_of(recipe).neighbours
        model, optimizer, weights = _at_rest(recipe, data, count)
        at_rest = count.live
        step = count.peak_of(lambda: _step(model, optimizer, recipe, data, dtype, count))
        validation = count.peak_of(lambda: _validation(model, data, count))
    edges = EDGE * inputs.config_of(recipe).neighbours * data.catalog.num_items
    return MemoryEstimate(
        process=PROCESS,
        data=EVENT * len(data.train.items) + data.catalog.items.nbytes + edges,
        weights=weights,
        optimizer=at_rest - weights,
        step=int(HEAP * step),
        validation=int(HEAP * validation),
        tree=_tree(model, data.train),
    )


def check_memory(recipe: ModelRecipe, data: TrainingData, device: torch.device) -> int | None:
    """Raise BadRecipe if this machine has less memory than the model takes at rest: the system would kill the training.

    Returns the bytes that the whole training will take on this processor, None if they are few. The count loads modules
    that take a second, so it is made only where a table of the items and some tens of square matrices would be large.
    """
    settings, memory = inputs.config_of(recipe), memory_of_machine()
    width = settings.item_width + settings.content_width(data.catalog)
    if COPIES * 4 * width * (data.catalog.num_items + MATRICES * width) < memory / 4:
        return None
    with _counting() as count:
        _model, _optimizer, weights = _at_rest(recipe, data, count)
        needed = PROCESS + (count.live if device.type == "cpu" else weights)
    if needed > memory:
        what = "with gradients and the optimizer's moments" if device.type == "cpu" else "before it is on the GPU"
        raise BadRecipe(
            f"The model takes {needed / 1e9:,.1f} GB of memory {what}, and this machine has {memory / 1e9:,.1f} GB. "
            "Lower its widths, such as inputs.item_width, or use a machine with more memory; `hiersrec describe DIR "
            "--recipe NAME` estimates what a training takes."
        )
    return estimate_memory(recipe, data).total if device.type == "cpu" else None


def _at_rest(recipe: ModelRecipe, data: TrainingData, count: "_Count") -> tuple[HierarchicalModel, Optimizers, int]:
    """Model and optimizer as between two steps, and the bytes of the weights."""
    model = build_model(recipe, data.catalog)
    _empty_buffers(model)
    weights = count.live
    optimizer = optimizers(model, recipe.training)
    for parameter in optimizer.dense.param_groups[0]["params"]:  # the state at the start of any later step
        parameter.grad = torch.empty_like(parameter)
        moments = {name: torch.empty_like(parameter) for name in MOMENTS}
        optimizer.dense.state[parameter] = {"step": torch.zeros(()), **moments}
    return model, optimizer, weights


def _empty_buffers(model: HierarchicalModel) -> None:
    """Replace copies of the catalogue's arrays, which are real and not counted, by counted tensors without data."""
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.sparse:
            module.padding_idx = None  # the number of gradient rows that are not padding depends on data
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty_like(buffer))


def _step(
    model: HierarchicalModel,
    optimizer: Optimizers,
    recipe: ModelRecipe,
    data: TrainingData,
    dtype: torch.dtype,
    count: "_Count",
) -> None:
    """What training/loop.py does with the largest batch."""
    model.train()
    every = recipe.training.positions == "all"
    rows = largest_batch(data.train, recipe.training.batch_size, model.max_length, every)
    items, lengths = count.batch(rows, every)
    next_items = torch.zeros(int(rows.sum()) if every else len(rows), dtype=torch.int64)
    targets = Targets(next_items, next_items if data.catalog.event_types else None, every)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        loss, _ = model.loss(items, lengths, targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _validation(model: HierarchicalModel, data: TrainingData, count: "_Count") -> list[Tensor]:
    """What evaluation holds: a batch's logits, and padded copies of them and of the previous batch's."""
    model.eval()
    with torch.no_grad():
        size = at_once(EvaluationOptions(), data.catalog.num_items)
        rows = largest_batch(data.valid, size, model.max_length, every=False)
        logits = model(*count.batch(rows, every=False)).values()
        return [torch.empty_like(scores) for _ in range(2) for scores in logits]


def largest_batch(sessions: Sessions, size: int, max_length: int, every: bool) -> Int64:
    """Lengths (B,) int64 of the rows of a batch (training/examples.py) that has the longest of all.

    Prefixes: `size` of them as long as the longest, fewer if there are not that many. With `every`, pieces of sessions,
    longest first, until they have `size` items.
    """
    prefixes = sessions.prefix_counts()  # the last one of a session is its longest
    if not every:
        longest = max(1, min(int(prefixes.max(initial=0)), max_length))
        return np.full(max(1, min(size, int(prefixes.sum()))), longest)
    lengths = np.sort(pieces(sessions, max_length)[1].astype(np.int64))[::-1]
    rows = lengths[: np.searchsorted(np.cumsum(lengths), size) + 1]
    return rows if len(rows) else np.ones(1, np.int64)


def _tree(model: HierarchicalModel, sessions: Sessions) -> int:
    """Bytes that a tree head learns from, 0 where the model has none."""
    if (head := model.tree_head) is None:
        return 0
    shape = (model.inputs.width, head.num_classes)
    return lesson_count(int(sessions.prefix_counts().sum()), *shape) * lesson_size(*shape)


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all tensors that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self.rows = self.neighbours = 0
        """Of the table of items, and of an item in the graph."""
        self.true: dict[int, int] = {}
        """How much of a mask of one dimension, and of three, is true: positions of a batch, and items of prefixes."""
        self.storages: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func is torch.ops.aten._local_scalar_dense.default:
            return 0  # a tensor's value as a number, such as whether a mask is all true: there is padding
        # Shapes that depend on data: as if no item of a step came twice, as long as there are others, and each had all
        # of its neighbours.
        if func is torch.ops.aten._unique2.default:
            distinct = args[0].new_empty(min(args[0].numel(), self.rows))
            result: Any = (distinct, torch.empty_like(args[0]), args[0].new_empty(0))
        elif func is torch.ops.aten.nonzero.default:
            result = args[0].new_empty((self.true[args[0].dim()], args[0].dim()), dtype=torch.int64)
        elif func is torch.ops.aten.repeat_interleave.Tensor:
            result = args[0].new_empty(len(args[0]) * self.neighbours)
        else:
            result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided:  # of sparse ones, their values are counted
                self._add(leaf.untyped_storage())
        return result

    def batch(self, rows: Int64, every: bool) -> tuple[Tensor, Tensor]:
        """Items (B, T) and lengths (B,) of a batch whose rows have these lengths (B,), and all that its masks hold."""
        self.true = {1: int(rows.sum()), 3: int((rows * (rows + 1) // 2 if every else rows).sum())}
        return torch.zeros(len(rows), int(rows.max()), dtype=torch.int64), torch.zeros(len(rows), dtype=torch.int64)

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata  # views share it
        if key not in self.storages:
            self.storages.add(key)
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._drop, key, storage.nbytes())

    def _drop(self, key: int, size: int) -> None:
        self.storages.discard(key)
        self.live -= size

    def peak_of(self, work: Callable[[], object]) -> int:
        """Bytes in use at the peak of `work`, beyond those in use before it."""
        before = self.peak = self.live
        work()
        return self.peak - before


@contextmanager
def _counting() -> Iterator[_Count]:
    """Inside, new tensors have shapes and types but no memory, and are counted."""
    with FakeTensorMode(allow_non_fake_inputs=True), _Count() as count:
        yield count
