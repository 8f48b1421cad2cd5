"""The model: inputs, encoder, pooling, and tasks in the order of the recipe (paper, eq. 1-7, figure 1).

Hierarchy is data. A task reads z_final and the outputs of the earlier tasks it names:

    h = z_final + injection_weight * sum_t Proj_t(f(p_t))                                          (eq. 3, 4)

where p_t are the logits of task t and f is the identity (the paper) or softmax. An item task that reads every category
is the paper's model; one that reads nothing is multi-task learning where there are category tasks, and single-task
learning where there are none.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hiersrec.model import loss_weights, losses
from hiersrec.model.heads import Head
from hiersrec.model.inputs import Inputs
from hiersrec.model.pooling import Pooling
from hiersrec.model.score_term import (
    Choice,
    ItemTerm,
    PairTerm,
    PositionTerm,
    ScoreTerm,
    SparseScores,
    by_item,
    position_values,
)
from hiersrec.model.targets import Targets
from hiersrec.model.tasks._tree import TreeHead
from hiersrec.model.trainable import Trainable
from hiersrec.model.wiring import Task, Wiring
from hiersrec.score_parts import against_average
from hiersrec.types import Float32, ScorePart


class Session(NamedTuple):
    """What the model makes of B sessions, or of their P prefixes."""

    final: Tensor
    """z_final (B, D)."""
    sparse: SparseScores | None
    """What the sessions' own items add to their scores; None where no term does."""
    pairs: tuple[SparseScores, ...] = ()
    """What their items add to the scores of others after training, by pair term."""


