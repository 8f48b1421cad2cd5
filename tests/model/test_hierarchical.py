"""Equations 2-4 and 7 as wired by the recipe, against loops over the same weights."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from hiersrec.build import build_model
from hiersrec.config import Component
from hiersrec.model.encoders import gru
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.targets import Targets
from hiersrec.store.batches import whole_sessions
from tests.model.world import (
    VARIANTS,
    batch,
    catalog,
    lists,
    mean_encoder,
    model,
    recipe,
    single_task,
    tensors,
    with_tasks,
)

List = list[float]


def linear(weight: list[List], vector: List, bias: List | None = None) -> List:
    sums = [sum(a * b for a, b in zip(row, vector, strict=True)) for row in weight]
    return sums if bias is None else [a + b for a, b in zip(sums, bias, strict=True)]


def softmax(logits: List) -> List:
    total = sum(math.exp(one) for one in logits)
    return [math.exp(one) / total for one in logits]


def slow(made: HierarchicalModel, session: list[int], injection: float, as_probs: bool) -> dict[str, List]:
    """All logits of one session under the encoder that mixes nothing."""
    weights = {name: value.tolist() for name, value in made.state_dict().items()}
    vectors = [made.inputs(torch.tensor([[item]]))[0, 0].tolist() for item in session]
    z_final = [sum(column) / len(session) for column in zip(*vectors, strict=True)]  # average pooling
    state, found = list(z_final), {}
    for level in (1, 2):
        name = f"category_{level}"
        logits = linear(weights[f"tasks.{name}.fc.weight"], z_final, weights[f"tasks.{name}.fc.bias"])  # eq. 2
        fed = softmax(logits) if as_probs else logits
        injected = linear(weights[f"projections.{name}_to_item.weight"], fed)  # eq. 3
        state = [a + injection * b for a, b in zip(state, injected, strict=True)]
        found[name] = logits
    found["item"] = linear(weights["tasks.item.fc.weight"], state, weights["tasks.item.fc.bias"])  # eq. 4
    return found


@pytest.mark.parametrize("injection", [1.0, 0.3, 0.0])
@pytest.mark.parametrize("reads_as", ["logits", "probs"])
def test_predictions_of_categories_flow_into_the_item_task(reads_as, injection) -> None:
    settings = [f"tasks.item.reads_as={reads_as}", f"tasks.item.injection_weight={injection}"]
    made = model(mean_encoder("tasks.item.head=linear", *settings)).eval()
    of = batch(5)

    found = made(*tensors(of))

    sessions = [of.items[row, :length].tolist() for row, length in enumerate(of.lengths)]
    expected = [slow(made, session, injection, reads_as == "probs") for session in sessions]
    assert list(found) == ["category_1", "category_2", "item"]
    for name, logits in found.items():
        np.testing.assert_allclose(logits.detach().numpy(), [one[name] for one in expected], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reads_as", ["logits", "probs"])
def test_a_category_task_may_read_the_coarser_ones(reads_as) -> None:
    """A chain: level 1 -> level 2 -> item, each edge with a projection of its own."""
    base = recipe(f"tasks.item.reads_as={reads_as}")
    category, item = base.tasks
    chain = dataclasses.replace(
        base,
        tasks=(
            dataclasses.replace(category, config=dataclasses.replace(category.config, level=1)),
            dataclasses.replace(
                category,
                config=dataclasses.replace(category.config, level=2),
                reads=("category_1",),
                reads_as=reads_as,
                injection_weight=0.5,
            ),
            dataclasses.replace(item, reads=("category_2",)),
        ),
    )
    made = model(chain).eval()
    given = tensors(batch(4))

    found = made(*given)

    session = made.encode(*given).final
    fed = found["category_1"].softmax(-1) if reads_as == "probs" else found["category_1"]
    state = session + 0.5 * fed @ made.projections["category_1_to_category_2"].weight.T
    torch.testing.assert_close(found["category_2"], made.task("category_2")(state))
    assert sorted(made.projections) == ["category_1_to_category_2", "category_2_to_item"]


def test_projections_have_no_bias_and_the_state_keeps_its_width() -> None:
    made = model(recipe())

    assert {name: tuple(one.weight.shape) for name, one in made.projections.items()} == {
        "category_1_to_item": (20, 2),
        "category_2_to_item": (20, 4),
    }
    assert all(one.bias is None for one in made.projections.values())


def test_multi_task_and_single_task_are_recipes_of_the_same_model() -> None:
    multi, single = model(VARIANTS["multi-task"]()), model(single_task())

    assert (list(multi.tasks), len(multi.projections)) == (["category_1", "category_2", "item"], 0)
    assert (list(single.tasks), len(single.projections)) == (["item"], 0)


def test_a_catalogue_without_categories_makes_the_hierarchy_a_single_task() -> None:
    made = model(recipe(), items=catalog(levels=False, features=False))

    assert list(made.tasks) == ["item"]
    assert made.eval()(*tensors(batch(3)))["item"].shape == (3, 12)


def label_of(task: str, item: int, type_: int) -> int:
    """Class of a next event, 0 where unknown, from the catalogue's tables."""
    if task == "event_type":
        return type_
    if task == "column_brand":
        return int(catalog().features[0].values[item, 0])
    at = int(task[-1]) - 1
    node = int(catalog().item_nodes[item, at])
    return node if node <= catalog().levels[at].num_known else 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_is_that_of_the_logits_weighted(variant) -> None:
    """Eq. 5-7: lambda times each category loss, plus the item loss, from the very logits that forward gives."""
    lambdas = {"category": 0.25, "item": 2.0, "event_type": 0.5, "column": 0.75}
    made = model(with_tasks(VARIANTS[variant](), lambda one: dataclasses.replace(one, weight=lambdas[one.name]))).eval()
    given, targets, types = tensors(batch(9)), torch.arange(4, 13), torch.arange(9) % 3

    total, each = made.loss(*given, Targets(targets, types))

    made.trend = None  # is for inference alone
    expected = {}
    for name, logits in made(*given).items():
        losses = []
        for row, item in enumerate(targets.tolist()):
            label = item if name == "item" else label_of(name, item, types[row].item())
            if label:
                losses.append(-math.log(softmax(logits[row].tolist())[label - 1]))
        expected[name] = sum(losses) / len(losses)
    assert {name: value.item() for name, value in each.items()} == pytest.approx(expected, rel=1e-4)
    weighted = sum(
        lambdas[table] * value for name, value in expected.items() for table in lambdas if name.startswith(table)
    )
    assert total.item() == pytest.approx(weighted, rel=1e-4)


