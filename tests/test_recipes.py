"""Every recipe of the package, found recursively: it can be read, written, built and trained for a step."""

import dataclasses

import pytest
import torch

from hiersrec import registry
from hiersrec.build import build_model, build_trainable
from hiersrec.config import BaselineRecipe, ModelRecipe
from hiersrec.errors import DEFAULT_RECIPE, BadRecipe
from hiersrec.model.scorer import ModelScorer, scorer_of
from hiersrec.model.targets import Targets
from hiersrec.recipe_file import RECIPES, read_recipe, recipe_names, write_recipe
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog
from hiersrec.training.optimizer import optimizers
from tests.model.world import catalog
from tests.toy import toy

PATHS = sorted(RECIPES.rglob("*.toml"))
NAMES = [path.relative_to(RECIPES).with_suffix("").as_posix() for path in PATHS]
every = pytest.mark.parametrize("path", PATHS, ids=NAMES)
MODELS = [path for path in PATHS if isinstance(read_recipe(path), ModelRecipe)]
RIVALS = [path for path in PATHS if path not in MODELS]
NEEDS_CONTENT = {"m2trec": "has no ids .* and nothing else"}
DATASETS = {"any", *registry.names("datasets")}


def test_the_walk_finds_recipes_of_ours_and_of_rivals() -> None:
    assert recipe_names() == sorted(NAMES)
    assert {f"any/{DEFAULT_RECIPE}", "any/hiersrec_paper"} <= set(NAMES)
    assert len(MODELS) > 0
    assert {read_recipe(path).baseline.name for path in RIVALS} == set(registry.names("baselines"))


@every
def test_it_lies_where_it_is_found(path) -> None:
    folder, *rest = path.relative_to(RECIPES).parts

    assert folder in DATASETS
    assert len(rest) == 1


@every
def test_it_is_named_as_its_file_and_says_what_it_is(path) -> None:
    found = read_recipe(path)

    assert found.name == path.stem
    assert found.description.endswith(".")


@every
def test_written_with_every_setting_and_read_again_it_is_the_same(path, tmp_path) -> None:
    found = read_recipe(path)
    (tmp_path / "again.toml").write_text(write_recipe(found), encoding="utf-8")

    assert read_recipe(tmp_path / "again.toml") == found


@pytest.mark.slow
@pytest.mark.parametrize(
    "items", [catalog(), catalog(levels=False), catalog(False, False)], ids=["full", "flat", "bare"]
)
@pytest.mark.parametrize("path", MODELS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_model_is_built_and_takes_a_step_that_helps(path, items: Catalog) -> None:
    """On any catalogue: one without categories or metadata too."""
    recipe = read_recipe(path)
    assert isinstance(recipe, ModelRecipe)
    torch.manual_seed(0)
    if recipe.name in NEEDS_CONTENT and not (items.levels or items.features):
        with pytest.raises(BadRecipe, match=NEEDS_CONTENT[recipe.name]):
            build_model(recipe, items)
        return
    model = build_model(recipe, items).eval()
    batch = whole_sessions([[1, 2, 3], [4], [5, 6]], model.max_length)
    given = torch.from_numpy(batch.items).long(), torch.from_numpy(batch.lengths).long()
    optimizer = optimizers(model, recipe.training)

    targets = Targets(torch.tensor([4, 5, 7]), torch.tensor([1, 2, 0]))

    before, each = model.loss(*given, targets)
    before.backward()
    optimizer.step()
    after, _ = model.loss(*given, targets)

    assert after < before
    asked = [one.name for one in recipe.tasks]
    assert list(each) == [name for table in asked for name in [*items.labels, "item"] if name.startswith(table)]
    assert ModelScorer(model).score(batch).items.shape == (3, items.num_items + 1)


@pytest.mark.parametrize("path", RIVALS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_rival_is_built_or_fitted(path) -> None:
    recipe, data = read_recipe(path), toy(train=20, test=5).data
    assert isinstance(recipe, BaselineRecipe)

    scorer = (
        scorer_of(build_trainable(recipe, data.catalog, data.train))
        if recipe.training
        else registry.load("baselines", recipe.baseline.name).fit(recipe.baseline.config, data)
    )

    assert scorer.score(whole_sessions([[1, 2]], 10)).items.shape == (1, data.catalog.num_items + 1)


def test_the_recipe_of_the_paper_is_that_of_the_paper() -> None:
    """Section 4: d_I = d_C = d_M = 128, 2 layers, 8 heads, lambda = lambda_C = 1, Adam 1e-4, batch 1024."""
    found = read_recipe(RECIPES / "any" / "hiersrec_paper.toml")
    assert isinstance(found, ModelRecipe)
    category, item = found.tasks

    assert (found.inputs.item_width, found.inputs.category_width, found.inputs.metadata_width) == (128, 128, 128)
    assert (found.encoder.name, found.encoder.config.layers, found.encoder.config.heads) == ("transformer", 2, 8)
    assert (category.name, category.config.level, category.weight, category.reads) == ("category", "all", 1.0, ())
    assert (item.name, item.weight, item.reads) == ("item", 1.0, ("category_*",))
    assert (item.injection_weight, item.reads_as, item.config.head) == (1.0, "logits", "linear")
    assert (found.training.learning_rate, found.training.batch_size) == (1e-4, 1024)
    assert found.training.schedule == "constant"


@pytest.mark.parametrize(
    ("whole", "parts"),
    [("hiersrec", ("multi_task", "single_task")), ("hiersrec_paper", ("multi_task_paper", "single_task_paper"))],
)
def test_the_parts_of_an_ablation_differ_from_the_whole_in_their_tasks_alone(whole, parts) -> None:
    default, multi, single = (read_recipe(RECIPES / "any" / f"{name}.toml") for name in (whole, *parts))

    for other in (multi, single):
        assert (other.inputs, other.encoder, other.training) == (default.inputs, default.encoder, default.training)
        assert other.tasks[-1].config == default.tasks[-1].config
        assert other.tasks[-1].reads == ()
    assert multi.tasks[:-1] == default.tasks[:-1]
    assert single.tasks[:-1] == ()


@pytest.mark.parametrize(
    "name", ["action_item", "action_and_category", "action_category_item", "columns", "coarse_fine_item"]
)
def test_a_tree_of_tasks_keeps_all_other_settings_of_the_default_recipe(name) -> None:
    default, tree = (read_recipe(RECIPES / "any" / f"{one}.toml") for one in (DEFAULT_RECIPE, name))
    assert isinstance(default, ModelRecipe)
    assert isinstance(tree, ModelRecipe)

    rest = dataclasses.replace(tree, name=default.name, description=default.description, tasks=default.tasks)
    assert rest == default
    for task in default.tasks:
        same = [other for other in tree.tasks if other.name == task.name]
        assert [(other.config, other.weight) for other in same] == [(task.config, task.weight)] * len(same)
    assert tree.tasks[-1].reads_as == "probs"
    assert tree.tasks != default.tasks
