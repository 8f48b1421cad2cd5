"""Recipes as text: what is read, and one plain message for every mistake."""

import dataclasses
from pathlib import Path

import pytest

from hiersrec import registry
from hiersrec.config import BaselineRecipe, Component, ModelRecipe, Recipe, TaskTable, Training
from hiersrec.errors import BadRecipe, HiersrecError, UnknownName
from hiersrec.model import inputs
from hiersrec.recipe_file import RECIPES, find_recipe, read_recipe, recipe_names, write_recipe
from hiersrec.testing.checks import undocumented

ITEM = '[[tasks]]\nname = "item"\n'
FULL = """
name = "mine"
description = "all of it"
[inputs]
item_width = 16
[encoder]
name = "transformer"
heads = 2
[[tasks]]
name = "category"
level = 2
weight = 0.5
[[tasks]]
name = "item"
reads = ["category_2"]
head = "cosine"
scale = 10
[training]
learning_rate = 1
epochs = 3
"""


@pytest.fixture
def read(tmp_path):
    def from_text(text: str, *overrides: str) -> Recipe:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return read_recipe(path, overrides)

    return from_text


def test_a_recipe_of_ours(read) -> None:
    found = read(FULL)

    assert isinstance(found, ModelRecipe)
    assert (found.name, found.description) == ("mine", "all of it")
    assert (found.inputs.item_width, found.inputs.category_width) == (16, 128)
    assert (found.encoder.name, found.encoder.config.heads, found.encoder.config.layers) == ("transformer", 2, 2)
    category, item = found.tasks
    assert (category.name, category.weight, category.config.level) == ("category", 0.5, 2)
    assert (item.reads, item.config.head, item.config.scale) == (("category_2",), "cosine", 10.0)
    assert found.training == Training(learning_rate=1.0, epochs=3)


def test_what_is_left_out_has_its_default(read) -> None:
    found = read(ITEM)

    assert (found.name, found.description) == ("mine", "")
    assert found.encoder.name == "transformer"
    assert found.training == Training()
    assert dataclasses.replace(found.tasks[0], config=None) == TaskTable(name="item")


def test_a_recipe_of_a_rival(read) -> None:
    found = read('[baseline]\nname = "popularity"\n')

    assert isinstance(found, BaselineRecipe)
    assert found.baseline.name == "popularity"


@pytest.mark.parametrize("text", [FULL, ITEM, '[baseline]\nname = "cooccurrence"\n'])
def test_written_and_read_again_it_is_the_same(read, text) -> None:
    found = read(text)

    assert read(write_recipe(found)) == found