CAUSAL = {
    "transformer": recipe("encoder.causal=true", "encoder.positions=forward"),
    "gru": dataclasses.replace(recipe(), encoder=Component(name="gru", config=gru.Config(max_length=10))),
}


@pytest.mark.parametrize("pooled", ["average", "max", "last", "attention"])
@pytest.mark.parametrize("encoder", CAUSAL)
def test_one_pass_trains_all_prefixes_as_one_by_one(encoder, pooled) -> None:
    made = model(dataclasses.replace(CAUSAL[encoder], pooling=pooled)).eval()
    sessions = lists(6, longest=8)
    rows = [(one[:end], end % 12 + 1, end % 3) for one in sessions for end in range(1, len(one) + 1)]
    targets, types = (torch.tensor([row[at] for row in rows]) for at in (1, 2))

    def gradients(given: list[list[int]], every: bool) -> tuple[float, list[torch.Tensor]]:
        total, _ = made.loss(*tensors(whole_sessions(given, 10)), Targets(targets, types, every))
        return total.item(), list(torch.autograd.grad(total, list(made.parameters())))

    one_pass, one_by_one = gradients(sessions, True), gradients([row[0] for row in rows], False)

    assert one_pass[0] == pytest.approx(one_by_one[0], rel=1e-5)
    for found, expected in zip(one_pass[1], one_by_one[1], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_an_encoder_that_looks_ahead_can_t_train_all_positions() -> None:
    with pytest.raises(AssertionError, match="knows the answers"):
        model(recipe()).loss(*tensors(batch(2)), Targets(torch.arange(1, 10), every=True))


def test_the_item_loss_trains_the_category_heads_through_the_injection() -> None:
    """Jointly, as in the paper: nothing is cut off between the tasks."""
    made = model(recipe())
    _, each = made.loss(*tensors(batch(9)), Targets(torch.arange(4, 13)))

    each["item"].backward()

    assert made.tasks["category_1"].fc.weight.grad.abs().max() > 0
    assert made.tasks["category_2"].fc.weight.grad.abs().max() > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_of_every_variant_learns(variant) -> None:
    made = model(VARIANTS[variant]())
    total, _ = made.loss(*tensors(batch(40)), Targets(torch.arange(40) % 12 + 1, torch.arange(40) % 3))

    total.backward()

    gradients = {name: one.grad for name, one in made.named_parameters()}
    assert [name for name, one in gradients.items() if one is None or one.to_dense().abs().max() == 0] == []


def test_explain_names_its_parts() -> None:
    made = model(recipe()).eval()

    parts = made.explain(torch.tensor([[3, 5]]), torch.tensor([1, 2, 12]))

    assert [one.source for one in parts] == ["session", "bias", "category_1", "category_2", "average_item"]
    assert [one.by_class if one.by_class is None else tuple(one.by_class.shape) for one in parts] == [
        None,
        None,
        (3, 2),
        (3, 4),
        None,
    ]


def weighted(*overrides: str) -> HierarchicalModel:
    """A model in training mode without dropout, so that weights alone decide what differs."""
    return model(recipe("encoder.dropout=0.0", *overrides))


STRATEGIES = [
    "tasks.category.weight=trainable",
    "tasks.item.weight=trainable",
    "tasks.item.injection_weight=trainable",
]


def test_learnt_weights_are_parameters_and_others_leave_no_trace_in_the_file() -> None:
    fixed = set(weighted().state_dict())
    random = set(weighted("tasks.category.weight=random", "tasks.item.injection_weight=random").state_dict())
    learnt = set(weighted(*STRATEGIES).state_dict())

    assert random == fixed
    assert learnt - fixed == {
        *("loss_weights.category_1.value", "loss_weights.category_2.value", "loss_weights.item.value"),
        "injection_weights.item.value",
    }
    assert fixed < learnt
    assert "injection_weights.item.value" not in weighted(*STRATEGIES, "tasks.item.reads=[]").state_dict()


@pytest.mark.parametrize("strategy", ["trainable", "random"])
def test_the_combined_loss_of_each_strategy(strategy) -> None:
    made = weighted(f"tasks.category.weight={strategy}", "tasks.item.weight=0.5")
    made.start_epoch(3, 4)
    with torch.no_grad():
        for level, theta in enumerate([-0.4, 0.6], 1):
            for one in made.loss_weights[f"category_{level}"].parameters():
                one.fill_(theta)
    given = tensors(batch(9)), Targets(torch.arange(4, 13))

    total, each = made.loss(*given[0], given[1])

    losses = {name: value.item() for name, value in each.items()}
    if strategy == "random":
        of_1, of_2 = (made.moving_weights()["weight"][f"category_{level}"] for level in (1, 2))
        assert of_1 != of_2
        expected = of_1 * losses["category_1"] + of_2 * losses["category_2"]
    else:
        expected = math.exp(-0.4) * losses["category_1"] + math.exp(0.6) * losses["category_2"]
    assert total.item() == pytest.approx(expected + 0.5 * losses["item"], rel=1e-5)
    _, plain = weighted("tasks.category.weight=1", "tasks.item.weight=1").loss(*given[0], given[1])
    assert losses == {name: value.item() for name, value in plain.items()}, "each loss is told without its weight"


@pytest.mark.parametrize("reads_as", ["logits", "probs"])
def test_a_learnt_injection_weight_counts_as_a_fixed_one_in_scores_and_explanations(reads_as) -> None:
    made = weighted("tasks.item.injection_weight=trainable", f"tasks.item.reads_as={reads_as}").eval()
    with torch.no_grad():
        next(made.injection_weights["item"].parameters()).fill_(-0.7)
    fixed = weighted("tasks.item.injection_weight=-0.7", f"tasks.item.reads_as={reads_as}").eval()
    session, items = torch.tensor([[3, 5, 9]]), torch.tensor([1, 4, 12])

    parts, expected = made.explain(session, items), fixed.explain(session, items)

    torch.testing.assert_close(made(session, torch.tensor([3])), fixed(session, torch.tensor([3])))
    for part, other in zip(parts, expected, strict=True):
        np.testing.assert_allclose(part.values, other.values, rtol=1e-5, atol=1e-6)
    scores = made(session, torch.tensor([3]))["item"][0, items - 1].detach()
    np.testing.assert_allclose(sum(part.values for part in parts), scores, rtol=1e-5, atol=1e-5)


def test_gradients_reach_the_weights_of_tasks_and_injections() -> None:
    made = weighted(*STRATEGIES)
    total, each = made.loss(*tensors(batch(9)), Targets(torch.arange(4, 13)))

    total.backward()

    for name, loss in each.items():  # at weight 1 the gradient is the loss
        assert made.loss_weights[name].value.grad.item() == pytest.approx(loss.item(), rel=1e-5)
    assert made.injection_weights["item"].value.grad.abs() > 0


def test_a_random_injection_is_that_of_the_draw_in_training_and_of_its_mean_in_evaluation() -> None:
    made, given = weighted("tasks.item.injection_weight=random"), tensors(batch(5))
    mean = weighted("tasks.item.injection_weight=1").eval()(*given)["item"]

    seen = []
    for epoch in range(3):
        made.train().start_epoch(0, epoch)
        drawn = made.moving_weights()["injection_weight"]["item"]
        seen.append(drawn)
        fixed = weighted(f"tasks.item.injection_weight={drawn}")
        torch.testing.assert_close(made(*given)["item"], fixed(*given)["item"])
        torch.testing.assert_close(made.eval()(*given)["item"], mean, rtol=0, atol=0)

    assert len(set(seen)) == 3


def test_draws_are_those_of_seed_and_epoch_whatever_the_model_went_through() -> None:
    settings = ["tasks.category.weight=random", "tasks.item.weight=random", "tasks.item.injection_weight=random"]
    made, other = weighted(*settings), weighted(*settings)
    for epoch in range(3):
        made.start_epoch(7, epoch)

    other.start_epoch(7, 2)

    found = made.moving_weights()
    assert found == other.moving_weights()
    assert {key: list(of) for key, of in found.items()} == {
        "weight": ["category_1", "category_2", "item"],
        "injection_weight": ["item"],
    }
    assert len({one for of in found.values() for one in of.values()}) == 4, "no two draws of an epoch are the same"
    assert weighted().moving_weights() == {}


def test_an_untrained_model_reads_nothing_yet_and_learns_to() -> None:
    """Projections start at zero: drawn at random they would drown z_final where a task has few classes."""
    torch.manual_seed(0)
    made = build_model(recipe(), catalog())
    alone = build_model(recipe("tasks.item.reads=[]"), catalog())
    alone.load_state_dict(made.state_dict(), strict=False)
    given = tensors(batch(6, longest=4))

    assert torch.equal(made.eval()(*given)["item"], alone.eval()(*given)["item"])
    made.loss(*given, Targets(torch.arange(1, 7)))[0].backward()
    assert all(one.weight.grad.abs().max() > 0 for one in made.projections.values())
