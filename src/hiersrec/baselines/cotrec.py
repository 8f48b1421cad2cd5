"""COTREC: two graphs, of items and of sessions, whose views supervise each other; the item view recommends.

Paper: Xia et al., Self-Supervised Graph Co-Training for Session-based Recommendation, CIKM 2021, arxiv.org/abs/
2108.10560. Official code: github.com/xiaxin1998/COTREC. Item view: A_ij is how often j followed i in training,

    X_l  = D (X_{l-1} W_l)             D = (A + I), each column divided by its sum; X_0 the item table
    x    = mean(X_0, norm(X_1), ...)   norm: of length 1
    n_i  = tanh(W_1 [p_i ; x_i])       p: positions from the newest item
    b_i  = w_2 . sigmoid(G_1 n_i + G_2 mean_j(x_j) + g)
    u    = sum_i b_i x_i
    score_k = scale * norm(u) . norm(x_k)

Session view: the mean of X_0 over a session, then the same layers over the row-normalised likeness of the batch's
sessions, averaged the same way. Loss = cross-entropy of the item view + beta * contrast + alpha * adversarial, for
which see _cotrec_losses.py. Only the item view scores, so the graph of a batch has no effect in evaluation.

A session of one item matches that item best, since u is a multiple of x, and longer ones are similar: the newest item
gets the first rank. That suits shops, where many come back; on Wikispeedia, where nobody does, it costs two fifths of
MRR (validation MRR@20 0.13, or 0.22 without the seen items).

Follows the code where it differs from the paper (columns, not rows, of A + I sum to 1; a read-out without softmax).
Faults of the code that are not copied: no layer's weights are learnt (they are not parameters of its module, and the
session view is detached as well); the positives of a session are the best items of a *column* of the sessions' matrix,
which has the right size because batch and width are both 100, and go to other sessions by a reshape; of the adversarial
loss only the target's term is left, because its mask is rounded; the last batch repeats samples. Deviations: the losses
are means over sessions, so the code's beta and alpha count a hundred times here; moves start at the items, not at those
of the step before; every item is its own neighbour, in the code only those that have a follower; negatives, see
`picks`.

Reported on Diginetica, HITS@20 / MRR@20 in percent. [R] read at the source, [M] from memory. 54.18 / 19.07 on the
standard split [M, the authors' best epoch on the test set]; 28.37 / 7.87 on the HierSRec paper's own file [R].
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.baselines._cotrec_graph import followers, overlap
from hiersrec.baselines._cotrec_losses import PICKS, adversarial, contrast, picks
from hiersrec.errors import BadInput
from hiersrec.model.item_graph import ItemGraph
from hiersrec.model.losses import cross_entropy
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions


@dataclass(frozen=True, kw_only=True)
class Config:
    """Table [baseline] of a recipe whose name is "cotrec"."""

    width: Annotated[int, Ge(1)] = 100
    """Width of all vectors."""
    layers: Annotated[int, Ge(1)] = 2
    """Layers of each view's graph."""
    scale: Annotated[float, Gt(0)] = 10.0
    """Factor of the cosine, one over its temperature."""
    contrast_weight: Annotated[float, Ge(0)] = 0.1
    """The paper's beta, for a mean over sessions: a hundred times the code's for Diginetica."""
    adversarial_weight: Annotated[float, Ge(0)] = 0.5
    """The paper's alpha, likewise."""
    epsilon: Annotated[float, Gt(0)] = 0.5
    """Length of the adversarial moves."""
    max_length: Annotated[int, Ge(1)] = 50
    """Most items of a session; the newest are kept."""


def build(config: Config, catalog: Catalog, train: Sessions | None) -> "Cotrec":
    """The untrained model; its item graph is built from `train`, or loaded with the weights if that is None.

    Raises BadInput for a catalogue that is too small for the contrast.
    """
    if config.contrast_weight and catalog.num_items < 2 * PICKS:
        raise BadInput(
            f"COTREC contrasts {PICKS} likely items with {PICKS} others, so the catalogue must have at least "
            f"{2 * PICKS} items, got {catalog.num_items}. Train with --set baseline.contrast_weight=0."
        )
    return Cotrec(config, catalog.num_items, train)


