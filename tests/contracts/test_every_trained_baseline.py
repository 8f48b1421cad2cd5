"""What trained baselines promise beyond what every scorer does: they learn, and every weight gets a gradient."""

import copy

import pytest
import torch

from hiersrec.config import BaselineRecipe
from hiersrec.model.targets import Targets
from hiersrec.model.trainable import Trainable
from hiersrec.recipe_file import RECIPES, read_recipe
from hiersrec.store.batches import whole_sessions
from tests.contracts.models import distinct_recipes, untrained
from tests.contracts.scorers import shop
from tests.toy import walks

pytestmark = pytest.mark.slow

BASELINES = {name: recipe for name, recipe in distinct_recipes().items() if isinstance(recipe, BaselineRecipe)}


@pytest.fixture(params=BASELINES)
def model(request) -> Trainable:
    return untrained(BASELINES[request.param], shop().data)


def batch_for(model: Trainable, count: int = 40) -> tuple[torch.Tensor, torch.Tensor, Targets]:
    """A batch of prefixes and what follows them."""
    sessions = [walk for walk in walks(count, seed=5) if len(walk) > 1]
    batch = whole_sessions([walk[:-1] for walk in sessions], model.max_length)
    items, lengths = torch.from_numpy(batch.items).long(), torch.from_numpy(batch.lengths).long()
    return items, lengths, Targets(torch.tensor([walk[-1] for walk in sessions]))


def test_the_walk_finds_them() -> None:
    assert {"any/csrm", "any/tagnn", "any/cotrec"} <= set(BASELINES)


def test_gradients_reach_every_parameter(model) -> None:
    model.eval()  # dropout could silence a small layer
    loss = torch.zeros(())
    for _ in range(2):  # a memory is empty at first
        model.train()
        model.loss(*batch_for(model))
        model.eval()
        loss = loss + model.loss(*batch_for(model))[0]
    loss.backward()

    asleep = [name for name, one in model.named_parameters() if one.grad is None or one.grad.abs().max() == 0]

    assert asleep == []


def test_the_loss_is_a_number_and_so_is_each_part(model) -> None:
    loss, each = model.loss(*batch_for(model))

    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert "item" in each
    assert all(torch.isfinite(one) for one in each.values())


@pytest.mark.parametrize("name", BASELINES)
def test_gradients_are_the_same_on_two_threads_however_often(name) -> None:
    """At full width, where torch divides the work: sums must not depend on which thread comes first."""
    full = untrained(read_recipe(RECIPES / f"{name}.toml"), shop().data)
    batch = batch_for(full, 200)

    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = copy.deepcopy(full)
        model.loss(*batch)[0].backward()
        return [one.grad for one in model.parameters() if one.grad is not None]

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, *others = (gradients() for _ in range(3))
    finally:
        torch.set_num_threads(threads)

    assert all(torch.equal(one, twin) for other in others for one, twin in zip(first, other, strict=True))


def test_it_learns_one_batch_by_heart(model) -> None:
    batch = batch_for(model, 12)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss, each = model.loss(*batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(each["item"]))

    assert losses[-1] < 0.5 * losses[0]


def test_scoring_leaves_its_state_alone(model) -> None:
    model.loss(*batch_for(model))
    before = {name: value.clone() for name, value in model.state_dict().items()}

    model.eval()
    with torch.inference_mode():
        model(*batch_for(model)[:2])

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
