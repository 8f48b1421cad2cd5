"""The memory that a training will need, from one step on tensors that have shapes but no data.

The model's own code runs, so every recipe is counted as it is written. What the count can't see are the measured
constants below; docs/do/large-catalogues.md has the measurements.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

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
from hiersrec.training.optimizer import MOMENTS, Optimizers, optimizers

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

    @property
    def total(self) -> int:
        """Peak of the process: steps and validation take turns."""
        return self.process + self.data + self.weights + self.optimizer + max(self.step, self.validation)

    def document(self) -> dict[str, int]:
        return {"total": self.total, **asdict(self)}


def estimate_memory(recipe: ModelRecipe, data: TrainingData) -> MemoryEstimate:
    """What training `recipe` needs on this processor, not on a GPU. Raises BadRecipe if the model can't be built.

    About right for a Transformer, too much for other encoders (docs/do/large-catalogues.md has measurements), and for
    positions = "all", whose steps are counted as with "last".
    """
    dtype = precision.choose(recipe.training.precision, torch.device("cpu"))
    data = replace(data, train=data.train.newest(recipe.training.newest_share))
    with _counting() as count:
        count.neighbours = inputs.config_of(recipe).neighbours
        model, optimizer, weights = _at_rest(recipe, data, count)
        at_rest = count.live
        step = count.peak_of(lambda: _step(model, optimizer, recipe, data, dtype))
        validation = count.peak_of(lambda: _validation(model, data))
    edges = EDGE * inputs.config_of(recipe).neighbours * data.catalog.num_items
    return MemoryEstimate(
        process=PROCESS,
        data=EVENT * len(data.train.items) + data.catalog.items.nbytes + edges,
        weights=weights,
        optimizer=at_rest - weights,
        step=int(HEAP * step),
        validation=int(HEAP * validation),
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
    for name in model.position_terms:  # small, and their shapes depend on data: how many items come twice
        delattr(model, name)
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
    model: HierarchicalModel, optimizer: Optimizers, recipe: ModelRecipe, data: TrainingData, dtype: torch.dtype
) -> None:
    """What training/loop.py does with the batch of the longest prefixes."""
    model.train()
    items, lengths = _longest(data.train, recipe.training.batch_size, model.max_length)
    targets = Targets(torch.zeros_like(lengths), lengths if data.catalog.event_types else None)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        loss, _ = model.loss(items, lengths, targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _validation(model: HierarchicalModel, data: TrainingData) -> list[Tensor]:
    """What evaluation holds: a batch's logits, and padded copies of them and of the previous batch's."""
    model.eval()
    with torch.no_grad():
        size = at_once(EvaluationOptions(), data.catalog.num_items)
        logits = model(*_longest(data.valid, size, model.max_length)).values()
        return [torch.empty_like(scores) for _ in range(2) for scores in logits]


def _longest(sessions: Sessions, size: int, max_length: int) -> tuple[Tensor, Tensor]:
    """Items (B, T) and lengths (B,) of the largest batch: B of `size` if there are that many, T of the longest."""
    prefixes = sessions.prefix_counts()  # the last one of a session is its longest
    longest = max(1, min(int(prefixes.max(initial=0)), max_length))
    size = max(1, min(size, int(prefixes.sum())))
    return torch.zeros(size, longest, dtype=torch.int64), torch.full((size,), longest)


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all tensors that are alive, and their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self.neighbours = 0
        self.storages: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func is torch.ops.aten._local_scalar_dense.default:
            return 0  # a tensor's value as a number, such as whether a mask is all true: there is padding
        # Shapes that depend on data: as if no item of a step came twice, and each had all of its neighbours.
        if func is torch.ops.aten._unique2.default:
            result: Any = (args[0].flatten(), torch.empty_like(args[0]), args[0].new_empty(0))
        elif func is torch.ops.aten.repeat_interleave.Tensor:
            result = args[0].new_empty(len(args[0]) * self.neighbours)
        else:
            result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided:  # of sparse ones, their values are counted
                self._add(leaf.untyped_storage())
        return result

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
