"""What every score term promises, with the settings that turn it on: scores, explanations and files agree on it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from hiersrec import registry
from hiersrec.build import build_model
from hiersrec.config import ModelRecipe
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.score_term import ItemTerm, PairTerm, PositionTerm, ScoreTerm
from hiersrec.model.targets import Targets
from hiersrec.store.sessions import Sessions
from hiersrec.testing.catalogue import N, batch, catalog, lists, recipe, tensors
from hiersrec.testing.checks import check_config, check_parameters, check_parameters_get_gradients

FOLDER = "model.score_terms"


def check_score_term(name: str, **settings: Any) -> None:
    """Raise AssertionError for the first promise that the score term `name` breaks under settings that turn it on."""
    for check in CHECKS:
        check(name, settings)


def _recipe(name: str, settings: dict[str, Any]) -> ModelRecipe:
    modules = [f'tasks.item.score_terms=["{name}"]'] if "." in name else []
    return recipe(*modules, *(f"tasks.item.{key}={json.dumps(value)}" for key, value in settings.items()))


def _model(name: str, settings: dict[str, Any]) -> HierarchicalModel:
    torch.manual_seed(0)
    sessions = Sessions.from_lists(lists(40, seed=3))
    return build_model(_recipe(name, settings), catalog(), sessions).eval()


def _term(model: HierarchicalModel, name: str) -> ScoreTerm:
    terms: dict[str, ScoreTerm] = {**model.item_terms, **model.position_terms, **model.pair_terms}
    short = registry.short(name)
    assert short in terms, f"the settings do not turn '{name}' on: the model has {', '.join(terms) or 'no score terms'}"
    return terms[short]


def settings_explain_themselves(name: str, settings: dict[str, Any]) -> None:
    """The settings are a frozen dataclass with a text under each field, and `build` takes what build.py gives."""
    del settings
    module = registry.load(FOLDER, name)
    check_config(module)
    check_parameters(module.build, ["config", "catalog", "width", "max_length", "train"])


def off_by_default(name: str, settings: dict[str, Any]) -> None:
    """With its default settings there is no such term, so that other recipes stay what they are."""
    del settings
    module = registry.load(FOLDER, name)
    term = module.build(module.Config(), catalog(), 8, 10, Sessions.from_lists(lists(40, seed=3)))
    assert term is None, f"'{name}' is there with its default settings"


def has_a_label(name: str, settings: dict[str, Any]) -> None:
    """Which reasons show."""
    label = _term(_model(name, settings), name).label
    assert isinstance(label, str), f"label of '{name}' must be a text for people, got {label!r}"
    assert label.strip(), f"label of '{name}' is empty"


def values_have_their_shape(name: str, settings: dict[str, Any]) -> None:
    """A finite float32 for each item, for each position of each prefix, or for some items of each session."""
    model = _model(name, settings)
    term = _term(model, name)
    if isinstance(term, ItemTerm):
        values, shape = term(), [N]
    elif isinstance(term, PairTerm):
        items = torch.tensor([[1, 2, 3], [4, 0, 0]])
        sparse = term(items, items > 0, every=False)
        values, shape = sparse.values, list(sparse.classes.shape)
        places = list(zip(sparse.rows.tolist(), sparse.classes.tolist(), strict=True))
        assert places == sorted(set(places)), "each place must come once, in order"
    else:
        width = model.inputs.width
        newest = torch.tensor([[4], [2], [0]])
        values, shape = term(torch.randn(3, 5, width), newest, torch.randn(3, 1, width)), [3, 1, 5]
    assert (list(values.shape), values.dtype) == (shape, torch.float32), f"values are {values.dtype} of {values.shape}"
    assert torch.isfinite(values).all(), "a value is NaN or infinite"


def later_positions_change_nothing(name: str, settings: dict[str, Any]) -> None:
    """What a position adds to a prefix does not depend on what follows the prefix."""
    model = _model(name, settings)
    term = _term(model, name)
    if not isinstance(term, PositionTerm):
        return
    states, finals = torch.randn(2, 6, model.inputs.width), torch.randn(2, 1, model.inputs.width)
    newest = torch.full((2, 1), 2)
    changed = states.clone()
    changed[:, 3:] = 7.0
    torch.testing.assert_close(term(states, newest, finals)[..., :3], term(changed, newest, finals)[..., :3])
    torch.testing.assert_close(term(states, newest, finals)[..., :3], term(states[:, :3], newest, finals))


def scores_change_by_its_values(name: str, settings: dict[str, Any]) -> None:
    """Parts of an explanation sum to the score, and one of them is the term's."""
    model = _model(name, settings)
    label = _term(model, name).label
    for session in lists(4, seed=5):
        items = torch.arange(1, N + 1)
        parts = model.explain(torch.tensor([session]), items)
        assert [part.source for part in parts].count(label) == 1, f"reasons must name '{label}' once"
        with torch.inference_mode():
            scores = model(torch.tensor([session]), torch.tensor([len(session)]))["item"][0]
        total = sum(torch.from_numpy(part.values) for part in parts)
        torch.testing.assert_close(total, scores, rtol=1e-4, atol=1e-4)


def training_reaches_its_weights(name: str, settings: dict[str, Any]) -> None:
    """Every parameter of it gets a gradient."""
    model = _model(name, settings)
    term = _term(model, name)
    loss, _ = model.loss(*tensors(batch(30, longest=8)), Targets(torch.arange(30) % N + 1))
    loss.backward()  # type: ignore[no-untyped-call]
    check_parameters_get_gradients(term)


def saved_and_loaded_scores_the_same(name: str, settings: dict[str, Any]) -> None:
    """The file of weights has all that it needs: it is built without training sessions where weights are loaded."""
    model = _model(name, settings)
    _term(model, name)
    again = build_model(_recipe(name, settings), catalog()).eval()
    with tempfile.TemporaryDirectory() as folder:
        safetensors.torch.save_model(model, str(Path(folder) / "weights"))
        safetensors.torch.load_model(again, str(Path(folder) / "weights"))
    given = tensors(batch())
    with torch.inference_mode():
        torch.testing.assert_close(again(*given)["item"], model(*given)["item"])


def a_chosen_number_is_a_factor(name: str, settings: dict[str, Any]) -> None:
    """Scores are linear in a number that is chosen after training: from those with 0 and 1 all others follow."""
    model = _model(name, settings)
    term = _term(model, name)
    choice = None if isinstance(term, ItemTerm) else term.choice
    if choice is None:
        return
    scores = []
    for number in (0.0, 1.0, choice.most):
        choice.number.fill_(number)
        with torch.inference_mode():
            scores.append(model(*tensors(batch()))["item"])
    torch.testing.assert_close(scores[2] - scores[0], choice.most * (scores[1] - scores[0]), rtol=1e-4, atol=1e-4)
    assert not scores[1].equal(scores[0]), f"the number that '{name}' chooses changes no score"


CHECKS = (
    settings_explain_themselves,
    off_by_default,
    has_a_label,
    values_have_their_shape,
    later_positions_change_nothing,
    scores_change_by_its_values,
    training_reaches_its_weights,
    saved_and_loaded_scores_the_same,
    a_chosen_number_is_a_factor,
)