class HierarchicalModel(Trainable):
    """Items (B, T) and lengths (B,) -> logits of each task. `tasks` and `wiring` have the same keys, in order.

    terms: what is added to the item scores, by name; their tensors stand under these names in the file of weights.
    """

    def __init__(
        self,
        inputs: Inputs,
        encoder: nn.Module,
        pooling: Pooling,
        tasks: Mapping[str, nn.Module],
        wiring: Mapping[str, Wiring],
        terms: Mapping[str, ScoreTerm],
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.encoder = encoder
        self.max_length = cast("int", encoder.max_length)
        self.pooling = pooling
        self.tasks = nn.ModuleDict(tasks)
        self.wiring = dict(wiring)
        for name, term in terms.items():
            self.add_module(name, term)
        self.register_load_state_dict_pre_hook(_former_names)  # type: ignore[no-untyped-call]
        self.projections = nn.ModuleDict(
            {
                _edge(source, reader): nn.Linear(self.task(source).num_classes, inputs.width, bias=False)
                for reader, wires in wiring.items()
                for source in wires.reads
            }
        )
        # From zero on: drawn at random, those of few classes are longer than z_final itself and drown it.
        for projection in self.projections.values():
            nn.init.zeros_(projection.get_parameter("weight"))
        self.loss_weights = nn.ModuleDict(
            {
                name: loss_weights.of_loss(wires.loss_weight, f"{name}.weight")
                for name, wires in wiring.items()
                if not isinstance(tasks[name], TreeHead)
            }
        )
        self.injection_weights = nn.ModuleDict(
            {
                name: loss_weights.of_injection(wires.injection_weight, f"{name}.injection_weight")
                for name, wires in wiring.items()
                if wires.reads
            }
        )

    def task(self, name: str) -> Task:
        return cast("Task", self.tasks[name])

    @property
    def _head(self) -> Head:
        return cast("Head", self.tasks["item"])

    @property
    def predicted(self) -> list[str]:
        """Names of the tasks that are predicted, in order: all but a tree head that is not fitted yet."""
        return [name for name, task in self.tasks.items() if not (isinstance(task, TreeHead) and not task.is_fitted)]

    @property
    def tree_head(self) -> TreeHead | None:
        """The head that is fitted after training, if there is one."""
        return next((task for task in self.tasks.values() if isinstance(task, TreeHead)), None)

    def item_vectors(self) -> Tensor:
        """The vectors of all items that the item task compares with its query: (N, d)."""
        return self._head.vectors()

    def encode(self, items: Tensor, lengths: Tensor, every: bool = False) -> Session:
        """Items (B, T) int64, right-padded with 0, and lengths (B,) from 1 -> the B sessions.

        With `every`, each prefix of the sessions, P being the sum of the lengths: an encoder that is causal has them
        all in one pass.
        """
        mask = torch.arange(items.shape[1], device=items.device) < lengths[:, None]  # (B, T)
        final, values = self._read(items, mask, every)
        sparse = by_item(items, mask, sum(values[1:], values[0])) if values else None
        if every:
            real = mask.flatten().nonzero()[:, 0]  # (P,)
            final = final.flatten(0, 1).index_select(0, real)  # (P, D)
        if self.training:
            return Session(final, sparse)
        return Session(final, sparse, tuple(term(items, mask, every) for term in self.pair_terms.values()))

    def _read(self, items: Tensor, mask: Tensor, every: bool) -> tuple[Tensor, list[Tensor]]:
        """z_final (B, D), or of every position (B, T, D), and what each position adds (B, P, T), by position term."""
        states = self.encoder(self.inputs(items), mask)
        assert self.encoder.causal or not every, "a state that knows later items knows the answers"
        final = self.pooling.running(states) if every else self.pooling(states, mask)
        return final, position_values(self.position_terms.values(), states, mask, final)

    @property
    def position_terms(self) -> dict[str, PositionTerm]:
        return {name: term for name, term in self.named_children() if isinstance(term, PositionTerm)}

    @property
    def pair_terms(self) -> dict[str, PairTerm]:
        """Those that have pairs."""
        return {name: term for name, term in self.named_children() if isinstance(term, PairTerm) and len(term.others)}

    @property
    def choices(self) -> dict[str, Choice]:
        """What score terms choose after training, by the name of the term."""
        terms: dict[str, PositionTerm | PairTerm] = {**self.position_terms, **self.pair_terms}
        return {name: choice for name, term in terms.items() if (choice := term.choice) is not None}

    @property
    def item_terms(self) -> dict[str, ItemTerm]:
        return {name: term for name, term in self.named_children() if isinstance(term, ItemTerm)}

    def forward(self, items: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Logits (B, num_classes) of every task, by name, in the order of the recipe."""
        return self.scores(self.encode(items, lengths))

    def scores(self, session: Session, vectors: Tensor | None = None) -> dict[str, Tensor]:
        """The logits of `forward` for encoded sessions. vectors: `item_vectors`, where they are known."""
        logits = self.predict(session, vectors)
        if not self.training:
            for term in self.item_terms.values():
                logits["item"] += term()
            for sparse in session.pairs:
                logits["item"] = sparse.add_to(logits["item"])
        return logits

    def predict(self, session: Session, vectors: Tensor | None = None) -> dict[str, Tensor]:
        """The logits that are trained: those of `forward` without what is added after training."""
        logits: dict[str, Tensor] = {}
        for name in self.predicted:
            logits[name] = self._logits(name, self.state(name, session.final, logits), session, vectors)
        return logits

    def _logits(self, name: str, state: Tensor, session: Session, vectors: Tensor | None = None) -> Tensor:
        if name != "item":
            return self.task(name)(state)
        logits: Tensor = self._head(state, vectors)
        return logits if session.sparse is None else session.sparse.add_to(logits)

    def state(self, name: str, session: Tensor, logits: Mapping[str, Tensor]) -> Tensor:
        """What a task reads: z_final (B, D) plus the projected predictions of the tasks it names -> (B, D)."""
        wires = self.wiring[name]
        state = session
        for source in wires.reads:
            state = state + self.injection_weights[name]() * self.projections[_edge(source, name)](
                _prediction(logits[source], wires.reads_as)
            )
        return state

    def loss(self, items: Tensor, lengths: Tensor, targets: Targets) -> tuple[Tensor, dict[str, Tensor]]:
        """Combined loss (scalar) and the unweighted loss of each task, for the last positions or for every one."""
        session = self.encode(items, lengths, targets.every)
        read = {source for wires in self.wiring.values() for source in wires.reads}
        logits: dict[str, Tensor] = {}
        each: dict[str, Tensor] = {}
        for name in self.loss_weights:  # all but a tree head, which is fitted later
            state = self.state(name, session.final, logits)
            if name == "item":
                each[name] = self._head.loss(state, targets, session.sparse)
            else:
                each[name] = self.task(name).loss(state, targets)
            if name in read:
                logits[name] = self._logits(name, state, session)
        return losses.combined(each, _by_name(self.loss_weights)), each

    def start_epoch(self, seed: int, epoch: int) -> None:
        """Draw the random weights of an epoch (from 0), which only (seed, epoch) decides."""
        for module in self.modules():
            if isinstance(module, loss_weights.RandomWeight):
                module.draw(seed, epoch)

    def moving_weights(self) -> dict[str, dict[str, float]]:
        """The weights in force that are not fixed, by key of the recipe and name of the task; {} if all are fixed."""
        moving = {
            "weight": loss_weights.moving(_by_name(self.loss_weights)),
            "injection_weight": loss_weights.moving(_by_name(self.injection_weights)),
        }
        return {key: values for key, values in moving.items() if values}

    @torch.inference_mode()
    def explain(self, session_items: Tensor, items: Tensor, average: Tensor | None = None) -> list[ScorePart]:
        """Split the item scores of one session: session_items (1, T) without padding, items (K,) -> parts.

        Their values sum to the scores of `items`: the session's own part, the head's bias, each score term, and for
        each task that the item task reads, injection_weight * v . Proj(f(p)), class by class; all against the average
        item (score_parts.py). average: (d,), the mean of `item_vectors`, where it is known.
        """
        mask = torch.ones_like(session_items, dtype=torch.bool)
        final, values = self._read(session_items, mask, every=False)
        logits: dict[str, Tensor] = {}
        wires = self.wiring["item"]
        for name in self.predicted:
            if name == "item":
                break
            logits[name] = self.task(name)(self.state(name, final, logits))
        average = self.item_vectors().mean(0) if average is None else average
        vectors = torch.cat([self._head.vectors(items), average[None]])  # (K + 1, d): the last row is the average item
        vectors = self._head.linear_form(self.state("item", final, logits)[0], vectors)  # (K + 1, D)
        biases = self._head.biases()
        of_items = {"bias": vectors.new_zeros(self._head.num_classes) if biases is None else biases}
        of_items |= {term.label: term() for term in self.item_terms.values()}
        parts = [ScorePart("session", _array(vectors @ final[0]), None)]
        parts += [
            ScorePart(label, _array(torch.cat([every[items - 1], every.mean()[None]])), None)
            for label, every in of_items.items()
        ]
        added = {
            term.label: by_item(session_items, mask, of_positions)
            for term, of_positions in zip(self.position_terms.values(), values, strict=True)
        }
        added |= {term.label: term(session_items, mask, every=False) for term in self.pair_terms.values()}
        for label, sparse in added.items():
            total = ((items[:, None] == sparse.classes + 1) * sparse.values).sum(1)  # (K, M) -> (K,)
            parts.append(ScorePart(label, _array(functional.pad(total, (0, 1))), None))
        for source in wires.reads:
            projection = self.projections[_edge(source, "item")].get_parameter("weight")  # (D, C)
            prediction = _prediction(logits[source][0], wires.reads_as)  # (C,)
            by_class = self.injection_weights["item"]() * (vectors @ projection) * prediction  # (K + 1, C)
            parts.append(ScorePart(source, _array(by_class.sum(1)), _array(by_class)))
        return against_average(parts)


def _former_names(model: HierarchicalModel, state: dict[str, Tensor], prefix: str, *rest: object) -> None:
    """In weights of older runs the values of an item term stand under the name of the term itself.

    A hook of the term would come too late: a module is given no tensors but those whose names begin with its own.
    """
    del rest
    for name in model.item_terms:
        if f"{prefix}{name}" in state:
            state[f"{prefix}{name}.values"] = state.pop(f"{prefix}{name}")


def _edge(source: str, reader: str) -> str:
    return f"{source}_to_{reader}"


def _by_name(of: nn.ModuleDict) -> Mapping[str, loss_weights.Weight]:
    return cast("Mapping[str, loss_weights.Weight]", of)  # a ModuleDict is one, in all but its type


def _prediction(logits: Tensor, reads_as: Literal["logits", "probs"]) -> Tensor:
    return logits.softmax(-1) if reads_as == "probs" else logits


def _array(values: Tensor) -> Float32:
    return values.float().cpu().numpy()