class Cotrec(Trainable):
    """Item view and session view; see the top of the file."""

    vectors: Tensor | None

    def __init__(self, config: Config, num_items: int, train: Sessions | None) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.max_length = config.max_length
        self.table = nn.Parameter(torch.empty(num_items, width))  # X_0
        self.positions = nn.Parameter(torch.empty(config.max_length, width))
        self.item_layers = _layers(config)
        self.session_layers = _layers(config)
        self.place = nn.Linear(2 * width, width, bias=False)  # W_1
        self.key = nn.Linear(width, width)  # G_1, g
        self.query = nn.Linear(width, width, bias=False)  # G_2
        self.weigh = nn.Linear(width, 1, bias=False)  # w_2
        for weights in self.parameters():
            nn.init.uniform_(weights, -(width**-0.5), width**-0.5)
        self.graph = ItemGraph(num_items, None if train is None else followers(num_items, train))
        # x of all items, cached for evaluation, which needs it in every batch.
        self.register_buffer("vectors", None, persistent=False)
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    def forward(self, items: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        vectors = self._vectors()
        return {"item": self._item_view(vectors, items, lengths) @ functional.normalize(vectors, dim=1).T}

    def loss(self, items: Tensor, lengths: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        """Combined loss (scalar), and "item", "contrast" and "adversarial", those of weight 0 left out."""
        self.vectors = None  # the weights change
        config, classes = self.config, targets.items - 1
        vectors = self._vectors()
        unit = functional.normalize(vectors, dim=1)
        first = self._item_view(vectors, items, lengths)
        parts = {"item": cross_entropy(first, unit, None, classes)}
        total = parts["item"]
        if config.contrast_weight or config.adversarial_weight:
            second = self._session_view(items, lengths)
        if config.contrast_weight:
            last = items.gather(1, lengths[:, None] - 1)[:, 0] - 1
            of_items = contrast(first, unit, last, picks(second, self.table))
            parts["contrast"] = of_items + contrast(second, self.table, last, picks(first, unit))
            total = total + config.contrast_weight * parts["contrast"]
        if config.adversarial_weight:
            parts["adversarial"] = adversarial(first, second, unit, classes, config.epsilon)
            total = total + config.adversarial_weight * parts["adversarial"]
        return total, {name: part.detach() for name, part in parts.items()}

    def _vectors(self) -> Tensor:
        """The x of all items, (N, D)."""
        if self.training or torch.is_grad_enabled():
            return self._convolved()
        if self.vectors is None:
            self.vectors = self._convolved()
        return self.vectors

    def _convolved(self) -> Tensor:
        layer: Tensor = self.table
        total: Tensor = self.table
        for linear in self.item_layers:
            layer = self.graph(linear(layer))
            total = total + functional.normalize(layer.to(total.dtype), dim=1)
        return total / (len(self.item_layers) + 1)

    def _item_view(self, vectors: Tensor, items: Tensor, lengths: Tensor) -> Tensor:
        """Vectors of the sessions (B, T) in the item view, of length `scale`: (B, D)."""
        mask, session = _gather(vectors, items, lengths)
        mean = session.sum(1) / lengths[:, None]  # (B, D)
        age = (lengths[:, None] - 1 - torch.arange(items.shape[1], device=items.device)).clamp(min=0)  # (B, T)
        # Not positions[age]: on several threads the gradient of indexing adds up in no fixed order.
        positions = functional.embedding(age, self.positions)
        placed = torch.tanh(self.place(torch.cat([positions, session], -1)))  # (B, T, D)
        weights = self.weigh(torch.sigmoid(self.key(placed) + self.query(mean)[:, None])) * mask[..., None]
        return self.config.scale * functional.normalize((weights * session).sum(1), dim=1)

    def _session_view(self, items: Tensor, lengths: Tensor) -> Tensor:
        """Vectors of the same sessions in the session view: (B, D)."""
        _, session = _gather(self.table, items, lengths)
        near = overlap(items, lengths).to(session.dtype)
        layer = total = session.sum(1) / lengths[:, None]
        for linear in self.session_layers:
            layer = near @ linear(layer)
            total = total + functional.normalize(layer.to(total.dtype), dim=1)
        return total / (len(self.session_layers) + 1)


def _forget(model: Cotrec, _: object) -> None:
    model.vectors = None


def _layers(config: Config) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(config.width, config.width, bias=False) for _ in range(config.layers))


def _gather(vectors: Tensor, items: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Mask (B, T), and the vectors (B, T, D) of a session's items, zero at padding."""
    mask = torch.arange(items.shape[1], device=items.device) < lengths[:, None]  # (B, T)
    return mask, functional.embedding((items - 1).clamp(min=0), vectors) * mask[..., None]
