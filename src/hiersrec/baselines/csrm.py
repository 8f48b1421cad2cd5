"""CSRM: NARM's two session vectors, and a third one from similar sessions that training saw last.

Paper: Wang et al., A Collaborative Session-based Recommendation Approach with Parallel Memory Modules, SIGIR 2019,
doi.org/10.1145/3331184.3331210. Official code: github.com/wmeirui/CSRM_SIGIR2019. For the session x_1 .. x_t:

    g   = last state of GRU_g(dropout(x))                           h_1 .. h_t = GRU_l(dropout(x))
    l   = sum_j softmax_j(v . sigmoid(A_1 h_t + A_2 h_j)) h_j        (NARM's local encoder, over a GRU of its own)
    m   = sum of softmax(c)_j M_j over the `neighbours` vectors M_j of the memory with the largest cosine c_j to l
    f   = sigmoid(w_l . l' + w_m . m' + w_g . g')                    (': standardised over the D features)
    state = B dropout(f [l' ; g'] + (1 - f) [m' ; m'])               (score_k = E_k . state)

The memory is a queue of the last 10,000 vectors l of training, without gradient. A batch searches it and is then
appended; while it is empty, m = l.

Deviations from the code. The memory is saved with the weights and only changes in training: the code also appends
validation and test sessions, where a longer prefix of a session, which contains the target, may come before a shorter
one. It is not emptied between epochs. Training is shuffled, the code's is not. torch.nn.GRU resets after the product
with the recurrent weights, the code before. As in the code: the gates' biases start at one, weights are normal with
variance 2 / (rows of the matrix).

The loss of a training batch depends on the batches before it; scores depend only on the session.

Reported on Diginetica, HITS@20 / MRR@20 in percent. About 50.6 / 16.4 on the standard split, from memory (51.69 / 16.92
is also in circulation); 42.58 / 14.21 on session-rec's five windows [read at the source, rn5l/session-rec,
docs/umuai/tables_window]; 28.04 / 7.30 on the HierSRec paper's own file, read at the source.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model.losses import cross_entropy
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions

MEMORY = 10_000
"""Vectors in the memory, as in the code."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of CSRM."""

    width: Annotated[int, Ge(1)] = 100
    """D, of item vectors and of each state."""
    max_length: Annotated[int, Ge(1)] = 50
    """Most items of a session; the newest are kept."""
    neighbours: Annotated[int, Ge(1)] = 256
    """Vectors of the memory that are read; memory_size in the code."""
    input_dropout: Annotated[float, Ge(0), Lt(1)] = 0.25
    """Dropout of the item vectors."""
    output_dropout: Annotated[float, Ge(0), Lt(1)] = 0.5
    """Dropout of the gated state, before B."""


def build(config: Config, catalog: Catalog, train: Sessions | None) -> "Csrm":
    """The untrained model; the training sessions are not needed to build it."""
    del train
    return Csrm(config, catalog.num_items)


class Csrm(Trainable):
    """Two encoders, memory and gate; see the top of the file."""

    memory: Tensor
    """(MEMORY, D) float32: ring buffer of the vectors."""
    written: Tensor
    """() int64: number of vectors ever written."""

    def __init__(self, config: Config, num_items: int) -> None:
        super().__init__()
        width = config.width
        self.max_length = config.max_length
        self.neighbours = config.neighbours
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.output_dropout = nn.Dropout(config.output_dropout)
        self.items = nn.Embedding(num_items + 1, width, padding_idx=0)
        self.overall = nn.GRU(width, width, batch_first=True)  # GRU_g
        self.local = nn.GRU(width, width, batch_first=True)  # GRU_l
        self.query = nn.Linear(width, width, bias=False)  # A_1
        self.key = nn.Linear(width, width, bias=False)  # A_2
        self.score = nn.Linear(width, 1, bias=False)  # v
        self.gate = nn.Linear(3 * width, 1, bias=False)  # w_l, w_m and w_g
        self.out = nn.Linear(2 * width, width, bias=False)  # B
        self.register_buffer("memory", torch.zeros(MEMORY, width))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))
        self._start()

    def _start(self) -> None:
        """Initialize the weights as the code does."""
        nn.init.normal_(self.items.weight, std=(2 / len(self.items.weight)) ** 0.5)
        width = self.out.out_features
        for layer in (self.query, self.key, self.score, self.gate, self.out):
            nn.init.normal_(layer.weight, std=(2 / (1 if layer is self.score else width)) ** 0.5)
        for gru in (self.overall, self.local):
            for name, biases in gru.named_parameters():
                if name.startswith("bias"):
                    nn.init.zeros_(biases)
                if name.startswith("bias_ih"):
                    nn.init.ones_(biases[: 2 * width])  # reset and update

    def forward(self, items: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        local, overall = self._encode(items, lengths)
        return {"item": self._state(local, overall) @ self.items.weight[1:].T}

    def loss(self, items: Tensor, lengths: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of the next item. In training mode, the batch is then added to the memory."""
        local, overall = self._encode(items, lengths)
        loss = cross_entropy(self._state(local, overall), self.items.weight[1:], None, targets.items - 1)
        if self.training:
            self._remember(local)
        return loss, {"item": loss.detach()}

    def _encode(self, items: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors l and g, (B, D) float32 each."""
        vectors = self.input_dropout(self.items(items))  # (B, T, D)
        row = torch.arange(len(items), device=items.device)
        overall = self.overall(vectors)[0][row, lengths - 1]  # (B, D)
        states = self.local(vectors)[0]  # (B, T, D); padding is last, where no real item reads it
        energy = self.score(torch.sigmoid(self.query(states[row, lengths - 1])[:, None] + self.key(states)))[..., 0]
        weights = energy.masked_fill(items == 0, -torch.inf).softmax(-1)  # (B, T)
        return (weights[:, None] @ states)[:, 0].float(), overall.float()

    def _state(self, local: Tensor, overall: Tensor) -> Tensor:
        """The session vector for the product with the item vectors, (B, D)."""
        memory = self._search(local)
        vectors = (local, memory, overall)
        local, memory, overall = (functional.layer_norm(vector, vector.shape[-1:], eps=1e-10) for vector in vectors)
        gate = torch.sigmoid(self.gate(torch.cat([local, memory, overall], -1)))  # (B, 1)
        both = gate * torch.cat([local, overall], -1) + (1 - gate) * torch.cat([memory, memory], -1)  # (B, 2 D)
        state: Tensor = self.out(self.output_dropout(both))
        return state

    def _search(self, local: Tensor) -> Tensor:
        """m: local (B, D) float32 -> (B, D) float32. In float32, since bf16 has too few distinct cosines."""
        held = min(int(self.written), MEMORY)
        if not held:
            return local
        memory = self.memory[:held].clone()  # unchanged for the backward pass
        with torch.autocast(local.device.type, enabled=False):
            cosine = functional.normalize(local) @ functional.normalize(memory).T  # (B, held)
            best = cosine.topk(min(self.neighbours, held))
            weights = torch.zeros_like(cosine).scatter(1, best.indices, best.values.softmax(-1))
            return weights @ memory

    def _remember(self, local: Tensor) -> None:
        """Append (B, D) to the queue, overwriting the oldest."""
        newest = local.detach()[-MEMORY:]
        slots = (self.written + torch.arange(len(newest), device=local.device)) % MEMORY
        self.memory[slots] = newest
        self.written += len(newest)
