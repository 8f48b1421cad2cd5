"""COTREC's two auxiliary losses: the views teach each other (contrast) without becoming one (adversarial)."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from hiersrec.model.autocast import product_dtype

ROWS = 64
"""Sessions whose scores of all items are handled together, so that they stay in the cache."""
PICKS = 10
"""Positives, and negatives, of a session (the code's)."""
POOL = 5000
"""Negatives come from this many best items (the code's)."""
DRAWN = 1024
"""Items sampled per step to find negatives in, instead of a larger catalogue."""
TEMPERATURE = 0.2
"""Temperature of the contrast (the code's)."""
BLOCK = 64
"""Items of a block in the search for the best ones."""


@torch.no_grad()
def picks(state: Tensor, vectors: Tensor) -> Tensor:
    """Examples for the other view, (B, 2 * PICKS) items from 0: a view's best items, then random ones of its best POOL.

    state (B, D) and vectors (N, D) are the view's own, N at least 2 * PICKS. In a catalogue larger than DRAWN, the best
    of DRAWN items replace the best POOL, since sorting it for each session would cost more than everything else. All
    sessions get the same ranks, as in the code. Uses torch's random state.
    """
    num_items = len(vectors)
    drawn = torch.randperm(num_items, device=vectors.device)[:DRAWN]
    share = (min(POOL, num_items) - PICKS) / num_items
    pool = min(round(len(drawn) * share), len(drawn) - PICKS)
    ranks = torch.randint(pool, (PICKS,), device=vectors.device)
    chosen = []
    for start in range(0, len(state), ROWS):
        scores = (state[start : start + ROWS] @ vectors.T).float()  # (R, N)
        best = _best(scores)
        scores.scatter_(1, best, -torch.inf)  # a positive is not a negative
        order = scores[:, drawn].topk(pool).indices[:, ranks]
        chosen.append(torch.cat([best, drawn[order]], 1))  # (R, 2 * PICKS)
    return torch.cat(chosen)


def _best(scores: Tensor) -> Tensor:
    """The PICKS best columns of (R, N). They are in the blocks with the best maxima, so few are compared."""
    whole = scores.shape[1] // BLOCK * BLOCK
    if whole < PICKS * BLOCK:
        return scores.topk(PICKS).indices
    blocks = scores[:, :whole].view(-1, whole // BLOCK, BLOCK).amax(2).topk(PICKS).indices  # (R, PICKS)
    columns = (blocks[..., None] * BLOCK + torch.arange(BLOCK, device=scores.device)).flatten(1)
    rest = torch.arange(whole, scores.shape[1], device=scores.device).expand(len(scores), -1)
    columns = torch.cat([columns, rest], 1)
    return columns.gather(1, scores.gather(1, columns).topk(PICKS).indices)


def contrast(state: Tensor, vectors: Tensor, last: Tensor, chosen: Tensor) -> Tensor:
    """-log of the positives' part of exp(cosine / TEMPERATURE), mean over the sessions -> scalar.

    state (B, D); vectors (N, D); last (B,): a session's newest item, from 0; chosen (B, 2 * PICKS): `picks` of the
    other view. Cosines are between state + last item and state + chosen item.
    """
    # Not vectors[last]: on several threads the gradient of indexing adds up in no fixed order.
    anchor = functional.normalize(state + functional.embedding(last, vectors), dim=-1)
    others = functional.normalize(state[:, None] + functional.embedding(chosen, vectors), dim=-1)  # (B, 2 * PICKS, D)
    logits = (others * anchor[:, None]).sum(-1) / TEMPERATURE
    return (logits.logsumexp(1) - logits[:, :PICKS].logsumexp(1)).mean()


def adversarial(first: Tensor, second: Tensor, vectors: Tensor, classes: Tensor, epsilon: float) -> Tensor:
    """KL(P | P') of both views, summed, mean over the sessions -> scalar.

    first, second (B, D): states of the views; vectors (N, D); classes (B,): the next items, from 0. P is the softmax of
    state @ vectors.T; P' the same with every item moved by epsilon along the gradient of the *other* view's
    cross-entropy. No gradient flows through the moves. Products run in autocast's dtype; no second derivatives.
    """
    return cast("Tensor", _Adversarial.apply(first, second, vectors, classes, epsilon))  # type: ignore[no-untyped-call]


class _Adversarial(torch.autograd.Function):
    """With d = state @ move.T, Z = E_P[exp d] and P' = P exp(d) / Z: KL = log Z - E_P[d].

    Its gradient is P' - P at d, and P' - P (1 + d - E_P[d]) at the logits.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, vectors: Tensor, classes: Tensor, epsilon: float) -> Tensor:
        dtype = product_dtype(vectors, vectors.dtype)
        states, table = [first.to(dtype), second.to(dtype)], vectors.to(dtype)
        probs = [_softmax(state, table) for state in states]
        pairs = zip(probs, states, strict=True)
        moves = [_move(prob, state, classes, epsilon).to(dtype) for prob, state in pairs]  # (N, D) each
        total = torch.zeros((), device=vectors.device, dtype=vectors.dtype)
        at_states, at_table = [], torch.zeros_like(vectors)
        for state, prob, move in zip(states, probs, reversed(moves), strict=True):
            value, at_state = _diverge(state, prob, move)
            total += value
            at_states.append((at_state + prob @ table).to(vectors.dtype) / len(classes))
            at_table += prob.T @ state
        ctx.save_for_backward(*at_states, at_table / len(classes))
        return total / len(classes)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        first, second, table = ctx.saved_tensors
        return first * outputs[0], second * outputs[0], table * outputs[0], None, None


def _softmax(state: Tensor, table: Tensor) -> Tensor:
    """(B, N) in the precision of the states."""
    prob = torch.empty(len(state), len(table), dtype=state.dtype, device=state.device)
    for start in range(0, len(state), ROWS):
        rows = slice(start, start + ROWS)
        torch.softmax(state[rows] @ table.T, 1, out=prob[rows])
    return prob


def _move(prob: Tensor, state: Tensor, classes: Tensor, epsilon: float) -> Tensor:
    """(N, D): epsilon times the direction of cross-entropy's gradient at each item's vector."""
    pull = _at_least_float32(prob.T @ state)
    pull.index_add_(0, classes, -state.to(pull.dtype))
    return epsilon * functional.normalize(pull, dim=1)


def _diverge(state: Tensor, prob: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
    """The divergence of one view, and its gradient (B, D) through d; leaves the gradient at the logits in `prob`.

    Sums over the sessions. In place, since each (R, N) array costs a round trip to memory.
    """
    total = torch.zeros((), device=state.device, dtype=torch.promote_types(state.dtype, torch.float32))
    at_state = torch.empty_like(state)
    for start in range(0, len(state), ROWS):
        rows = slice(start, start + ROWS)
        before = _at_least_float32(prob[rows])  # (R, N)
        before = before / before.sum(1, keepdim=True)  # in bf16 the sum may be off by half a percent
        shift = _at_least_float32(state[rows] @ move.T)
        top = shift.amax(1, keepdim=True)
        after = (shift - top).exp_().mul_(before)
        grown = after.sum(1, keepdim=True)
        mean = torch.linalg.vecdot(before, shift)[:, None]
        total += (grown.log() + top - mean).sum()
        change = after.div_(grown).sub_(before)
        at_state[rows] = change.to(move.dtype) @ move
        prob[rows] = change.sub_(shift.sub_(mean).mul_(before))
    return total, at_state


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
