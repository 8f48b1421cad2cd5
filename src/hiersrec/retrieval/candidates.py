"""I', the candidates of a session: the items worth ranking, judged by its predicted categories (paper, section 3).

    I' = {i in c_k^1, 1 <= k <= K}  u ... u  {i in c_k^L, 1 <= k <= K}        c_k^t: the k-th best category of level t

So an item is a candidate if its category is among the K best of at least one level that the scorer predicts. An item
without a known category at any of these levels can't be reached through one and is always a candidate; an item known
at some of them is reached only through those. Items that are no candidates get minus infinity before lists and ranks
are made, so they are never listed and a target among them is a miss.

A model that predicts paths of the tree (store/paths.py) also allows candidates by probability: the items of its
likeliest paths, one after another until they hold a given mass, so that a session whose next category is clear ranks
few items and another many. Items of a path without training events, which nothing can predict, are always candidates.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hiersrec.arguments import NUMBER, WHOLE
from hiersrec.errors import DEFAULT_RECIPE, BadInput, did_you_mean
from hiersrec.store.item_catalog import ItemCatalog
from hiersrec.store.paths import PATH, likeliest_paths, path_probs
from hiersrec.types import Batch, Bool, Float32, Float64, Int32, Int64, categories

POLICIES = ("all", "category", "random")

NEVER = np.iinfo(np.int32).max
"""In place of K where no K admits an item: padding."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Which items are ranked for a session."""

    policy: str = "all"
    """"all", "category" (I' as above), or "random": as many items as I' has, drawn evenly from the catalogue."""
    top: int | None = None
    """K, the categories of each level; it, `share` or `mass` is needed unless the policy is "all"."""
    share: float | None = None
    """Instead of K, for each session the largest K (at least 1) whose I' has at most this share of all items."""
    mass: float | None = None
    """Instead of K, the probability that the paths taken for a session must hold together."""
    seed: int = 0
    """Of the random draw, which depends only on the seed and on the items of the session that the scorer sees."""

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise BadInput(f"There are no candidates '{self.policy}'. {did_you_mean(self.policy, POLICIES)}")
        WHOLE.check_given(top=self.top)
        NUMBER.check_given(share=self.share, mass=self.mass)
        WHOLE.check(seed=self.seed)
        given = [(name, value) for name in ("top", "share", "mass") if (value := getattr(self, name)) is not None]
        if self.policy == "all" and given:
            name, value = given[0]
            raise BadInput(f"{name} is for candidates by category or random, got {value} with all. Leave one out.")
        if self.policy != "all" and len(given) != 1:
            raise BadInput(
                f"Candidates '{self.policy}' need one of top, the number of best categories of each level, share, the "
                "most they may hold of the catalogue, and mass, the probability that the likeliest paths hold; got "
                f"{' and '.join(name for name, _ in given) or 'none'}. `hiersrec evaluate` also chooses top, for "
                "--share or --keep, and mass, for --promise."
            )
        if self.share is not None and not 0 < self.share <= 1:
            raise BadInput(f"share is a part of the catalogue, above 0 and at most 1, got {self.share}.")
        if self.mass is not None and not 0 < self.mass <= 1:
            raise BadInput(f"mass is a probability, above 0 and at most 1, got {self.mass}.")
        if self.top is not None and self.top < 1:
            raise BadInput(f"top must be at least 1, got {self.top}.")
        if self.seed < 0 or (self.seed and self.policy != "random"):
            raise BadInput(f"seed must be at least 0 and is for random candidates, got {self.seed} ({self.policy}).")


ALL = Candidates()


