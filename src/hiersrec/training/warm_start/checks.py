"""Whether a run's weights can be those of another recipe's model on another dataset."""

from collections.abc import Mapping, Set
from typing import Any

from torch import Tensor

from hiersrec.build import Run
from hiersrec.config import ModelRecipe, Recipe, shaping
from hiersrec.errors import BadFolder, BadRecipe
from hiersrec.store.catalog import Catalog
from hiersrec.store.dataset import Dataset
from hiersrec.training.warm_start.remap import Way, fits

Weights = Mapping[str, Tensor]


def check_dataset(origin: Run, dataset: Dataset, recipe: ModelRecipe) -> None:
    """Raise BadFolder if the catalogue gives the model's input other parts than that of the run."""
    then, now = _columns(origin.catalog), _columns(dataset.catalog)
    if recipe.inputs.metadata_width and then != now:
        raise BadFolder(
            f"{origin.folder} was trained with the metadata columns {', '.join(then) or 'none'}, but {dataset.folder} "
            f"has {', '.join(now) or 'none'}: each has its place in the model's input. Prepare with the same columns "
            "of the same kinds, in the same order (--ignore leaves one out), or train without --init-from."
        )
    depths = [len(one.levels) for one in (origin.catalog, dataset.catalog)]
    if recipe.inputs.category_width and bool(depths[0]) != bool(depths[1]):
        raise BadFolder(
            f"{origin.folder} was trained with {depths[0]} category levels, but {dataset.folder} has {depths[1]}: "
            "either both have categories or none. Prepare with the same --items, or train without --init-from."
        )


def _columns(catalog: Catalog) -> list[str]:
    """Such as "title (text)" and "image (vector of 64)"; the width of tfidf may change, its vectors are turned."""
    wide = [one.kind in ("vector", "pretrained") for one in catalog.features]
    return [
        f"{one.name} ({one.kind}{f' of {one.values.shape[1]}' if is_wide else ''})"
        for one, is_wide in zip(catalog.features, wide, strict=True)
    ]


def check_weights(
    origin: Run, recipe: ModelRecipe, before: Weights, after: Weights, way: Mapping[str, Way], tasks: Set[str]
) -> None:
    """Raise BadRecipe if inputs, encoder, pooling or the `tasks` that both models have are made of other tensors.

    before, after: tensors of the run and of the new model, by name.
    """
    for name in before.keys() | after.keys():
        if name in before and name in after:
            other = not fits(before[name], after[name], way.get(name))
        else:
            part, inner = name.split(".")[:2]
            # One more level, or one less, is of the data; a task may come or go.
            shared = inner in tasks if part == "tasks" else part in ("inputs", "encoder", "pooling")
            other = shared and inner != "level_tables"
        if other:
            raise BadRecipe(_difference(origin, recipe))


def _difference(origin: Run, recipe: ModelRecipe) -> str:
    then, now = _settings(origin.recipe), _settings(recipe)
    # What only one has is of another encoder, which is named itself, or of a task that may come or go.
    other = [name for name in sorted(then.keys() & now.keys()) if then[name] != now[name]]
    assert other, "one recipe gives one set of shapes"
    listed = ", ".join(f"{name} is {now[name]!r} here and {then[name]!r} there" for name in other)
    return (
        f"The weights of {origin.folder} don't fit this recipe: {listed}. Train with the run's own recipe (give no "
        "--recipe, and --set none of these), or without --init-from."
    )


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that decide shapes of weights, by place, such as "inputs.item_width"."""
    assert isinstance(recipe, ModelRecipe), "transfer.check_origin was asked"
    configs = {"inputs": recipe.inputs, "encoder": recipe.encoder.config}
    configs |= {f"tasks.{table.name}": table.config for table in recipe.tasks}
    settings: dict[str, Any] = {"pooling": recipe.pooling, "encoder.name": recipe.encoder.name}
    for place, config in configs.items():
        settings |= {f"{place}.{name}": getattr(config, name) for name in sorted(shaping(type(config)))}
    return settings
