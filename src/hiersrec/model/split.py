"""The item table split over processes, for catalogues whose table fits no single device.

Each process holds the rows of some items, of E^I and of a linear head. All of them read the same batch and do the same
with everything else. What they tell each other: the vectors of the batch's items, a few numbers for each row of the
softmax (split_softmax.py), and the gradient of the states.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

ROWS = 4096
"""Rows that are drawn at a time: a multiple of 16, since torch draws so many normal numbers together."""


@dataclass(frozen=True)
class Split:
    """What one process has of the items. Its methods that exchange something must be called by all."""

    rank: int
    count: int
    """Of processes; at most one for each item."""
    items: int
    """N."""

    @property
    def places(self) -> range:
        """Classes (item i + 1 is class i) whose rows lie here."""
        return range(self.rank * self.items // self.count, (self.rank + 1) * self.items // self.count)

    @property
    def most(self) -> int:
        """Rows of the largest part."""
        return -(-self.items // self.count)

    def own(self, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of classes (...) in this part, and which of them lie here, bool; the others have some row of it."""
        rows = classes - self.places.start
        mine = (rows >= 0) & (rows < len(self.places))
        return rows.clamp(0, len(self.places) - 1), mine

    def gathered(self, logits: Tensor) -> Tensor:
        """The logits (B, n) of all parts side by side: (B, N)."""
        padded = functional.pad(logits, (0, self.most - len(self.places)))
        found = [torch.empty_like(padded) for _ in range(self.count)]
        distributed.all_gather(found, padded)
        parts = [replace(self, rank=rank).places for rank in range(self.count)]
        return torch.cat([one[:, : len(places)] for one, places in zip(found, parts, strict=True)], 1)


class SplitTable(nn.Embedding):
    """E^I of the items of this process, (n + 1, d_I), row 0 being padding; it looks up any item."""

    split: Split

    def forward(self, items: Tensor) -> Tensor:
        """Items (...) from 1, 0 for padding -> their vectors (..., d_I), the same in all processes."""
        rows, mine = self.split.own(items - 1)
        own = super().forward(torch.where(mine, rows + 1, 0))  # zeros for what lies elsewhere
        return cast("Tensor", _Sum.apply(own)) if own.numel() else own  # type: ignore[no-untyped-call]


class _Sum(torch.autograd.Function):
    """The sum over processes. All of them go on with it in the same way, so the gradient of each is whole."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        ctx.mark_dirty(own)
        distributed.all_reduce(own)
        return own

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        del ctx
        return gradient


def split_table(split: Split, width: int, draw: Callable[[Tensor], object]) -> SplitTable:
    """The rows of this process of an embedding (N + 1, width) whose rows from 1 are then filled by `draw`."""
    own = torch.empty(1 + len(split.places), width)
    draw_rows(own[:0], split.items + 1, 0, nn.init.normal_)  # torch's own first numbers
    own[0] = 0
    draw_rows(own[1:], split.items, split.places.start, draw)
    table: SplitTable = SplitTable.from_pretrained(own, freeze=False, padding_idx=0)  # type: ignore[no-untyped-call]
    table.split = split
    return table


def draw_rows(own: Tensor, rows: int, first: int, draw: Callable[[Tensor], object]) -> None:
    """Put into `own` (n, width) the rows from `first` on of a tensor (rows, width) that `draw` fills.

    They are those that `draw` gives to the whole, and torch's generator ends where it would; but no more than some rows
    of the others are there at a time.
    """
    starts = range(0, max(1, rows - ROWS + 1), ROWS)  # the last has more: fewer than 16 are drawn otherwise
    for start, stop in zip(starts, [*starts[1:], rows], strict=True):
        block = torch.empty(stop - start, own.shape[1])
        draw(block)
        low, high = max(start, first), min(stop, first + len(own))
        if low < high:
            own[low - first : high - first] = block[low - start : high - start]


def parts(model: nn.Module) -> dict[str, Split]:
    """The split of each parameter that is split, by its name; none of a model that one process holds."""
    return {
        f"{path}.{name}": split
        for path, module in model.named_modules()
        if isinstance(split := getattr(module, "split", None), Split)
        for name, _ in module.named_parameters(recurse=False)
    }


def numbers(model: nn.Module) -> int:
    """Parameters of the whole model, numbers of all its tables."""
    of, total = parts(model), 0
    for name, one in model.named_parameters():
        total += one.numel()
        if name in of:
            total += (of[name].items - len(of[name].places)) * one[:1].numel()
    return total


def whole(tensors: dict[str, Tensor], of: dict[str, Split]) -> dict[str, Tensor]:
    """The tensors of a model, with those that are split put together, in the memory of the first process's machine.

    All processes call it; to the others it gives their own.
    """
    found = dict(tensors)
    for name, split in of.items():
        own = tensors[name]
        above = len(own) - len(split.places)  # padding
        if split.rank:
            distributed.send(own[above:].cpu(), 0)
            continue
        table = torch.empty(above + split.items, *own.shape[1:], dtype=own.dtype)
        table[: len(own)] = own.cpu()
        for rank in range(1, split.count):
            places = replace(split, rank=rank).places
            distributed.recv(table[above + places.start : above + places.stop], rank)
        found[name] = table
    return found
