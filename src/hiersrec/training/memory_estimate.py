"""The memory that a training will need, from one step that computes nothing: tensors have shapes but no numbers.

Whatever a recipe names is counted as it is written, since it is the model's own code that runs. What the count can't
see are three measured numbers below; docs/model.md has the measurements.
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
from hiersrec.evaluation.evaluate import EvaluationOptions, at_once
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.targets import Targets
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Sessions
from hiersrec.training import precision
from hiersrec.training.optimizer import MOMENTS, Optimizers, optimizers

PROCESS = 410_000_000
"""Bytes of Python with torch, its optimizers and the rest, before any data."""
EVENT = 100
"""Bytes of an event of the training sessions: itself, its prefix, and both in the order of the epoch."""
EDGE = 28
"""Bytes of an edge of the item graph: as it is saved, and as both directions read it (model/item_graph.py)."""
HEAP = 2.5
"""Bytes that the process takes for each byte in use at the height of a step, with the recipe hiersrec: glibc leaves
gaps between blocks of many sizes, and keeps them (training/allocator.py). Encoders of few, large arrays leave fewer."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes."""

    process: int
    """Python and its libraries."""
    data: int
    """Training sessions, the order of their prefixes, the table of items, and the graph of their neighbours."""
    weights: int
    """Parameters, and what the model copies of the catalogue."""
    optimizer: int
    """Gradients and Adam's two moments."""
    step: int
    """Activations, softmax and gradients of the largest batch of training."""
    validation: int
    """Scores of one batch of validation."""

    @property
    def total(self) -> int:
        """Greatest memory of the process: a step and a validation take turns."""
        return self.process + self.data + self.weights + self.optimizer + max(self.step, self.validation)

    def document(self) -> dict[str, int]:
        """For JSON."""
        return {"total": self.total, **asdict(self)}


def estimate_memory(recipe: ModelRecipe, data: TrainingData) -> MemoryEstimate:
    """What training `recipe` needs on this processor, not on a GPU. Raises BadRecipe if the model can't be built.

    About right for a Transformer, too much for other encoders (docs/model.md has measurements), and for
    positions = "all", whose steps are counted as with "last".
    """
    dtype = precision.choose(recipe.training.precision, torch.device("cpu"))
    data = replace(data, train=data.train.newest(recipe.training.newest_share))
    with _counting() as count:
        model = build_model(recipe, data.catalog)
        for name in model.position_terms:  # how many items come twice depends on their numbers; it is little
            delattr(model, name)
        _empty_buffers(model)
        weights = count.live
        optimizer = optimizers(model, recipe.training)
        for one in optimizer.dense.param_groups[0]["params"]:  # as a step finds it: with the gradients of the step
            one.grad = torch.empty_like(one)  # before, and moments
            moments = {key: torch.empty_like(one) for key in MOMENTS}
            optimizer.dense.state[one] = {"step": torch.zeros(()), **moments}
        at_rest = count.live
        step = count.height(lambda: _step(model, optimizer, recipe, data, dtype))
        validation = count.height(lambda: _validation(model, data))
    edges = EDGE * recipe.inputs.neighbours * data.catalog.num_items
    return MemoryEstimate(
        process=PROCESS,
        data=EVENT * len(data.train.items) + data.catalog.items.nbytes + edges,
        weights=weights,
        optimizer=at_rest - weights,
        step=int(HEAP * step),
        validation=int(HEAP * validation),
    )


def _empty_buffers(model: HierarchicalModel) -> None:
    """Put uncounted copies of the catalogue's arrays, which are real, on the same footing as the weights."""
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.sparse:
            module.padding_idx = None  # how many rows of a gradient are none of padding hangs on numbers
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty_like(buffer))


def _step(
    model: HierarchicalModel,
    optimizer: Optimizers,
    recipe: ModelRecipe,
    data: TrainingData,
    dtype: torch.dtype,
) -> None:
    """What training/loop.py does with a batch, the one of the longest prefixes."""
    model.train()
    items, lengths = _longest(data.train, recipe.training.batch_size, model.max_length)
    targets = Targets(torch.zeros_like(lengths), lengths if data.catalog.event_types else None)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        loss, _ = model.loss(items, lengths, targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _validation(model: HierarchicalModel, data: TrainingData) -> list[Tensor]:
    """What evaluation holds: the logits of a batch, and a padded copy of them and of those of the batch before."""
    model.eval()
    with torch.no_grad():
        logits = model(
            *_longest(data.valid, at_once(EvaluationOptions(), data.catalog.num_items), model.max_length)
        ).values()
        return [torch.empty_like(one) for _ in range(2) for one in logits]


def _longest(sessions: Sessions, size: int, max_length: int) -> tuple[Tensor, Tensor]:
    """Items (B, T) and lengths (B,) of the largest batch: sorted by length, it is as wide as the longest prefix."""
    lengths = np.diff(sessions.offsets)
    longest = max(1, min(int(lengths.max(initial=1)) - 1, max_length))
    size = _prefixes(sessions, size)
    return torch.zeros(size, longest, dtype=torch.int64), torch.full((size,), longest)


def _prefixes(sessions: Sessions, size: int) -> int:
    """B: prefixes of a batch, or all that there are."""
    return max(1, min(size, int(np.maximum(np.diff(sessions.offsets) - 1, 0).sum())))


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all tensors that are alive, and the most that there were at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func is torch.ops.aten._local_scalar_dense.default:
            return 0  # a tensor's number, such as whether a mask is all true: there is padding
        found = func(*args, **(kwargs or {}))
        for one in tree_leaves(found):
            if isinstance(one, Tensor) and one.layout == torch.strided:  # of sparse ones, their values are counted
                self._add(one.untyped_storage())
        return found

    def _add(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata  # views share it
        if place not in self.known:
            self.known.add(place)
            self.live += storage.nbytes()
            self.most = max(self.most, self.live)
            weakref.finalize(storage, self._drop, place, storage.nbytes())

    def _drop(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.live -= size

    def height(self, work: Callable[[], object]) -> int:
        """Bytes in use at the height of some work, beyond those in use before it."""
        before = self.most = self.live
        work()
        return self.most - before


@contextmanager
def _counting() -> Iterator[_Count]:
    """Inside, tensors that are made have shapes and types but no memory, and are counted."""
    with FakeTensorMode(allow_non_fake_inputs=True), _Count() as count:
        yield count
