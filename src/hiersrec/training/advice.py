"""A word before a long training: what the full softmax of a large catalogue will cost here, and what costs less.

The softmax over N items takes 6 N d operations an example (three products, d being the width of the items' vectors), at
the rate at which this processor multiplies matrices now. From a quarter of an hour an epoch on, that is worth a line:
at 200 billion operations a second and width 128, some 320 thousand items with Diginetica's 719 thousand prefixes. A GPU
does hundreds of times as many and gets no such line. Memory is worth one where there is less of it than the estimate.
"""

import os

import numpy as np
import torch

from hiersrec import registry
from hiersrec.config import ModelRecipe, Recipe
from hiersrec.model.tasks.item import SCORE_TERMS, config_of
from hiersrec.store.dataset import TrainingData
from hiersrec.training import precision

SLOW = 900.0
"""Seconds of an epoch that the softmax alone may take without a word."""


def advice(recipe: Recipe, data: TrainingData, memory: int | None = None) -> list[str]:
    """Lines for a person, none if all is fine. memory: bytes that training will need, if that has been estimated.

    Without an estimate, what the vectors of the items take with gradients and moments stands for it.
    """
    if not isinstance(recipe, ModelRecipe):
        return []
    item = config_of(recipe)
    width = recipe.inputs.item_width if item.head != "linear" else _width(recipe, data)
    lines = []
    if item.softmax == "full" and not torch.cuda.is_available():
        dtype = precision.choose(recipe.training.precision, torch.device("cpu"))
        seconds = softmax_seconds(data, recipe.training.newest_share, width, precision.rate(dtype))
        if seconds > SLOW:
            lines.append(
                f"the full softmax over {data.catalog.num_items:,} items takes about {_time(seconds)} of each epoch. "
                f"Much less: --set tasks.item.softmax=sampled, which compares with {item.negatives:,} of them a step."
            )
    if item.softmax == "sampled" and item.negatives >= data.catalog.num_items:
        lines.append(
            f"a step draws {item.negatives:,} items, and there are {data.catalog.num_items:,}: the full softmax costs "
            "less. Set tasks.item.softmax=full, or fewer tasks.item.negatives."
        )
    if recipe.inputs.id_dropout and not recipe.inputs.content_width(data.catalog):
        lines.append(
            "[inputs] id_dropout takes no part: it drops the ids of items that are known by categories or metadata "
            "too, and this training has none."
        )
    for name, settings in item.score_terms.items():
        if hasattr(term := registry.load(SCORE_TERMS, name), "advice"):
            lines += term.advice(settings, data, recipe.training.refit)
    needed = memory or 16 * data.catalog.num_items * width
    if needed > (there := memory_of_machine()):
        lines.append(
            f"this takes about {needed / 1e9:.0f} GB of memory, and the machine has {there / 1e9:.0f} GB. Lower "
            "inputs.item_width or training.batch_size."
        )
    return lines


def softmax_seconds(data: TrainingData, newest_share: float, width: int, rate: float) -> float:
    """What the full softmax of an epoch takes at `rate` operations a second, encoder and tables not counted."""
    prefixes = np.maximum(np.diff(data.train.newest(newest_share).offsets) - 1, 0).sum()
    return float(6 * data.catalog.num_items * width * prefixes / rate)


def memory_of_machine() -> int:
    """Bytes, whoever uses them now."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _width(recipe: ModelRecipe, data: TrainingData) -> int:
    """D, the width of a state."""
    return int(recipe.inputs.item_width + recipe.inputs.content_width(data.catalog))


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
