"""Advice before a long training: what the full softmax of a large catalogue will cost here, and what costs less.

The softmax over N items takes 6 N d operations an example (three products with item vectors of width d), at the rate at
which this processor multiplies matrices now. From a quarter of an hour an epoch on there is a line about it: at 200
billion operations a second and width 128, from some 320 thousand items on with Diginetica's 719 thousand prefixes. A
GPU is hundreds of times as fast and gets no such line. Another line says that the machine has too little memory.
"""

import os
from contextlib import suppress
from pathlib import Path

import torch

from hiersrec import registry
from hiersrec.config import ModelRecipe, Recipe
from hiersrec.model import inputs
from hiersrec.model.tasks.item import SCORE_TERMS, config_of
from hiersrec.store.dataset import TrainingData
from hiersrec.training import precision
from hiersrec.training.epochs import prefixes_of
from hiersrec.training.progress import duration

CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container may use."""
SLOW = 900.0
"""Seconds of an epoch that the softmax may take without a line about it."""


def advice(recipe: Recipe, data: TrainingData, memory: int | None = None) -> list[str]:
    """Lines for a person, none if all is fine.

    memory: bytes that training will need, if estimated; otherwise those of the item vectors with gradients and moments.
    """
    if not isinstance(recipe, ModelRecipe):
        return []
    item, num_items = config_of(recipe), data.catalog.num_items
    lines = []
    if (seconds := full_softmax_seconds(recipe, data)) > SLOW:
        lines.append(
            f"the full softmax over {num_items:,} items takes about {duration(seconds)} of each epoch. Much less: "
            f"--recipe sampled, or --set tasks.item.softmax=sampled, with {item.negatives:,} drawn items a step."
        )
    if item.softmax == "sampled" and item.negatives >= num_items:
        lines.append(
            f"a step draws {item.negatives:,} items, and there are {num_items:,}: the full softmax costs less. Set "
            "tasks.item.softmax=full, or fewer tasks.item.negatives."
        )
    settings = inputs.config_of(recipe)
    if settings.id_dropout and not settings.content_width(data.catalog):
        lines.append(
            "ignoring [inputs] id_dropout: it drops the ids of items that have categories or metadata to be known by, "
            "and this training has neither."
        )
    for name, term_settings in item.score_terms.items():
        if hasattr(term := registry.load(SCORE_TERMS, name), "advice"):
            lines += term.advice(term_settings, data, recipe.training.refit)
    needed = memory or 16 * num_items * _width(recipe, data)
    if needed > (available := memory_of_machine()):
        lines.append(
            f"this takes about {needed / 1e9:.0f} GB of memory, and the machine has {available / 1e9:.0f} GB. Lower "
            "inputs.item_width or training.batch_size."
        )
    return lines


def full_softmax_seconds(recipe: ModelRecipe, data: TrainingData) -> float:
    """Seconds of the full softmax in an epoch on this processor, without encoder and tables; 0 where it is none.

    A GPU counts as none: there it is hundreds of times as fast.
    """
    if config_of(recipe).softmax != "full" or torch.cuda.is_available():
        return 0.0
    dtype = precision.choose(recipe.training.precision, torch.device("cpu"))
    products = data.catalog.num_items * _width(recipe, data) * prefixes_of(data, recipe.training.newest_share)
    return 6 * products / precision.rate(dtype)


def _width(recipe: ModelRecipe, data: TrainingData) -> int:
    """Of the item vectors that the softmax multiplies."""
    settings = inputs.config_of(recipe)
    has_content = config_of(recipe).head == "linear"
    return int(settings.item_width + (settings.content_width(data.catalog) if has_content else 0))


def memory_of_machine() -> int:
    """Bytes of physical memory, used or not; in a container those that it may use."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            memory = min(memory, int(path.read_text(encoding="ascii")))
    return memory
