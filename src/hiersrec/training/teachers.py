"""Teachers: finished runs on the same dataset folder, whose predictions share in the target (model/soft_targets/).

They say at each step what they hold likely, without dropout; a step takes as much longer as it takes them to say it.
"""

from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hiersrec.build import WEIGHTS, Run, open_run
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
    """One or more models that know the same items."""

    models: tuple[HierarchicalModel, ...]
    share: float
    """Of the right answer that is theirs."""
    told: tuple[dict[str, Any], ...]
    """Of each, for run.json: path, recipe and SHA-256 of its weights."""

    def to(self, device: torch.device) -> None:
        """Move them."""
        for one in self.models:
            one.to(device)

    def teach(self, step: Step, dtype: torch.dtype) -> Targets:
        """The targets of a step, with the mean of what the teachers hold likely, in `dtype`."""
        with torch.no_grad():
            total = reduce(Tensor.add_, (_likely(one, step) for one in self.models))  # (B, N)
        return replace(step.targets, taught=Taught((total / len(self.models)).to(dtype), self.share))


def _likely(model: HierarchicalModel, step: Step) -> Tensor:
    """Its probabilities of all items after each prefix of a step, as it was trained: (B, N) float32."""
    session = model.encode(step.items, step.lengths, step.targets.every)
    return model.predict(session)["item"].float().softmax(-1)


def open_teachers(recipe: Recipe, model: Trainable, dataset: Dataset) -> Teachers | None:
    """Open the teachers that a recipe names for `model`; None if it names none.

    Raises BadRecipe if the model can't be taught or a teacher can't teach it, BadFolder if that is no finished run.
    """
    if recipe.training is None or not recipe.training.teachers:
        return None
    found, told = [], []
    for name in recipe.training.teachers:
        with torch.random.fork_rng([]):  # opening builds a model, whose draws must not move those of the training
            run = open_run(Path(name))
        found.append(_teacher(run, model, dataset, recipe.training))
        weights = run.document["files"][WEIGHTS]["sha256"]
        told.append({"path": str(run.folder.resolve()), "recipe": run.recipe.name, "sha256": weights})
    return Teachers(tuple(found), recipe.training.teachers_share, tuple(told))


def _teacher(run: Run, model: Trainable, dataset: Dataset, config: Training) -> HierarchicalModel:
    """The model of a run, which learns no more. Raises BadRecipe if it can't teach `model`."""
    where = f"[training] teachers: {run.folder}"
    if not isinstance(run.scorer, ModelScorer):
        raise BadRecipe(f"{where} holds '{run.recipe.name}', a rival. Name a run of a recipe with [[tasks]].")
    if run.document["dataset"]["fingerprint"] != dataset.fingerprint:
        raise BadRecipe(
            f"{where} was trained on {run.document['dataset']['path']}, whose items or their counts are other than "
            f"those of {dataset.folder}. Name a run that was trained on this folder."
        )
    assert run.recipe.training is not None, "our own recipes have it"
    if run.recipe.training.refit and not config.refit:
        raise BadRecipe(
            f"{where} was trained on the validation sessions too (refit), so what is measured on them would be too "
            "good. Name a run that was not, or set training.refit=true."
        )
    teacher = run.scorer.model
    if config.positions == "all" and not teacher.encoder.causal:
        raise BadRecipe(
            f'{where} holds an encoder that knows later items, and with positions = "all" these are the answers. Name '
            'another run, or train with positions = "last".'
        )
    if teacher.max_length < model.max_length:
        raise BadRecipe(
            f"{where} takes {teacher.max_length} items of a session, fewer than the {model.max_length} of the recipe. "
            "Name another run, or set encoder.max_length."
        )
    return teacher.requires_grad_(False)
