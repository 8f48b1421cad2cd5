"""What a recipe says, as frozen dataclasses; recipe_file.py fills them from TOML.

A recipe describes our model ([inputs], [encoder], [[tasks]], [training]) or a baseline ([baseline]). The settings of a
member of a registry folder are its Config, in the file of the member. Config objects stop at build.py.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from annotated_types import Ge, Gt, Le

from hiersrec.constraints import equals, excludes, is_set, requires

if TYPE_CHECKING:
    from _typeshed import DataclassInstance as Settings
else:
    Settings = Any
"""A frozen dataclass: the Config of a member of a registry folder, or of model/inputs.py."""

SHAPES = "decides shapes of weights"
"""Marks settings, in Annotated, that decide how many weights there are and their shapes."""
REGISTRY = "registry"
"""Marks, in a field's metadata, a mapping that holds the Config of each member of a registry folder."""
MEMBER = "member"
"""Marks, in a field's metadata, the name of a member of a registry folder."""


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
    """Learning rate of Adam."""
    schedule: Literal["constant", "linear"] = "constant"
    """Keep the learning rate, or let it fall in a straight line to zero over all epochs."""
    epochs: Annotated[int, Ge(1)] | Literal["auto"] = 20
    """Most epochs; early stopping may end before. "auto" chooses by the number of prefixes (training/epochs.py)."""
    patience: Annotated[int, Ge(1)] = 3
    """Stop after this number of epochs without a better validation MRR@20."""
    weight_decay: Annotated[float, Ge(0)] = 0.0
    """L2 penalty: this multiple of each weight is added to its gradient."""
    newest_share: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of the training sessions that is used: the newest, which a dataset folder has last."""
    refit: bool = False
    """Train on the validation sessions too. Nothing is measured then, and all `epochs` are trained: train without it
    first to find their number."""
    teachers: tuple[str, ...] = ()
    """Runs on the same dataset folder, whose predictions share in the target (training/teachers.py)."""
    teachers_share: Annotated[float, Ge(0), Le(1)] = 0.5
    """Weight of the teachers' predictions in the target; ignored without teachers."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """Dtype of matrix products in training; "auto" takes bf16 where this processor is clearly faster with it."""
    seed: Annotated[int, Ge(0), Le(2**63 - 1)] = 0
    """Seed of initial weights, order of examples and dropout."""

    @property
    def total_epochs(self) -> int:
        """`epochs`, once it is a number; run folders hold numbers only."""
        assert isinstance(self.epochs, int), "training/epochs.py comes first"
        return self.epochs


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
    """The keys at the top of a recipe, before its tables."""

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
    inputs: Settings
    encoder: Component
    tasks: tuple[TaskTable, ...]
    training: Training

    def task(self, name: str) -> TaskTable:
        """The first table [[tasks]] of that name."""
        return next(table for table in self.tasks if table.name == name)


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe:
    """A recipe of a baseline: one that counts has no training, one that learns by gradient has."""

    name: str
    description: str
    baseline: Component
    training: Training | None


Recipe = ModelRecipe | BaselineRecipe
