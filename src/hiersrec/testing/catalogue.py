"""A catalogue with everything in it, models of it under tiny settings, and batches of random sessions."""

import numpy as np
import pyarrow as pa
import torch

from hiersrec.build import build_model
from hiersrec.config import ModelRecipe
from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.store.batches import whole_sessions
from hiersrec.store.catalog import Catalog, Feature
from hiersrec.store.item_catalog import Level
from hiersrec.types import Batch

N = 12
TINY = [
    *("inputs.item_width=8", "inputs.category_width=6", "inputs.metadata_width=6", "inputs.dropout=0.0"),
    *("encoder.layers=2", "encoder.heads=2", "encoder.max_length=10", "encoder.dropout=0.1"),
]


def catalog(levels: bool = True, features: bool = True) -> Catalog:
    """12 items; level 1: 2 known nodes, 1 unknown; level 2: 4 known, 2 unknown; two columns; two types of events."""
    nodes_1 = [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3]
    nodes_2 = [1, 1, 2, 2, 5, 3, 3, 4, 4, 4, 4, 6]
    columns = {
        "item": pa.array(range(1, N + 1), pa.int32()),
        "item_id": [f"i{n}" for n in range(1, N + 1)],
        "train_count": pa.array(range(N, 0, -1), pa.int64()),
    }
    tree = []
    if levels:
        columns |= {"node_1": pa.array(nodes_1, pa.int32()), "node_2": pa.array(nodes_2, pa.int32())}
        tree = [
            Level(2, [None, "A", "B", None], np.zeros(4, np.int32)),
            Level(4, [None, "A1", "A2", "B1", "B2", None, None], np.array([0, 1, 1, 2, 2, 1, 3], np.int32)),
        ]
    random = np.random.default_rng(5)
    brand = np.concatenate([[0], random.integers(0, 4, N)]).astype(np.int32)[:, None]
    words = random.integers(0, 7, (N + 1, 3)).astype(np.int32)  # 0, no word, stands anywhere in the row
    words[0] = words[4] = 0
    columns["brand"] = pa.array([[None, "Acme", "Best", "Cord"][code] for code in brand[1:, 0]])
    described = [Feature("brand", "categorical", 4, 0.8, brand), Feature("title", "text", 7, 0.9, words)]
    return Catalog(pa.table(columns), tree, described if features else [], {"order": 2, "view": 9})


def recipe(*overrides: str) -> ModelRecipe:
    """The default recipe under tiny settings."""
    found = read_recipe(find_recipe("hiersrec", "any"), [*TINY, *overrides])
    assert isinstance(found, ModelRecipe)
    return found


def model(made: ModelRecipe, seed: int = 0, items: Catalog | None = None) -> HierarchicalModel:
    """The untrained model of a recipe on the toy catalogue, from a seed; but what a task reads does something, and
    trends do, though no session was trained on.
    """
    torch.manual_seed(seed)
    found = build_model(made, items or catalog())
    for one in found.projections.values():  # as built, they are zeros
        torch.nn.init.normal_(one.get_parameter("weight"), std=0.3)
    for term in found.item_terms.values():
        term.get_buffer("values").normal_()
    return found


def lists(count: int, longest: int = 8, seed: int = 1) -> list[list[int]]:
    """Random sessions of random lengths."""
    random = np.random.default_rng(seed)
    return [random.integers(1, N + 1, random.integers(1, longest + 1)).tolist() for _ in range(count)]


def batch(count: int = 9, longest: int = 8, seed: int = 1) -> Batch:
    """A batch of random sessions."""
    return whole_sessions(lists(count, longest, seed), 10)


def tensors(of: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Items (B, T) and lengths (B,) as the model takes them."""
    return torch.from_numpy(of.items.astype(np.int64)), torch.from_numpy(of.lengths.astype(np.int64))