def admits(catalog: ItemCatalog, categories: Mapping[int, Float32]) -> Int32:
    """The smallest K whose I' holds each item, for each session: (B, N + 1) int32, 0 if always, NEVER for padding.

    categories: level -> (B, C + 1) float32, the predicted levels; BadInput if there is none. Equal scores rank in order
    of category number, as in the one order. A K of at least C admits all items of the level.
    """
    if not categories:
        raise BadInput(
            "Candidates (category, random) come from predicted categories, and this run predicts none. Rank all items, "
            f"or train a recipe that predicts categories, such as {DEFAULT_RECIPE}, on items that have some."
        )
    size = len(next(iter(categories.values())))
    least = np.full((size, catalog.num_items + 1), NEVER, np.int32)
    is_known = np.zeros(catalog.num_items + 1, bool)
    for level, scores in categories.items():
        facts, nodes = catalog.levels[level - 1], catalog.item_nodes[:, level - 1]
        rank = np.full((size, facts.num_nodes + 1), NEVER, np.int32)  # stays so for padding and unknown nodes
        best = np.argsort(-scores[:, 1:], axis=1, kind="stable") + 1  # (B, C)
        np.put_along_axis(rank, best, np.arange(1, facts.num_known + 1, dtype=np.int32)[None], axis=1)
        np.minimum(least, np.take(rank, nodes, axis=1), out=least)  # (B, N + 1)
        is_known |= (nodes >= 1) & (nodes <= facts.num_known)
    least[:, ~is_known] = 0
    least[:, 0] = NEVER
    return least


def predicted_paths(tasks: Mapping[str, Float32]) -> Float64:
    """Probabilities of the paths (B, P + 1). tasks: as Scores.tasks; BadInput if paths are not among them."""
    if PATH not in tasks:
        raise BadInput(
            "Candidates by mass come from predicted paths of the category tree, and this run predicts none. Give top "
            "or share, or train a recipe with tasks.category.tree = true on items that have categories."
        )
    return path_probs(tasks[PATH])


def always_in(catalog: ItemCatalog) -> Bool:
    """The paths that nothing can predict, so that their items are always candidates: (P + 1,) bool."""
    never_seen: Bool = catalog.labels[PATH].train_count == 0
    never_seen[0] = False
    return never_seen


def of_mass(catalog: ItemCatalog, tasks: Mapping[str, Float32], mass: float) -> Bool:
    """The paths whose items are candidates of each session: (B, P + 1) bool, padding never. Tasks as above."""
    return likeliest_paths(predicted_paths(tasks), mass) | always_in(catalog)


def candidate_items(
    candidates: Candidates, catalog: ItemCatalog, tasks: Mapping[str, Float32], sessions: Batch
) -> Bool:
    """Whether each item is a candidate of each session: (B, N + 1) bool, padding never.

    tasks: as Scores.tasks. sessions: what the scorer saw, which decides the random draw.
    """
    if candidates.mass is None:
        return inside(candidates, admits(catalog, categories(tasks)), sessions)
    by_path = np.take(of_mass(catalog, tasks, candidates.mass), catalog.item_nodes[:, -1], axis=1)
    return _of_policy(candidates, by_path, sessions)


def inside(candidates: Candidates, least: Int32, sessions: Batch) -> Bool:
    """The same for `top` or `share`; least: (B, N + 1) int32 of `admits`."""
    if candidates.share is not None:
        tops = _tops(candidates.share, least)
    else:
        assert candidates.top is not None
        tops = np.full(len(least), candidates.top)
    return _of_policy(candidates, least <= np.minimum(tops, NEVER - 1)[:, None], sessions)


def _of_policy(candidates: Candidates, by_category: Bool, sessions: Batch) -> Bool:
    """The items of the categories (B, N + 1), or as many at random."""
    if candidates.policy == "category":
        return by_category
    drawn = np.zeros(by_category.shape, bool)
    for row, size in enumerate(np.count_nonzero(by_category, axis=1)):
        seen = sessions.items[row, : sessions.lengths[row]].tolist()
        random = np.random.default_rng([candidates.seed, *seen])
        drawn[row, random.choice(by_category.shape[1] - 1, size, replace=False, shuffle=False) + 1] = True
    return drawn


def _tops(share: float, least: Int32) -> Int64:
    """K of each session (B,): the largest whose I' has at most `share` of the N items, or 1."""
    most = max(1, int(least[least < NEVER].max(initial=0)))
    tops = np.empty(len(least), np.int64)
    for row, line in enumerate(least):
        sizes = np.cumsum(np.bincount(line[line < NEVER], minlength=most + 1))  # of I' for K = 0, 1, ..., most
        tops[row] = max(1, int(np.count_nonzero(sizes[1:] <= share * (least.shape[1] - 1))))  # sizes never fall
    return tops