MISTAKES = [
    # unknown keys, in every table
    (
        f'pooling = "lost"\n{ITEM}',
        "mine.toml pooling: Input should be 'average', 'max', 'last' or 'attention', got 'lost'.",
    ),
    ('pooling = "last"\n[baseline]\nname = "popularity"\n', "a recipe with [baseline] has no key 'pooling'."),
    (f"{ITEM}[trainin]\n", "mine.toml has no key 'trainin'. Did you mean 'training'?"),
    (f"[inputs]\nitem_widht = 3\n{ITEM}", "[inputs] has no key 'item_widht'. Did you mean 'item_width'?"),
    (f'[encoder]\nname = "mean"\nlayers = 3\n{ITEM}', "[encoder] mean has no key 'layers'. Known: max_length."),
    (f'[encoder]\nname = "transformer"\nlayer = 3\n{ITEM}', "no key 'layer'. Did you mean 'layers'?"),
    (f"{ITEM}injection_wieght = 1\n", "[[tasks]] item has no key 'injection_wieght'. Did you mean 'injection_weight'?"),
    (f"{ITEM}level = 1\n", "[[tasks]] item has no key 'level'."),
    (f"{ITEM}config = 1\n", "[[tasks]] item has no key 'config'."),
    (f"{ITEM}[training]\nepoch = 3\n", "[training] has no key 'epoch'. Did you mean 'epochs'?"),
    (
        f'[baseline]\nname = "popularity"\n{ITEM}',
        "[baseline] has no key 'tasks'. Known: baseline, description, name, training.",
    ),
    (
        '[baseline]\nname = "popularity"\n[training]\nepochs = 3\n',
        "popularity only counts. Remove that table, or leave out --seed and --set training.",
    ),
    ('[baseline]\nname = "popularity"\nk = 3\n', "[baseline] popularity has no key 'k'."),
    # wrong types and values out of range
    (
        f'{ITEM}[training]\nepochs = "3"\n',
        "[training] epochs: Input should be a valid integer or Input should be 'auto', got '3'.",
    ),
    (f"{ITEM}[training]\nepochs = 2.5\n", "[training] epochs: Input should be a valid integer"),
    (
        f"{ITEM}[training]\nseed = {2**63}\n",
        "[training] seed: Input should be less than or equal to 9223372036854775807",
    ),
    (f"{ITEM}[training]\nseed = true\n", "[training] seed: Input should be a valid integer, got True."),
    (f"{ITEM}[training]\nepochs = 2020-01-01\n", "[training] epochs: Input should be a valid integer"),
    (
        f"{ITEM}[training]\nepochs = 0\n",
        "[training] epochs: Input should be greater than or equal to 1 or Input should be 'auto', got 0.",
    ),
    (f"{ITEM}[training]\nlearning_rate = 0.0\n", "[training] learning_rate: Input should be greater than 0, got 0.0."),
    (f"{ITEM}[training]\nlearning_rate = inf\n", "[training]: every number must be finite"),
    (f"{ITEM}injection_weight = nan\n", "[[tasks]] item: every number must be finite"),
    (f'{ITEM}[training]\nschedule = "cosine"\n', "[training] schedule: Input should be 'constant' or 'linear'"),
    (f"[inputs]\ndropout = 1.0\n{ITEM}", "[inputs] dropout: Input should be less than 1, got 1.0."),
    (f"{ITEM}weight = -1.0\n", "[[tasks]] item weight: Input should be greater than or equal to 0 or "),
    (f"{ITEM}weight = -1.0\n", "Input should be 'trainable' or 'random', got -1.0."),
    (f'{ITEM}weight = "trainabel"\n', "[[tasks]] item weight: Input should be a valid number or "),
    (f'{ITEM}weight = "trainabel"\n', "Input should be 'trainable' or 'random', got 'trainabel'."),
    (f'{ITEM}injection_weight = "learnt"\n', "'trainable' or 'random', got 'learnt'."),
    (f'{ITEM}reads = "category_*"\n', "[[tasks]] item reads: Input should be a valid array, got 'category_*'."),
    (f'{ITEM}head = "cos"\n', "[[tasks]] item head: Input should be 'linear', 'cosine' or 'dot', got 'cos'."),
    ('[[tasks]]\nname = "category"\nlevel = 0\n', "level: Input should be 'all' or Input should be greater than or"),
    # names
    (f'[encoder]\nname = "transfomer"\n{ITEM}', "No 'transfomer' in hiersrec/model/encoders/. Did you mean 'transfor"),
    ('[[tasks]]\nname = "items"\n', "No 'items' in hiersrec/model/tasks/. Did you mean 'item'?"),
    ('[baseline]\nname = "popular"\n', "No 'popular' in hiersrec/baselines/. Did you mean 'popularity'?"),
    (f"[encoder]\nheads = 2\n{ITEM}", "[encoder] needs a name"),
    ("[[tasks]]\nweight = 2.0\n", "[[tasks]] needs a name"),
    ("[baseline]\n", "[baseline] needs a name"),
    ("name = 3\n" + ITEM, "mine.toml name: Input should be a valid string, got 3."),
    # not the shape of a recipe
    ("[training]\nepochs = 3\n", 'mine.toml has no [[tasks]]. Give at least [[tasks]] with name = "item".'),
    ("tasks = []\n", "mine.toml has no [[tasks]]."),
    ("tasks = 3\n", "mine.toml has no [[tasks]]."),
    ('tasks = "item"\n', "mine.toml has no [[tasks]]."),
    (
        '[tasks]\nname = "item"\n',
        "mine.toml has no [[tasks]]: [tasks.NAME] changes a task of the base, and there is none.",
    ),
    ('[tasks.item]\nhead = "dot"\n', 'Name a base, or write [[tasks]] with name = "item".'),
    # tasks under a base
    (
        f'base = "any/hiersrec"\n{ITEM}',
        "mine.toml: [[tasks]] under a base would drop the base's tasks with all their set",
    ),
    (
        f'base = "any/hiersrec"\n{ITEM}',
        "To change a task, write [tasks.NAME] with the settings that differ; to add, drop ",
    ),
    (
        f'base = "any/hiersrec"\nreplace_tasks = false\n{ITEM}',
        "write replace_tasks = true above the first table, and [[",
    ),
    ('base = "any/hiersrec"\ntasks = 3\n', "mine.toml: [[tasks]] under a base would drop"),
    (
        'base = "any/hiersrec"\n[tasks.itme]\nhead = "dot"\n',
        "mine.toml, [tasks.itme]: there is no task 'itme'. Did you mean 'item'? Known: category, item. To add a task, ",
    ),
    (
        'base = "any/hiersrec"\n[tasks.event_type]\n',
        "To add a task, write replace_tasks = true above the first table of a ",
    ),
    ('base = "any/hiersrec"\n[tasks.item]\nhaed = "dot"\n', "[[tasks]] item has no key 'haed'. Did you mean 'head'?"),
    ('base = "any/hiersrec"\n[tasks]\nitem = 3\n', "mine.toml, [tasks.item] must be a table of settings, got 3."),
    (
        'base = "any/hiersrec"\nreplace_tasks = true\n',
        "replace_tasks = true needs [[tasks]], a table for each task, got {}",
    ),
    ('base = "any/hiersrec"\nreplace_tasks = true\n[tasks.item]\nhead = "dot"\n', "got {'item': {'head': 'dot'}}."),
    (f'base = "any/hiersrec"\nreplace_tasks = "yes"\n{ITEM}', "replace_tasks: must be true or false, got 'yes'."),
    (f"replace_tasks = true\n{ITEM}", "mine.toml has replace_tasks, and no base whose tasks it could replace."),
    ('base = "any/popularity"\nreplace_tasks = true\n', "has replace_tasks, and no base whose tasks it could replace."),
    ('base = "any/popularity"\n[tasks.item]\nhead = "dot"\n', "a recipe with [baseline] has no key 'tasks'."),
    ("tasks = [3]\n", "[[tasks]] needs a name"),
    ("training = 3\n" + ITEM, "[training] must be a table of settings, got 3."),
    ("inputs = [1]\n" + ITEM, "[inputs] must be a table of settings, got [1]."),
    ("encoder = 3\n" + ITEM, "[encoder] needs a name"),
    ('baseline = "popularity"\n', "[baseline] needs a name"),
    ("[[tasks]\n", "mine.toml is not TOML: "),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_the_way_out(read, text, message) -> None:
    with pytest.raises(HiersrecError) as found:
        read(text)

    assert message in str(found.value)
    assert isinstance(found.value, BadRecipe | UnknownName)


def test_bytes_that_are_no_text(tmp_path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadRecipe, match=r"mine\.toml is not TOML"):
        read_recipe(tmp_path / "mine.toml")


def test_overrides_keep_their_types(read) -> None:
    found = read(
        FULL,
        *("training.epochs=7", "training.learning_rate=1e-3", "training.precision=bf16", 'training.schedule="linear"'),
        *("encoder.heads=4", "inputs.dropout=0.5", "name=yours", "description=two words"),
        *("tasks.item.head=linear", "tasks.item.reads=[]", "tasks.category.weight=2"),
    )

    training = Training(epochs=7, learning_rate=1e-3, precision="bf16", schedule="linear")
    assert found.training == training
    assert (found.encoder.config.heads, found.inputs.dropout) == (4, 0.5)
    assert (found.name, found.description) == ("yours", "two words")
    assert (found.tasks[1].config.head, found.tasks[1].reads, found.tasks[0].weight) == ("linear", (), 2.0)


def test_a_weight_is_a_number_or_the_name_of_a_strategy(read) -> None:
    found = read(FULL, "tasks.category.weight=trainable", "tasks.item.weight=3", "tasks.item.injection_weight=random")

    assert [one.weight for one in found.tasks] == ["trainable", 3.0]
    assert found.tasks[1].injection_weight == "random"
    assert read(write_recipe(found)) == found


def test_an_override_may_open_a_table_and_the_last_one_wins(read) -> None:
    assert read(ITEM, "training.epochs=7", "training.epochs=8").training.epochs == 8
    assert read(ITEM, "encoder.name=mean").encoder.name == "mean"


def test_an_override_by_task_reaches_every_table_of_that_name(read) -> None:
    two = '[[tasks]]\nname = "category"\nlevel = 1\n[[tasks]]\nname = "category"\nlevel = 2\n' + ITEM

    found = read(two, "tasks.category.weight=0.25")

    assert [one.weight for one in found.tasks] == [0.25, 0.25, 1.0]


BAD_OVERRIDES = [
    ("training.epochs", "--set needs KEY=VALUE, such as training.epochs=3, got 'training.epochs'."),
    ("training.epoch=3", "[training] has no key 'epoch'. Did you mean 'epochs'?"),
    ("trainin.epochs=3", "mine.toml has no key 'trainin'. Did you mean 'training'?"),
    (
        "training.epochs=three",
        "[training] epochs: Input should be a valid integer or Input should be 'auto', got 'three'.",
    ),
    ("training.epochs=", "[training] epochs: Input should be a valid integer or Input should be 'auto', got ''."),
    ("=3", "mine.toml has no key ''."),
    ("training=3", "[training] must be a table of settings, got 3."),
    ("training.epochs.now=3", "--set training.epochs.now=3: training.epochs.now is no place of a recipe"),
    (
        "tasks.items.head=linear",
        "--set tasks.items.head=linear: there is no task 'items'. Did you mean 'item'? Known: cat",
    ),
    ("tasks.item=3", "--set tasks.item=3: tasks.item is no place of a recipe"),
    ("tasks.item.head.now=3", "tasks.item.head.now is no place of a recipe"),
    ("tasks.item.haed=linear", "[[tasks]] item has no key 'haed'. Did you mean 'head'?"),
    ("name.first=Ada", "name.first is no place of a recipe"),
    ("tasks=3", "mine.toml has no [[tasks]]."),
    ("baseline.name=popularity", "a recipe with [baseline] has no key"),
]


@pytest.mark.parametrize(("override", "message"), BAD_OVERRIDES)
def test_a_wrong_override(read, override, message) -> None:
    with pytest.raises(HiersrecError) as found:
        read(FULL, override)

    assert message in str(found.value)


def test_a_task_override_where_there_are_no_tasks(read) -> None:
    with pytest.raises(BadRecipe, match=r"tasks\.item\.head is no place of a recipe"):
        read('[baseline]\nname = "popularity"\n', "tasks.item.head=linear")


def test_recipes_are_found_by_name_or_path(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(ITEM, encoding="utf-8")

    assert find_recipe("own.toml", "shop") == Path("own.toml")
    assert find_recipe("popularity", "shop").parts[-2:] == ("any", "popularity.toml")
    assert find_recipe("hiersrec", "wikispeedia").parts[-2:] == ("wikispeedia", "hiersrec.toml")
    assert find_recipe("hiersrec", "shop").parts[-2:] == ("any", "hiersrec.toml")
    assert {"any/hiersrec", "any/popularity", "wikispeedia/hiersrec"} <= set(recipe_names())


def test_recipes_that_are_not_there() -> None:
    with pytest.raises(UnknownName, match=r"There is no recipe file none\.toml"):
        find_recipe("none.toml", "shop")
    with pytest.raises(
        UnknownName, match=r"No recipe 'hiersreck' for shop\. Did you mean 'hiersrec'\? .*end in \.toml"
    ):
        find_recipe("hiersreck", "shop")


@pytest.mark.parametrize("config", [Training, TaskTable])
def test_settings_are_frozen(config) -> None:
    assert config.__dataclass_params__.frozen


def test_every_setting_of_the_inputs_is_explained() -> None:
    assert undocumented(inputs) == []


def test_a_recipe_says_only_what_differs_from_its_base(read) -> None:
    found = read('base = "any/hiersrec"\npooling = "last"\n[encoder]\nheads = 4\n[training]\nepochs = 3\n')

    base = read_recipe(RECIPES / "any" / "hiersrec.toml")
    assert found == dataclasses.replace(
        base,
        name="mine",
        pooling="last",
        encoder=dataclasses.replace(base.encoder, config=dataclasses.replace(base.encoder.config, heads=4)),
        training=dataclasses.replace(base.training, epochs=3),
    )


def test_a_table_of_a_task_changes_the_task_of_that_name_as_an_override_does(read) -> None:
    found = read('base = "any/best"\n[tasks.item]\nsmoothing = 0.1\nreads = []\n[tasks.category]\nweight = 0.5\n')

    best = RECIPES / "any" / "best.toml"
    overrides = (
        "name=mine",
        "description=",
        "tasks.item.smoothing=0.1",
        "tasks.item.reads=[]",
        "tasks.category.weight=0.5",
    )
    expected = read_recipe(best, overrides)
    assert dataclasses.replace(found, description="") == expected
    assert found.tasks[1].config.score_terms["repeats"].repeats
    assert expected != read_recipe(best, overrides[:-1])


def test_a_table_of_a_task_that_names_another_one_replaces_it(read) -> None:
    found = read('base = "any/best"\n[tasks.category]\nname = "column"\nweight = 0.5\n')

    assert [task.name for task in found.tasks] == ["column", "item"]
    assert found.tasks[0] == read(f'{ITEM}[[tasks]]\nname = "column"\nweight = 0.5\n').tasks[1]


def test_tasks_are_replaced_where_the_recipe_says_so_and_so_is_a_table_of_another_name(read) -> None:
    found = read(f'base = "any/best"\nreplace_tasks = true\n[encoder]\nname = "mean"\n{ITEM}')

    assert found.tasks == read(ITEM).tasks
    assert found.inputs == read_recipe(RECIPES / "any" / "best.toml").inputs
    assert found.encoder == Component(name="mean", config=registry.load("model.encoders", "mean").Config())


def test_an_encoder_can_be_changed_by_override_whatever_the_settings_of_the_old_one() -> None:
    path = RECIPES / "any" / "hiersrec.toml"

    found = read_recipe(path, ["encoder.name=mean", "encoder.max_length=7"])

    assert (found.encoder.name, found.encoder.config.max_length) == ("mean", 7)
    assert read_recipe(path, ["encoder.name=transformer"]) == read_recipe(path)


def test_an_unknown_base_is_named_with_the_nearest_one(read) -> None:
    with pytest.raises(UnknownName, match=r"mine.toml has the base 'any/hiersrek'.*Did you mean 'any/hiersrec'\?"):
        read(f'base = "any/hiersrek"\n{ITEM}')


def test_former_settings_without_effect_are_passed_over(read) -> None:
    """Recipes of older runs spell them out."""
    assert read(f'{ITEM}negatives_from = "all"\n[training]\nsplit_items = false\n') == read(ITEM)


FORMER = [
    ("training.split_items=true", "[training] split_items = True was removed", 'softmax = "sampled"'),
    ("tasks.item.negatives_from=category", "[[tasks]] item negatives_from = 'category' was removed", "from all items"),
    (
        "tasks.item.softmax=coarse_to_fine",
        "[[tasks]] item softmax = 'coarse_to_fine' was removed",
        'Use softmax = "sampled"',
    ),
    (
        "tasks.category.weight=uncertainty",
        "[[tasks]] category weight = 'uncertainty' was removed",
        '"trainable" or "random"',
    ),
]


@pytest.mark.parametrize(("override", "removed", "way_out"), FORMER)
def test_a_former_setting_with_effect_is_refused_with_what_to_use_instead(read, override, removed, way_out) -> None:
    with pytest.raises(BadRecipe) as found:
        read(FULL, override)

    assert str(found.value).startswith(removed)
    assert way_out in str(found.value)
