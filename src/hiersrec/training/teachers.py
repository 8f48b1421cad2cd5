"""Teachers: finished runs on the same dataset folder, whose predictions share in the target.

    target(j) = (1 - share) [j = y] + share * mean over the teachers of P_teacher(j)

A click picks one item of many that would have done, and teachers say which. Hinton, Vinyals and Dean, Distilling the
Knowledge in a Neural Network, 2015, at temperature 1; of a teacher like the student: Furlanello et al., Born-Again
Neural Networks, ICML 2018. The settings are [training] teachers and teachers_share; the loss is cross_entropy's in
model/losses.py. Teachers predict at each step, without dropout, and the step takes that much longer.
"""

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hiersrec.build import WEIGHTS, LoadedRun, open_run
from hiersrec.config import Recipe, Training
from hiersrec.errors import BadRecipe
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.scorer import ModelScorer
from hiersrec.model.targets import Targets, Taught
from hiersrec.model.trainable import Trainable
from hiersrec.store.dataset import Dataset
from hiersrec.training.examples import Step


@dataclass(frozen=True)
class Teachers:
    """One or more models of the same items."""

    models: tuple[HierarchicalModel, ...]
    share: float
    """Of the target that the teachers decide, from 0 to 1."""
    records: tuple[dict[str, Any], ...]
    """For run.json: path, recipe and SHA-256 of the weights of each."""

    def to(self, device: torch.device) -> None:
        for model in self.models:
            model.to(device)

    def teach(self, step: Step, dtype: torch.dtype) -> Targets:
        """The targets of a step, with the mean of the teachers' probabilities in `dtype`."""
        with torch.no_grad():
            known = zip(self.models, self._vectors, strict=True)
            total = reduce(Tensor.add_, (_probabilities(model, vectors, step) for model, vectors in known))  # (B, N)
        return replace(step.targets, taught=Taught(total.div_(len(self.models)).to(dtype), self.share))

    @cached_property
    def _vectors(self) -> tuple[Tensor, ...]:
        """Of all items, by teacher: made at the first step, since they stay as they are."""
        return tuple(model.item_vectors() for model in self.models)


def _probabilities(model: HierarchicalModel, vectors: Tensor, step: Step) -> Tensor:
    """Of all items after each prefix of a step, without score terms added in inference only: (B, N) float32."""
    session = model.encode(step.items, step.lengths, step.targets.every)
    return model.predict(session, vectors)["item"].float().softmax(-1)


def open_teachers(recipe: Recipe, model: Trainable, dataset: Dataset) -> Teachers | None:
    """Open the teachers that a recipe names for `model`; None if it names none.

    Raises BadRecipe if a teacher can't teach the model, BadFolder if it is no finished run.
    """
    if recipe.training is None or not recipe.training.teachers:
        return None
    models, records = [], []
    for name in recipe.training.teachers:
        with torch.random.fork_rng([]):  # building a model draws weights, which must not shift the training's draws
            run = open_run(Path(name))
        models.append(_teacher(run, model, dataset, recipe.training))
        weights = run.document["files"][WEIGHTS]["sha256"]
        records.append({"path": str(run.folder.resolve()), "recipe": run.recipe.name, "sha256": weights})
    return Teachers(tuple(models), recipe.training.teachers_share, tuple(records))


def _teacher(run: LoadedRun, model: Trainable, dataset: Dataset, config: Training) -> HierarchicalModel:
    """The frozen model of a run. Raises BadRecipe if it can't teach `model`."""
    where = f"[training] teachers: {run.folder}"
    if not isinstance(run.scorer, ModelScorer):
        raise BadRecipe(f"{where} holds '{run.recipe.name}', a baseline. Name a run of a recipe with [[tasks]].")
    if run.document["dataset"]["fingerprint"] != dataset.fingerprint:
        raise BadRecipe(
            f"{where} was trained on {run.document['dataset']['path']}, whose items or item counts differ from "
            f"{dataset.folder}. Name a run that was trained on this folder."
        )
    assert run.recipe.training is not None, "our own recipes have it"
    if run.recipe.training.refit and not config.refit:
        raise BadRecipe(
            f"{where} was trained on the validation sessions too (refit), so validation metrics would be too good. "
            "Name another run, or set training.refit=true."
        )
    teacher = run.scorer.model
    if config.positions == "all" and not teacher.encoder.causal:
        raise BadRecipe(
            f'{where} holds an encoder that reads later items, which are the targets with positions = "all". Name '
            'another run, or train with positions = "last".'
        )
    if teacher.max_length < model.max_length:
        raise BadRecipe(
            f"{where} takes {teacher.max_length} items of a session, fewer than the {model.max_length} of the recipe. "
            "Name another run, or set encoder.max_length."
        )
    for choice in teacher.choices.values():
        choice.number.zero_()  # it was chosen on validation sessions, as the student's own will be
    for term in teacher.pair_terms.values():
        term.clear()  # a step need not count the pairs
    return teacher.requires_grad_(False)
