"""Scores in which every item attends to the session separately (TAGNN), and their softmax cross-entropy over all items.

Item v attends to the n nodes of a session, whose items occur c_i times in it:

    score_v = u . v + sum_i beta_i (h_i . v)        beta = softmax_i(k_i . v + log c_i)

A softmax depends only on differences, and its weights sum to one. So the first node is the origin of the others, and n
nodes cost 2 n - 1 products with the table of items, not 2 n + 1:

    score_v = (u + h_0) . v + sum_{i > 0} beta_i (h_i - h_0) . v

That is still a number for each session, node and item. So scores are computed for a few sessions at a time, all with
the same number of nodes: nothing is padded. The loss is hand-written as in model/losses.py: gradients are computed from
the scores while these are in the cache, in the precision of the matrix products; sums are in float32.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.model.autocast import product_dtype

LINES = 64
"""Rows of attention scores at a time: 6 MB at 43 K items in bf16, so that they stay in the last-level cache."""

KEPT = 1024
"""Most rows of score gradients in memory at a time: 88 MB at 43 K items in bf16."""


@dataclass(frozen=True)
class Reading:
    """The input of the attention for B sessions. M is the number of their nodes, without the first one of each."""

    lines: Tensor
    """(2 M + B, D): k_i - k_0 of the nodes, session by session; h_i - h_0 of the same; u + h_0 of the sessions."""
    log_counts: Tensor
    """(M,): log c_i - log c_0."""
    nodes: Tensor
    """(B,) int64: nodes of each session without the first; they sum to M."""


def scores(reading: Reading, items: Tensor) -> Tensor:
    """Scores of all items (N, D) for every session -> (B, N), of the items' dtype."""
    result = torch.empty(len(reading.nodes), len(items), dtype=items.dtype, device=items.device)
    for chunk in _chunks(reading.nodes):
        keys, others = chunk.taken(reading.lines)
        attention = _attention(keys, reading.log_counts[chunk.nodes], items, chunk)  # (m, R, N)
        by_node, own = chunk.parted(others @ items.T)
        result[chunk.rows] = (own + (attention * by_node).sum(0)).to(items.dtype)
    return result


def cross_entropy(reading: Reading, items: Tensor, classes: Tensor) -> Tensor:
    """Softmax cross-entropy of `scores`, mean over the sessions -> scalar float32.

    items (N, D); classes (B,) int64. Products run in autocast's dtype where that is on. Log counts get no gradient, and
    second derivatives are not defined.
    """
    lines, log_counts, nodes = reading.lines, reading.log_counts, reading.nodes
    loss = _CrossEntropy.apply(lines, items, log_counts, nodes, classes)  # type: ignore[no-untyped-call]
    return cast("Tensor", loss)


