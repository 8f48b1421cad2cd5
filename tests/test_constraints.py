"""Settings that do not go together are refused in one place, in one form, with a way out."""

import dataclasses

import pytest

from hiersrec import registry
from hiersrec.build import build_model, build_trainable
from hiersrec.config import ModelRecipe
from hiersrec.constraints import above, check, equals, excludes, is_set, requires
from hiersrec.errors import BadRecipe
from hiersrec.recipe_file import find_recipe, read_recipe
from tests.model.world import catalog, recipe

SAMPLED = "tasks.item.softmax=sampled"
REFUSED = {
    "smoothing over drawn items": (
        [SAMPLED, "tasks.item.smoothing=0.1"],
        'tasks.item.smoothing = 0.1 requires tasks.item.softmax "full", since its means are of all items of a '
        'category, and the loss of the others reads drawn items only; got "sampled".',
    ),
    "teachers of drawn items": (
        [SAMPLED, 'training.teachers=["runs/a"]'],
        'training.teachers = ["runs/a"] requires tasks.item.softmax "full"',
    ),
    "decay of rows that no step reads": (
        [SAMPLED, "training.weight_decay=0.1"],
        'tasks.item.softmax = "sampled" requires training.weight_decay 0, since its steps leave most rows of the item '
        "table unread; got 0.1. Set training.weight_decay to 0, or change tasks.item.softmax.",
    ),
    "neighbours without ids": (
        ["inputs.neighbours=4", "inputs.item_width=0", "tasks.item.head=linear"],
        "inputs.neighbours = 4 requires inputs.item_width above 0, since neighbours flow into the item id embedding; "
        "got 0. Set inputs.item_width to above 0, or change inputs.neighbours.",
    ),
    "metadata of a head without": (
        ["tasks.item.head=linear", "tasks.item.vectors=id+metadata"],
        'tasks.item.vectors = "id+metadata" requires tasks.item.head "cosine"',
    ),
    "cosine without ids": (
        ["inputs.item_width=0"],
        'tasks.item.head = "cosine" requires inputs.item_width above 0',
    ),
    "dot of wide states": (
        ["tasks.item.head=dot"],
        'tasks.item.head = "dot" requires inputs.content_width 0, since states must be as wide as the item embeddings; '
        'got 12. Set inputs.category_width and inputs.metadata_width to 0, or tasks.item.head to "cosine".',
    ),
    "cosine of categories without": (
        ["tasks.category.head=cosine", "inputs.category_width=0"],
        'tasks.category.head = "cosine" requires inputs.category_width above 0',
    ),
    "all positions of states that know later items": (
        ["training.positions=all"],
        'training.positions = "all" requires encoder.causal true, since states that know later items know the targets; '
        "got false. Choose gru, or a transformer with encoder.causal = true",
    ),
    "refitting some sessions": (
        ["training.refit=true", "training.newest_share=0.5"],
        "training.refit = true requires training.newest_share 1",
    ),
}


@pytest.mark.parametrize(("overrides", "message"), REFUSED.values(), ids=REFUSED)
def test_settings_that_do_not_go_together(overrides, message) -> None:
    with pytest.raises(BadRecipe) as refusal:
        build_model(recipe(*overrides), catalog())

    assert str(refusal.value).startswith(message)


def test_a_task_that_reads_the_items_needs_all_of_them() -> None:
    base = recipe(SAMPLED)
    category = dataclasses.replace(base.tasks[0], reads=("item",))

    with pytest.raises(BadRecipe, match=r'"sampled" excludes the tasks that read the item task.*got \["category"\]'):
        build_model(dataclasses.replace(base, tasks=(base.tasks[1], category)), catalog())


@pytest.mark.parametrize("override", ["training.positions=all", 'training.teachers=["runs/a"]'])
def test_baselines_train_as_they_are(override) -> None:
    made = read_recipe(find_recipe("csrm", "any"), [override])

    with pytest.raises(BadRecipe, match=r'training\.\w+ = .* excludes baseline\.name, since .*; got "csrm"'):
        build_trainable(made, catalog(), None)


def test_every_constraint_speaks_of_settings_that_there_are() -> None:
    """A misspelt place would never be checked."""
    from hiersrec.build import constraints_of, facts

    made = [read_recipe(find_recipe(name, "any")) for name in ("hiersrec", "sampled", "csrm")]
    known = {place for one in made if isinstance(one, ModelRecipe) for place in facts(one, catalog())}
    known |= {"baseline.name", "encoder.causal"}
    constraints = [item for one in made if isinstance(one, ModelRecipe) for item in constraints_of(one)]

    assert len(constraints) > 5
    for constraint in constraints:
        assert {constraint.feature.setting, constraint.other.setting} <= known


def test_members_keep_their_settings_apart() -> None:
    """Settings of score terms and soft targets are keys of one table."""
    folders = ("model.score_terms", "model.soft_targets")
    configs = [registry.load(folder, name).Config for folder in folders for name in registry.names(folder)]
    configs.append(registry.load("model.tasks", "item").Config)
    names = [field.name for config in configs for field in dataclasses.fields(config)]

    assert len(names) == len(set(names))


def test_score_terms_keep_their_names_and_labels_apart() -> None:
    """Names are those of tensors and of outputs of a graph, labels of reasons; tasks are named there too."""
    modules = {name: registry.load("model.score_terms", name) for name in registry.names("model.score_terms")}
    labels = [
        member.label
        for module in modules.values()
        for member in vars(module).values()
        if isinstance(member, type) and member.__module__ == module.__name__ and hasattr(member, "label")
    ]
    model = build_model(recipe("tasks.item.trend=0", "tasks.item.repeats=false"), catalog())
    taken = {"session", "bias", "query", "own", "factor", *model.wiring, *registry.names("model.tasks")}

    assert len(labels) == len(modules)
    assert len(taken.union(labels)) == len(taken) + len(labels)
    assert not modules.keys() & (taken | dict(model.named_children()).keys())


def test_conditions() -> None:
    rules = [
        requires(above("a", 1), equals("b", "x", "y"), "a looks at b"),
        excludes(is_set("c"), equals("b", "y"), "they say the same", "Leave c out."),
    ]
    check(rules, {"a": 1, "b": "z", "c": []})
    check(rules, {"a": 2, "b": "x", "c": ["d"]})
    check(rules, {"a": 2, "c": ["d"]})

    with pytest.raises(BadRecipe) as first:
        check(rules, {"a": 2, "b": "z"})
    with pytest.raises(BadRecipe) as second:
        check(rules, {"b": "y", "c": ["d"]})

    assert str(first.value) == (
        'a = 2 requires b "x" or "y", since a looks at b; got "z". Set b to "x" or "y", or change a.'
    )
    assert str(second.value) == 'c = ["d"] excludes b "y", since they say the same; got "y". Leave c out.'
