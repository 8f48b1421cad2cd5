"""Each setting of a recipe changes something: a setting that does nothing is a promise that nobody keeps.

The table gives one other value for every field of every Config. What a setting may change: the shapes of the weights,
the scores, the loss in training mode, or how a training goes.
"""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from hiersrec import registry
from hiersrec.build import build_model
from hiersrec.config import Component, ModelRecipe, RecipeHeader, TaskTable, Training, shaping
from hiersrec.model import inputs
from hiersrec.model.scorer import ModelScorer
from hiersrec.model.targets import Targets
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog
from hiersrec.training import loop
from hiersrec.training.progress import SilentReporter
from tests.model.world import batch, catalog, lists, model, recipe, tensors
from tests.toy import toy

Place = tuple[str, str]
OTHERS: dict[Place, dict[str, Any]] = {
    ("head", ""): {"pooling": "last"},
    ("inputs", ""): {
        "item_width": 10,
        "category_width": 8,
        "metadata_width": 0,
        "dropout": 0.4,
        "id_dropout": 0.4,
        "neighbours": 2,
    },
    ("encoder", "transformer"): {
        **{"layers": 1, "heads": 4, "feedforward": 3, "positions": "forward", "norm": "post"},
        **{"causal": True, "max_length": 4, "dropout": 0.4},
    },
    ("encoder", "mean"): {"max_length": 4},
    ("encoder", "gru"): {"layers": 2, "max_length": 4, "dropout": 0.4},
    ("encoder", "narm"): {"max_length": 4, "input_dropout": 0.4, "output_dropout": 0.2},
    ("encoder", "stamp"): {"max_length": 4},
    ("tasks", "item"): {
        **{"head": "linear", "scale": 3.0, "vectors": "id+metadata", "softmax": "sampled", "negatives": 4},
    },
    ("score_terms", "cooccurrence"): {"cooccurrence": 0.5},
    ("score_terms", "repeats"): {"repeats": True, "repeats_offset": 0.5},
    ("score_terms", "trend"): {"trend": 0.5},
    ("soft_targets", "smoothing"): {"smoothing": 0.5},
    ("tasks", "category"): {"level": 1, "head": "cosine", "scale": 3.0, "tree": True},
    ("tasks", "column"): {"column": "brand"},
    ("tasks", "event_type"): {},
    ("table", ""): {"weight": 0.5, "reads": ("category_1",), "injection_weight": 0.5, "reads_as": "logits"},
    ("training", ""): {
        **{"batch_size": 16, "learning_rate": 1e-3, "schedule": "constant", "epochs": 1, "patience": 1},
        **{"positions": "all", "precision": "bf16", "seed": 1, "weight_decay": 0.1, "newest_share": 0.5, "refit": True},
    },
}
NO_SETTINGS = {
    "head": {"name", "description"},
    "table": {"name", "config"},
    "tasks": {"score_terms", "soft_targets"},
    "training": {"teachers", "teachers_share"},
}
"""No settings, and two about other runs (tests/training/test_teachers.py)."""


def configs() -> dict[Place, type]:
    """Every Config there is, by its place in a recipe."""
    found: dict[Place, type] = {("head", ""): RecipeHeader, ("inputs", ""): inputs.Config}
    found |= {("table", ""): TaskTable, ("training", ""): Training}
    for kind in ("encoders", "tasks", "score_terms", "soft_targets"):
        for name in registry.names(f"model.{kind}"):
            place = "encoder" if kind == "encoders" else kind
            found[place, name] = registry.load(f"model.{kind}", name).Config
    return found


CASES = [(place, field) for place, others in OTHERS.items() if place[0] != "training" for field in others]


def test_no_setting_is_left_out() -> None:
    fields = {
        place: {field.name for field in dataclasses.fields(config)} - NO_SETTINGS.get(place[0], set())
        for place, config in configs().items()
    }

    assert {place: set(others) for place, others in OTHERS.items()} == fields


def changed(base: ModelRecipe, place: Place, field: str, value: Any) -> ModelRecipe:
    """The recipe with one setting changed; the item task stands for all tables."""
    kind, name = place
    change = {field: value}
    if kind == "head":
        return dataclasses.replace(base, **change)
    if kind == "inputs":
        return dataclasses.replace(base, inputs=dataclasses.replace(base.inputs, **change))
    if kind == "encoder":
        return dataclasses.replace(
            base, encoder=Component(name=name, config=dataclasses.replace(base.encoder.config, **change))
        )
    if kind == "table":
        return dataclasses.replace(base, tasks=(base.tasks[0], dataclasses.replace(base.tasks[1], **change)))
    if kind in ("score_terms", "soft_targets"):
        members = getattr(base.task("item").config, kind)
        change, name = {kind: {**members, name: dataclasses.replace(members[name], **change)}}, "item"
    tables = tuple(
        dataclasses.replace(one, config=dataclasses.replace(one.config, **change)) if one.name == name else one
        for one in base.tasks
    )
    return dataclasses.replace(base, tasks=tables)