@dataclass(frozen=True)
class _Chunk:
    """R sessions, each of m nodes after its first: all sessions' second node comes first, then all their third, ..."""

    m: int
    rows: Tensor
    """(R,) int64: the sessions."""
    nodes: Tensor
    """(m R,) int64: their nodes."""
    lines: Tensor
    """(2 m R + R,) int64: keys and values of the nodes, then the sessions' own, among Reading.lines."""

    def taken(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (m R, D), and values and own vectors (m R + R, D)."""
        both = lines[self.lines]
        return both[: len(self.nodes)], both[len(self.nodes) :]

    def parted(self, products: Tensor) -> tuple[Tensor, Tensor]:
        """(m R + R, N) of values and own vectors -> (m, R, N) and (R, N)."""
        by_node, own = products[: len(self.nodes)], products[len(self.nodes) :]
        return by_node.view(self.m, *own.shape), own


def _chunks(nodes: Tensor) -> Iterator[_Chunk]:
    """All sessions, few at a time, in order of their number of nodes."""
    starts, total = nodes.cumsum(0) - nodes, int(nodes.sum())
    for m in torch.unique(nodes).tolist():
        for rows in (nodes == m).nonzero()[:, 0].split(max(1, LINES // max(1, m))):
            indices = (torch.arange(m, device=nodes.device)[:, None] + starts[rows]).flatten()  # (m R,)
            yield _Chunk(m, rows, indices, torch.cat([indices, total + indices, 2 * total + rows]))


def _packs(nodes: Tensor) -> Iterator[list[_Chunk]]:
    """Chunks in lists of at most KEPT lines; a chunk with more is a list of its own."""
    pack: list[_Chunk] = []
    for chunk in _chunks(nodes):
        if pack and sum(len(other.lines) for other in [*pack, chunk]) > KEPT:
            yield pack
            pack = []
        pack.append(chunk)
    yield pack


def _attention(keys: Tensor, log_counts: Tensor, items: Tensor, chunk: _Chunk) -> Tensor:
    """Weights beta of every node but the first: keys (m R, D), log_counts (m R,), items (N, D) -> (m, R, N)."""
    logits = (keys @ items.T).add_(log_counts[:, None]).view(chunk.m, len(chunk.rows), len(items))  # (m, R, N)
    return functional.pad(logits, (0, 0, 0, 0, 1, 0)).softmax(0)[1:]


class _CrossEntropy(torch.autograd.Function):
    """Gradients are computed in the forward pass, one pack at a time, so that few scores are in memory."""

    @staticmethod
    def forward(ctx: Any, lines: Tensor, items: Tensor, log_counts: Tensor, nodes: Tensor, classes: Tensor) -> Tensor:
        dtype = product_dtype(lines)
        left, right, log_counts = lines.to(dtype), items.to(dtype), log_counts.to(dtype)
        loss = torch.zeros((), device=lines.device)
        of_lines = torch.empty(lines.shape, device=lines.device)
        of_items = torch.zeros(right.T.shape, device=lines.device)  # (D, N): products are faster in this layout
        with torch.autocast(lines.device.type, enabled=False):
            for pack in _packs(nodes):
                index = torch.cat([chunk.lines for chunk in pack])
                residual = torch.empty(len(index), len(right), dtype=dtype, device=lines.device)
                parts = torch.split(residual, [len(chunk.lines) for chunk in pack])
                for chunk, part in zip(pack, parts, strict=True):
                    counts, target = log_counts[chunk.nodes], classes[chunk.rows]
                    loss += _residual(chunk, *chunk.taken(left), counts, right, target, part) / len(nodes)
                residual_left = left[index]
                of_lines[index] = (residual @ right).float() / len(nodes)
                of_items += residual_left.T @ residual
        ctx.save_for_backward(of_lines, of_items.T / len(nodes))
        ctx.dtypes = lines.dtype, items.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        of_lines, of_items = ctx.saved_tensors
        lines_dtype, items_dtype = ctx.dtypes
        return (of_lines * outputs[0]).to(lines_dtype), (of_items * outputs[0]).to(items_dtype), None, None, None


def _residual(
    chunk: _Chunk, keys: Tensor, others: Tensor, log_counts: Tensor, items: Tensor, target: Tensor, into: Tensor
) -> Tensor:
    """Sum of a chunk's losses; `into` (2 m R + R, N) gets d loss / d (line . item)."""
    of_keys, of_others = into[: len(keys)], into[len(keys) :]
    attention = _attention(keys, log_counts, items, chunk)  # (m, R, N)
    torch.mm(others, items.T, out=of_others)
    by_node, own = chunk.parted(of_others)
    attended = (attention * by_node).float().sum(0)  # (R, N)
    logits = own.float() + attended
    target = target[:, None]
    at_target = logits.gather(1, target)
    top = logits.amax(1, keepdim=True)
    total = logits.sub_(top).exp_().sum(1, keepdim=True)
    own.copy_(logits.div_(total))
    own.scatter_(1, target, ((at_target - top).exp() / total - 1).to(own.dtype))
    by_node.sub_(attended.to(own.dtype))
    of_values = attention.mul_(own)  # d loss / d by_node
    torch.mul(by_node, of_values, out=of_keys.view(by_node.shape))
    by_node.copy_(of_values)
    return (total.log() + top - at_target).sum()
