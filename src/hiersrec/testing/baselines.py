"""What baselines promise: the contract of scorers; and those trained by gradient learn, through every weight."""

import copy
import dataclasses
from typing import Any

import torch

from hiersrec import registry
from hiersrec.config import BaselineRecipe, Component, Training
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable
from hiersrec.store.batches import whole_sessions
from hiersrec.testing.checks import check_config, check_parameters_get_gradients, two_threads
from hiersrec.testing.recipes import trained, untrained
from hiersrec.testing.scorers import check_scorer, counted, shop
from hiersrec.testing.toy import walks

FOLDER = "baselines"
QUICK = Training(batch_size=256, learning_rate=1e-2, epochs=2, precision="float32")


def check_baseline(name: str) -> None:
    """Raise AssertionError for the first promise that the baseline `name`, with its default settings, breaks."""
    module = registry.load(FOLDER, name)
    check_config(module)
    if hasattr(module, "fit"):
        check_scorer(counted(name))
        return
    full = recipe_of(name)
    fields = {field.name for field in dataclasses.fields(module.Config)}
    small = {key: size for key, size in {"width": 8, "max_length": 6}.items() if key in fields}
    for check in CHECKS:
        check(recipe_of(name, **small))
    threads_change_no_gradient(full)
    check_scorer(trained(name, recipe_of(name, **small)))


def recipe_of(name: str, **settings: Any) -> BaselineRecipe:
    """A quick training of a baseline."""
    config = registry.load(FOLDER, name).Config(**settings)
    component = Component(name=name, config=config)
    return BaselineRecipe(name=name, description="", baseline=component, training=QUICK)


def _batch_for(model: Trainable, count: int = 40) -> tuple[torch.Tensor, torch.Tensor, Targets]:
    """A batch of prefixes and what follows them."""
    sessions = [walk for walk in walks(count, seed=5) if len(walk) > 1]
    batch = whole_sessions([walk[:-1] for walk in sessions], model.max_length)
    items, lengths = torch.from_numpy(batch.items).long(), torch.from_numpy(batch.lengths).long()
    return items, lengths, Targets(torch.tensor([walk[-1] for walk in sessions]))


def gradients_reach_every_parameter(recipe: BaselineRecipe) -> None:
    """After two steps, as a memory is empty at first."""
    model = untrained(recipe, shop().data)
    model.eval()  # dropout could silence a small layer
    loss = torch.zeros(())
    for _ in range(2):
        model.train()
        model.loss(*_batch_for(model))
        model.eval()
        loss = loss + model.loss(*_batch_for(model))[0]
    loss.backward()  # type: ignore[no-untyped-call]
    check_parameters_get_gradients(model)


def loss_is_a_number(recipe: BaselineRecipe) -> None:
    """And so is each of its parts."""
    model = untrained(recipe, shop().data)
    loss, each = model.loss(*_batch_for(model))
    assert loss.shape == (), f"the loss has the shape {tuple(loss.shape)}"
    assert torch.isfinite(loss), "the loss is NaN or infinite"
    assert "item" in each, "the loss of the task 'item' is missing"
    assert all(torch.isfinite(one) for one in each.values()), "a part of the loss is NaN or infinite"


def threads_change_no_gradient(recipe: BaselineRecipe) -> None:
    """At full width, where torch divides the work: sums must not depend on which thread comes first."""
    full = untrained(recipe, shop().data)
    batch = _batch_for(full, 200)

    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = copy.deepcopy(full)
        model.loss(*batch)[0].backward()  # type: ignore[no-untyped-call]
        return [one.grad for one in model.parameters() if one.grad is not None]

    first, *others = two_threads(gradients, 3)
    for other in others:
        assert all(torch.equal(one, twin) for one, twin in zip(first, other, strict=True)), "gradients differ"


def learns_one_batch(recipe: BaselineRecipe) -> None:
    """It learns one batch by heart."""
    model = untrained(recipe, shop().data)
    batch = _batch_for(model, 12)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss, each = model.loss(*batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(each["item"]))
    assert losses[-1] < 0.5 * losses[0], f"the loss fell from {losses[0]:.3f} to {losses[-1]:.3f} only"


def scoring_changes_no_tensor(recipe: BaselineRecipe) -> None:
    """No tensor changes when it predicts."""
    model = untrained(recipe, shop().data)
    model.loss(*_batch_for(model))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.eval()
    with torch.inference_mode():
        model(*_batch_for(model)[:2])
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == [], f"scoring changed {', '.join(changed)}"


CHECKS = (
    gradients_reach_every_parameter,
    loss_is_a_number,
    learns_one_batch,
    scoring_changes_no_tensor,
)
