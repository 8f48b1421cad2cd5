"""The model's interface to the rest: numpy batches in, numpy scores out, in float32 and without dropout."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.trainable import Trainable
from hiersrec.types import Batch, Float32, Int32, ScorePart, Scores


class TrainedScorer:
    """A trained model as a Scorer (types.py); each task's loss is of a softmax of its scores.

    The model's weights must stay as they are.
    """

    scores_are_logits: Literal[True] = True

    def __init__(self, model: Trainable) -> None:
        self.model = model

    @property
    def max_length(self) -> int:
        return self.model.max_length

    def score(self, batch: Batch) -> Scores:
        """Scores of every item, and of every class of each other task."""
        with _inference(self.model):
            logits = self._logits(self._tensor(batch.items), self._tensor(batch.lengths))
        items = _with_padding(logits.pop("item"))
        return Scores(items, {name: _with_padding(value) for name, value in logits.items()})

    def _logits(self, items: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        logits: dict[str, Tensor] = self.model(items, lengths)
        return logits

    def _tensor(self, array: Int32) -> Tensor:
        device = next(self.model.parameters()).device
        return torch.from_numpy(array.astype(np.int64)).to(device)


class ModelScorer(TrainedScorer):
    """A HierarchicalModel as a Scorer and Explainer (types.py)."""

    model: HierarchicalModel

    def explain(self, batch: Batch, items: Int32) -> list[ScorePart]:
        """Parts of the scores of `items` (K,) for a batch of one session that is not empty; see Explainer."""
        assert len(batch) == 1, "one session at a time"
        session = batch.items[:, : batch.lengths[0]]
        with _inference(self.model):
            return self.model.explain(self._tensor(session), self._tensor(items), self._average)

    def _logits(self, items: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        return self.model.scores(self.model.encode(items, lengths), self._vectors)

    @cached_property
    def _vectors(self) -> Tensor:
        """Made once: for a batch of 256 sessions those of 43 thousand items take a quarter of the time."""
        return self.model.item_vectors()

    @cached_property
    def _average(self) -> Tensor:
        return self._vectors.mean(0)

    def item_vectors(self) -> Float32:
        """What the item task compares with its query, (N, d) float32, item i in row i - 1."""
        with _inference(self.model):
            return _float32(self._vectors).copy()  # not the scorer's own


def scorer_of(model: Trainable) -> TrainedScorer:
    """The scorer of a model, one that explains where the model can."""
    return ModelScorer(model) if isinstance(model, HierarchicalModel) else TrainedScorer(model)


@contextmanager
def _inference(model: Trainable) -> Iterator[None]:
    """Inference mode, with the model in eval mode until it ends."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def _float32(values: Tensor) -> Float32:
    return values.float().cpu().numpy()


def _with_padding(logits: Tensor) -> Float32:
    """(B, C) -> (B, C + 1) float32 whose column 0, padding, is minus infinity."""
    padded = np.empty((logits.shape[0], logits.shape[1] + 1), np.float32)
    padded[:, 0] = -np.inf
    padded[:, 1:] = _float32(logits)
    return padded
