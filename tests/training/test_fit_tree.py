"""The tree head learns the item probabilities of a model, summed by path, and nothing else changes."""

import numpy as np
import pytest
import torch

from hiersrec.model.scorer import ModelScorer
from hiersrec.store.paths import PATH, path_probs
from hiersrec.store.sessions import Sessions
from hiersrec.testing.catalogue import batch, catalog, lists, model, recipe
from hiersrec.training import fit_tree as module
from hiersrec.training.examples import examples_of
from hiersrec.training.fit_tree import fit_tree
from hiersrec.training.progress import SilentReporter

TREE = ("tasks.category.tree=true", "tasks.item.repeats=true", "tasks.item.trend=0.5")


def examples():
    return examples_of(Sessions.from_lists(lists(400)), 10, every=False, device=torch.device("cpu"))


def fitted(seed: int = 0):
    made = model(recipe(*TREE))
    fit_tree(made, examples(), 64, seed, SilentReporter())
    return ModelScorer(made)


@pytest.fixture(scope="module")
def scorer():
    return fitted()


@pytest.fixture
def few_steps(monkeypatch) -> None:
    monkeypatch.setattr(module, "STEPS", 5)


def item_sums(scores) -> np.ndarray:
    """Probabilities of the items, a row for each session, summed by path: (B, P)."""
    weights = np.exp(scores.items[:, 1:].astype(np.float64))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.stack([weights[:, catalog().item_nodes[1:, -1] == path].sum(axis=1) for path in range(1, 7)], axis=1)


def test_it_predicts_what_the_items_say_and_they_stay_as_they_are(scorer) -> None:
    before = ModelScorer(model(recipe(*TREE))).score(batch(40))
    after = scorer.score(batch(40))

    assert PATH not in before.tasks
    assert before.items.tobytes() == after.items.tobytes()
    assert all(before.tasks[task].tobytes() == after.tasks[task].tobytes() for task in before.tasks)
    sums, probs = item_sums(after), path_probs(after.tasks[PATH])[:, 1:]
    error = np.abs(probs - sums).mean()
    assert error < 0.02
    assert error < 0.3 * np.abs(sums - sums.mean(axis=0)).mean(), "no better than the mean over the sessions"
    assert not any(parameter.requires_grad for parameter in scorer.model.tree_head.parameters())


def test_the_sums_of_the_head_are_those_of_the_items(scorer) -> None:
    probs = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(12), 3).astype(np.float32))

    sums = scorer.model.tree_head.path_probs(probs)

    nodes = catalog().item_nodes[1:, -1]
    expected = [[float(line[nodes == path].sum()) for path in range(1, 7)] for line in probs.numpy()]
    np.testing.assert_allclose(sums, expected, rtol=1e-6)


@pytest.mark.usefixtures("few_steps")
def test_only_seed_and_weights_decide_and_the_global_random_state_stays(monkeypatch) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second, other = (fitted(seed).model.tree_head.state_dict() for seed in (0, 0, 1))

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["hidden.weight"], other["hidden.weight"])
    torch.manual_seed(0)
    model(recipe(*TREE))  # which draws; what `fit_tree` draws is set back
    drawn = torch.get_rng_state()
    fitted()
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not torch.equal(drawn, state)
    monkeypatch.setattr(module, "MEMORY", 40 * 4 * 32)  # fewer prefixes: another head
    assert not torch.equal(first["hidden.weight"], fitted().model.tree_head.state_dict()["hidden.weight"])


def test_the_rest_of_the_model_is_built_with_the_same_weights() -> None:
    plain, with_tree = model(recipe(*TREE[1:])), model(recipe(*TREE))

    known = with_tree.state_dict()
    assert {name for name in known if name not in plain.state_dict()} == {
        name for name in known if name.startswith("tasks.path.")
    }
    assert all(torch.equal(known[name], value) for name, value in plain.state_dict().items())


@pytest.mark.usefixtures("few_steps")
def test_a_path_that_it_was_not_fitted_to_is_never_likely() -> None:
    scorer = fitted()
    scorer.model.tree_head.fitted[2] = False  # as zeros are, in the rows of paths that were added

    probs = path_probs(scorer.score(batch(20)).tasks[PATH])

    assert (probs[:, 3] == 0).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1)


def test_few_sessions_are_read_again_with_exchanged_clicks(monkeypatch) -> None:
    def lessons(enough: int) -> module.Lessons:
        monkeypatch.setattr(module, "ENOUGH", enough)
        made = model(recipe(*TREE)).eval()
        return module._lessons(made, made.tree_head, examples(), 64, 0, SilentReporter())

    count = len(examples())
    once, some, all_of_them, again = (lessons(enough) for enough in (0, count + 1, 2**16, 2**16))

    assert len(once.states) == count < len(some.states) < 2 * count
    assert len(all_of_them.states) == 3 * count
    assert torch.equal(once.states, all_of_them.states[:count])
    assert not torch.equal(once.path_probs, all_of_them.path_probs[count : 2 * count])
    assert torch.equal(all_of_them.path_probs, again.path_probs)


def test_exchanged_clicks_are_others_of_the_batch_and_padding_stays() -> None:
    random = torch.Generator().manual_seed(0)
    items = torch.randint(1, 2**40, (200, 8), generator=random) * (torch.rand(200, 8, generator=random) < 0.7)

    changed = module.exchanged(items, 0.25, random)

    assert torch.equal(module.exchanged(items, 0.0, random), items)
    assert ((changed == 0) == (items == 0)).all()
    assert set(changed.flatten().tolist()) <= set(items.flatten().tolist())
    assert 0.2 < float((changed != items)[items > 0].float().mean()) < 0.3
