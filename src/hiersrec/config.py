"""What a recipe says, as frozen dataclasses; recipe_file.py fills them from TOML.

A recipe describes our model ([inputs], [encoder], [[tasks]], [training]) or a rival ([baseline]). Settings of a member
of a registry folder are its own Config, which stands beside it. Config objects stop at build.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from annotated_types import Ge, Gt, Le

from hiersrec.constraints import equals, excludes, is_set, requires

if TYPE_CHECKING:
    from _typeshed import DataclassInstance as Settings

    from hiersrec.model.inputs import Config as InputSettings
else:
    Settings = InputSettings = Any
"""A frozen dataclass: the Config of a member of a registry folder, and that of model/inputs.py."""

DEFAULT_RECIPE = "best"
"""The recipe that commands take and messages advise."""
SHAPES = "decides shapes of weights"
"""Marks settings, in Annotated, which decide how many weights there are and of which shapes."""
REGISTRY = "registry"
"""Marks, in a field's metadata, a mapping that holds the Config of each member of a registry folder."""


def shaping(config: type) -> set[str]:
    """Names of the settings of a Config that decide shapes of weights."""
    hints = get_type_hints(config, include_extras=True)
    return {name for name, hint in hints.items() if SHAPES in getattr(hint, "__metadata__", ())}


@dataclass(frozen=True, kw_only=True)
class Training:
    """Table [training] of a recipe."""

    batch_size: Annotated[int, Ge(1)] = 1024
    """Prefixes a step."""
    positions: Literal["last", "all"] = "last"
    """Train each prefix by itself, or all prefixes of a session in one pass, which needs a causal encoder."""
    learning_rate: Annotated[float, Gt(0)] = 1e-4
    """Of Adam."""
    schedule: Literal["constant", "linear"] = "constant"
    """Keep the learning rate, or let it fall in a straight line to zero over all epochs."""
    epochs: Annotated[int, Ge(1)] = 20
    """At most; early stopping may end before."""
    patience: Annotated[int, Ge(1)] = 3
    """Stop after so many epochs without a better validation MRR@20."""
    weight_decay: Annotated[float, Ge(0)] = 0.0
    """L2 penalty: so many times each weight is added to its gradient."""
    newest_share: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of the training sessions that is used: the newest, which a dataset folder has last."""
    refit: bool = False
    """Train on the validation sessions too. Nothing is measured then, and all `epochs` are trained: a training
    without it shows how many are right."""
    teachers: tuple[str, ...] = ()
    """Runs on the same dataset folder, whose predictions are right answers too (training/teachers.py)."""
    teachers_share: Annotated[float, Ge(0), Le(1)] = 0.5
    """Share of the right answer that goes to what the teachers hold likely; of no use without them."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """Of matrix products in training; "auto" takes bf16 where this processor is clearly faster with it."""
    seed: Annotated[int, Ge(0)] = 0
    """Of initial weights, order of examples and dropout."""


TRAINING_CONSTRAINTS = (
    requires(
        equals("training.positions", "all"),
        equals("encoder.causal", True),
        "states that know later items know the targets",
        'Choose gru, or a transformer with encoder.causal = true and encoder.positions = "forward"; or leave '
        'training.positions at "last".',
    ),
    excludes(
        equals("training.positions", "all"),
        is_set("baseline.name"),
        "baselines train prefix by prefix",
    ),
    excludes(
        is_set("training.teachers"),
        is_set("baseline.name"),
        "baselines have losses of their own",
    ),
    requires(
        equals("training.refit", True),
        equals("training.newest_share", 1),
        "refit trains on all sessions, those of validation too",
    ),
)


@dataclass(frozen=True, kw_only=True)
class RecipeHeader:
    """What stands above the tables of a recipe."""

    name: str
    description: str = ""
    """What it is, in a sentence."""
    pooling: Annotated[Literal["average", "max", "last", "attention"], SHAPES] = "average"
    """How the states of a session become one vector."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A member of a registry folder, and its settings."""

    name: str
    config: Settings


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """One [[tasks]] table: a member of tasks/, and how it stands in the hierarchy."""

    name: str
    weight: Annotated[float, Ge(0)] | Literal["trainable", "random"] = 1.0
    """Weight of its loss, the paper's lambda for a category task: a number, or a rule (model/loss_weights.py)."""
    reads: tuple[str, ...] = ()
    """Earlier tasks whose predictions flow into it; "category_*" stands for all levels."""
    injection_weight: float | Literal["trainable", "random"] = 1.0
    """The paper's lambda_C: a number, or a rule (model/loss_weights.py)."""
    reads_as: Literal["logits", "probs"] = "logits"
    """Feed on raw score vectors (the paper) or on probabilities."""
    config: Settings = None  # type: ignore[assignment]  # recipe_file.py fills it last


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    """A recipe of our model."""

    name: str
    description: str
    pooling: str
    inputs: InputSettings
    encoder: Component
    tasks: tuple[TaskTable, ...]
    training: Training

    def task(self, name: str) -> TaskTable:
        """The first table [[tasks]] of that name."""
        return next(table for table in self.tasks if table.name == name)


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe:
    """A recipe of a rival: one that counts has no training, one that learns by gradient has."""

    name: str
    description: str
    baseline: Component
    training: Training | None


Recipe = ModelRecipe | BaselineRecipe
