"""The exported graph and tables give what the model gives, whatever its encoder, pooling, head and tasks."""

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from hiersrec import registry
from hiersrec.config import Component, ModelRecipe
from hiersrec.model import exported
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.types import Batch, Float32
from tests.model.world import N, batch, model, recipe, tensors, tree

pytestmark = pytest.mark.slow

SETTINGS = {
    "transformer": {"heads": 2, "layers": 1, "feedforward": 2},
    "gru": {"layers": 2},
    "narm": {},
    "stamp": {},
    "mean": {},
}


def with_encoder(name: str, pooling: str, *overrides: str) -> ModelRecipe:
    config = registry.load("model.encoders", name).Config(max_length=10, **SETTINGS[name])
    return dataclasses.replace(recipe(*overrides), encoder=Component(name=name, config=config), pooling=pooling)


def causal(*overrides: str) -> ModelRecipe:
    settings = ("encoder.causal=true", "encoder.positions=forward", "encoder.norm=post", "encoder.layers=1")
    return recipe(*settings, *overrides)


# Each encoder, each pooling, each head and both ways of reading, and graphs of tasks, in as few exports as that takes.
MODELS = {
    "transformer, average": lambda: with_encoder("transformer", "average"),
    "gru, last, linear head, trend": lambda: with_encoder(
        "gru", "last", "tasks.item.head=linear", "tasks.item.trend=0.5"
    ),
    "narm, max, trainable weights": lambda: with_encoder(
        "narm", "max", "tasks.item.injection_weight=trainable", "tasks.item.reads_as=logits"
    ),
    "stamp, attention, metadata": lambda: with_encoder(
        "stamp", "attention", "tasks.item.vectors=id+metadata", "tasks.item.injection_weight=-2.5"
    ),
    "mean, last, dot head": lambda: with_encoder(
        "mean", "last", "tasks.item.head=dot", "inputs.category_width=0", "inputs.metadata_width=0"
    ),
    "causal transformer, cosine of categories, trend": lambda: dataclasses.replace(
        causal("tasks.category.head=cosine", "tasks.item.trend=0.5"), pooling="last"
    ),
    "tasks that read tasks": lambda: tree("action_category_item"),
}


@pytest.fixture(scope="module", params=MODELS)
def made(request) -> HierarchicalModel:
    found = model(MODELS[request.param](), seed=3)
    with torch.no_grad():
        for one in found.parameters():  # biases that start at zero would not be seen
            one.add_(torch.randn(one.shape) * 0.1)
        found.inputs.item_table.weight[0] = 0
    return found.eval()


@pytest.fixture(scope="module")
def graph(made, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "encoder.onnx"
    exported.to_onnx(made, path)
    return path


def run(graph: Path, inputs: Float32, of: Batch) -> dict[str, Float32]:
    session = onnxruntime.InferenceSession(graph)
    given = {"vectors": inputs[of.items], "lengths": of.lengths.astype(np.int64)}
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, given), strict=True))


@pytest.mark.parametrize(("count", "longest"), [(1, 1), (1, 10), (2, 3), (5, 1), (9, 8), (40, 10)])
def test_scores_and_predictions_are_the_models(made, graph, count, longest) -> None:
    of = batch(count, longest)
    with torch.inference_mode():
        expected = {name: value.numpy() for name, value in made(*tensors(of)).items()}

    found = run(graph, exported.input_vectors(made), of)
    vectors, biases = exported.item_vectors(made)

    assert vectors.shape == (N, found["query"].shape[1])
    items = found["query"] @ vectors.T + (0 if biases is None else biases)
    np.testing.assert_allclose(items, expected.pop("item"), rtol=1e-4, atol=1e-4)
    assert list(found) == ["query", "own", "factor", *expected]
    for name, logits in expected.items():
        np.testing.assert_allclose(found[name], logits, rtol=1e-4, atol=1e-4)


def test_padding_changes_nothing(made, graph) -> None:
    of, inputs = batch(6, 5), exported.input_vectors(made)
    wider = Batch(np.pad(of.items, ((0, 0), (0, 4)), constant_values=7), of.lengths)

    for name, value in run(graph, inputs, of).items():
        np.testing.assert_allclose(run(graph, inputs, wider)[name], value, rtol=1e-5, atol=1e-5)


def test_the_query_is_the_sum_of_its_parts(made, graph) -> None:
    """What explanations are made of: own + factor * M_t f(p_t)."""
    found = run(graph, exported.input_vectors(made), batch(7))

    total = found["own"].copy()
    for task, (matrix, reads_as) in exported.reads(made).items():
        prediction = np.exp(found[task]) if reads_as == "probs" else found[task]
        prediction /= prediction.sum(1, keepdims=True) if reads_as == "probs" else 1
        total += found["factor"] * (prediction @ matrix.T)
    assert tuple(exported.reads(made)) == made.wiring["item"].reads
    np.testing.assert_allclose(total, found["query"], rtol=1e-4, atol=1e-4)


def test_the_models_own_outputs_are_those_of_the_graph(made, graph) -> None:
    of = batch(7)
    found, expected = run(graph, exported.input_vectors(made), of), exported.outputs(made, of)

    assert list(found) == list(expected)
    for name, value in expected.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4)


def test_input_vectors_are_the_inputs_of_each_item(made) -> None:
    with torch.inference_mode():
        expected = [made.inputs(torch.tensor([[item]]))[0, 0].numpy() for item in range(N + 1)]

    np.testing.assert_allclose(exported.input_vectors(made), expected, rtol=1e-6)


def test_exporting_leaves_the_model_as_it_was(tmp_path) -> None:
    made = model(with_encoder("gru", "last"))
    before = {name: value.clone() for name, value in made.state_dict().items()}
    modules = [type(one) for one in made.modules()]

    torch.manual_seed(5)
    exported.to_onnx(made, tmp_path / "encoder.onnx")
    drawn = torch.rand(3)

    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert [type(one) for one in made.modules()] == modules
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