def two_columns() -> Catalog:
    """The catalogue with a second categorical column, so that one of two can be named."""
    known = catalog()
    brand = known.features[0]
    shade = dataclasses.replace(brand, name="shade", values=np.roll(brand.values, 3, axis=0))
    shade.values[0] = 0
    items = known.items.append_column("shade", pa.array([str(code) for code in shade.values[1:, 0]]))
    return dataclasses.replace(known, items=items, features=[*known.features, shade])


def effects(of: ModelRecipe) -> tuple[Any, ...]:
    """Shapes, scores of long sessions, and the loss in training mode, all from one seed."""
    scorer = ModelScorer(model(of, items=two_columns()))
    shapes = {name: tuple(value.shape) for name, value in scorer.model.state_dict().items()}
    scores = scorer.score(whole_sessions(lists(4, longest=9), scorer.max_length)).items.tobytes()
    torch.manual_seed(1)
    scorer.model.train()
    total, each = scorer.model.loss(*tensors(batch(6, longest=4)), Targets(torch.arange(1, 7)))
    return shapes, scores, total.item(), {name: value.item() for name, value in each.items()}


@pytest.mark.parametrize(("place", "field"), CASES, ids=[f"{'.'.join(place)} {field}" for place, field in CASES])
def test_a_setting_of_the_model_changes_it(place, field) -> None:
    base = recipe()
    if place[0] == "encoder" and place[1] != base.encoder.name:
        config = configs()[place](**({"max_length": 10} if field == "max_length" else {}))
        base = dataclasses.replace(base, encoder=Component(name=place[1], config=config))
    if place[0] == "tasks" and place[1] not in [one.name for one in base.tasks]:
        base = dataclasses.replace(base, tasks=(TaskTable(name=place[1], config=configs()[place]()), *base.tasks))

    if (place, field) == (("tasks", "category"), "scale"):
        base = changed(base, place, "head", "cosine")
    if field == "softmax":  # of 8192 drawn items all 12 are among them, as in the full one
        base = changed(base, place, "negatives", 4)
    if field == "negatives":
        base = changed(base, place, "softmax", "sampled")
    if field == "repeats_offset":
        base = changed(base, place, "repeats", True)

    before, after = effects(base), effects(changed(base, place, field, OTHERS[place][field]))

    assert before == effects(base), "the comparison itself must be exact"
    assert before != after


OF_THE_RECIPE = [(place, field) for place, field in CASES if place[1] not in ("gru", "narm", "stamp", "mean", "column")]


@pytest.mark.parametrize(("place", "field"), OF_THE_RECIPE)
def test_settings_say_whether_they_decide_shapes(place, field) -> None:
    """A warm start names those where weights do not fit. Rows for positions and for items are carried over."""
    base = recipe()
    value = "attention" if field == "pooling" else OTHERS[place][field]

    other = changed(base, place, field, value)
    before, after = (model(made, items=two_columns()).state_dict() for made in (base, other))

    own = {"inputs": "inputs.", "encoder": "encoder.", "tasks": "tasks.", "head": "pooling."}.get(place[0], "-")
    shapes = [
        {
            name: tuple(tensor.shape)
            for name, tensor in state.items()
            if name.startswith(own) and "positions" not in name
        }
        for state in (before, after)
    ]
    assert (shapes[0] != shapes[1]) == (field in shaping(configs()[place]))


def outcome(settings: Training) -> tuple[Any, ...]:
    """What a short training leaves: weights, and losses and validation of each epoch."""
    data = toy(train=30, test=10).data
    torch.manual_seed(settings.seed)
    made = build_model(recipe("encoder.causal=true", "encoder.positions=forward"), data.catalog)
    with tempfile.TemporaryDirectory() as folder:
        progress = loop.fit(made, data, settings, Path(folder), SilentReporter())
    weights = {name: value.numpy().tobytes() for name, value in made.state_dict().items()}
    return weights, [(one["loss"], one.get("valid")) for one in progress.history]


BASE = Training(batch_size=32, learning_rate=1e-2, schedule="linear", epochs=2, patience=3, precision="float32")
# Patience shows where nothing gets better: steps too small for float32 leave every weight as it is.
STUCK = dataclasses.replace(BASE, learning_rate=1e-30, epochs=4)


@pytest.mark.slow
@pytest.mark.parametrize("field", OTHERS["training", ""])
def test_a_setting_of_the_training_changes_its_outcome(field) -> None:
    base = STUCK if field == "patience" else BASE
    other = dataclasses.replace(base, **{field: OTHERS["training", ""][field]})

    before = outcome(base)

    assert before == outcome(base), "the comparison itself must be exact"
    assert before != outcome(other)
