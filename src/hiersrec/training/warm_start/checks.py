"""Whether a run's weights fit another recipe's model on another dataset."""

from collections.abc import Mapping, Set
from typing import Any

from torch import Tensor

from hiersrec.build import LoadedRun
from hiersrec.config import ModelRecipe, Recipe, shaping
from hiersrec.errors import BadFolder, BadRecipe
from hiersrec.model import inputs
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import Dataset
from hiersrec.training.warm_start.remap import AxisMap, fits

Weights = Mapping[str, Tensor]


def check_dataset(origin: LoadedRun, dataset: Dataset, recipe: ModelRecipe) -> None:
    """Raise BadFolder if the parts of the model's input differ between the two catalogues."""
    before, after = _columns(origin.catalog), _columns(dataset.catalog)
    if inputs.config_of(recipe).metadata_width and before != after:
        raise BadFolder(
            f"{origin.folder} was trained with the metadata columns {', '.join(before) or 'none'}, but "
            f"{dataset.folder} has {', '.join(after) or 'none'}: each has its place in the model's input. Prepare with "
            "the same columns of the same kinds, in the same order (--ignore leaves one out), or train without "
            "--init-from."
        )
    depths = [len(catalog.levels) for catalog in (origin.catalog, dataset.catalog)]
    if inputs.config_of(recipe).category_width and bool(depths[0]) != bool(depths[1]):
        raise BadFolder(
            f"{origin.folder} was trained with {depths[0]} category levels, but {dataset.folder} has {depths[1]}: "
            "either both have categories or none. Prepare with the same --items, or train without --init-from."
        )


def _columns(catalog: Catalog) -> list[str]:
    """Such as "title (text)" and "image (vector of 64)"; the width of tfidf may change: its vectors are rotated."""
    return [
        f"{feature.name} ({feature.kind}"
        + (f" of {feature.values.shape[1]})" if feature.is_vector and feature.kind != "tfidf" else ")")
        for feature in catalog.features
    ]


def check_weights(
    origin: LoadedRun,
    recipe: ModelRecipe,
    before: Weights,
    after: Weights,
    maps: Mapping[str, AxisMap],
    tasks: Set[str],
) -> None:
    """Raise BadRecipe if inputs, encoder, pooling or the `tasks` that both models have differ in their tensors.

    before, after: tensors of the run and of the new model, by name.
    """
    for name in before.keys() | after.keys():
        if name in before and name in after:
            differs = not fits(before[name], after[name], maps.get(name))
        else:
            part, inner = name.split(".")[:2]
            # The number of levels depends on the data, and recipes may differ in tasks.
            shared = inner in tasks if part == "tasks" else part in ("inputs", "encoder", "pooling")
            differs = shared and inner != "level_tables"
        if differs:
            raise BadRecipe(_difference(origin, recipe))


def _difference(origin: LoadedRun, recipe: ModelRecipe) -> str:
    before, after = _settings(origin.recipe), _settings(recipe)
    # Settings of only one recipe belong to another encoder, which is named itself, or to a task of that recipe only.
    differing = [name for name in sorted(before.keys() & after.keys()) if before[name] != after[name]]
    assert differing, "one recipe gives one set of shapes"
    listed = ", ".join(f"{name} is {after[name]!r} here and {before[name]!r} there" for name in differing)
    return (
        f"The weights of {origin.folder} don't fit this recipe: {listed}. Train with the run's own recipe (give no "
        "--recipe, and --set none of these), or without --init-from."
    )


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that decide shapes of weights, by their place in the recipe, such as "inputs.item_width"."""
    assert isinstance(recipe, ModelRecipe), "transfer.check_origin excludes baselines"
    configs = {"inputs": recipe.inputs, "encoder": recipe.encoder.config}
    configs |= {f"tasks.{table.name}": table.config for table in recipe.tasks}
    settings: dict[str, Any] = {"pooling": recipe.pooling, "encoder.name": recipe.encoder.name}
    for prefix, config in configs.items():
        settings |= {f"{prefix}.{name}": getattr(config, name) for name in sorted(shaping(type(config)))}
    return settings
