"""The paths of the category tree: its finest nodes, and the probabilities of all levels that follow from theirs.

Each item has one node of the finest level, and with it one path from the top. Where a level is missing the node is an
unknown one: under a known parent it stands for "ends here", and at the root for "no category". So one distribution over
the paths says all of the tree, and a node's probability is the sum of those of the paths through it: no child is
likelier than its parent.
"""

from collections.abc import Sequence

import numpy as np

from hiersrec.store.item_catalog import Level
from hiersrec.store.labels import Labels
from hiersrec.types import CATEGORY, Bool, Float32, Float64, Int32, Int64

PATH = "path"
"""Name of the task that predicts paths."""
SEPARATOR = " > "
ENDS_HERE, NO_CATEGORY = "ends here", "no category"


def nodes_of_paths(levels: Sequence[Level]) -> Int32:
    """(P + 1, L) int32: the nodes of each path, coarse to fine; row 0 is zero. P is the nodes of the finest level."""
    nodes = np.zeros((levels[-1].num_nodes + 1, len(levels)), np.int32)
    nodes[:, -1] = np.arange(len(nodes))
    for level in range(len(levels) - 1, 0, -1):
        nodes[:, level - 1] = levels[level].parents[nodes[:, level]]
    return nodes


def names_of_paths(levels: Sequence[Level]) -> list[str]:
    """What each of the P paths is called: "Home > Beds", "Home > ends here" where other items go on, "no category"."""
    has_children = [np.bincount(finer.parents) > 1 for finer in levels[1:]]
    texts = []
    for nodes in nodes_of_paths(levels)[1:].tolist():
        names = [level.names[node] for level, node in zip(levels, nodes, strict=True)]
        depth = max((index + 1 for index, name in enumerate(names) if name is not None), default=0)
        if depth == 0:
            texts.append(NO_CATEGORY)
            continue
        parts = ["?" if name is None else name for name in names[:depth]]
        if depth < len(levels) and has_children[depth - 1][nodes[depth - 1]]:
            parts.append(ENDS_HERE)
        texts.append(SEPARATOR.join(parts))
    return texts


def is_only_end(levels: Sequence[Level], number: int) -> Bool:
    """Whether each node of a level, from 1, is an end under a parent that never goes on: (nodes + 1,) bool.

    It says no more than its parent.
    """
    level = levels[number - 1]
    children = np.bincount(level.parents[1:], minlength=1)
    only: Bool = (children[level.parents] == 1) & (np.arange(level.num_nodes + 1) > level.num_known) & (number > 1)
    return only


def path_labels(levels: Sequence[Level], item_nodes: Int32, train_count: Int64) -> Labels:
    """The paths as classes of a task: every item has one."""
    of_item = np.ascontiguousarray(item_nodes[:, -1])
    counts = np.bincount(of_item, weights=train_count, minlength=levels[-1].num_nodes + 1).astype(np.int64)
    return Labels(names_of_paths(levels), counts, of_item)


def node_probs(levels: Sequence[Level], path_probs: Float64) -> list[Float64]:
    """Probabilities of paths (B, P + 1) -> those of all nodes of each level, unknown ones too: (B, nodes + 1) each."""
    by_level = [path_probs]
    for level in reversed(levels[1:]):
        order, parents, starts = level.families
        coarser = np.zeros((len(path_probs), parents[-1] + 1))
        coarser[:, parents] = np.add.reduceat(by_level[0][:, order], starts, axis=1)
        by_level.insert(0, coarser)
    return by_level


def path_probs(path_logits: Float32) -> Float64:
    """Softmax of logits of paths (B, P + 1), whose column 0, padding, gets probability 0: (B, P + 1) float64."""
    exact = path_logits.astype(np.float64)
    weights = np.exp(exact - exact.max(axis=1, keepdims=True))
    probs: Float64 = weights / weights.sum(axis=1, keepdims=True)
    return probs


def node_scores(levels: Sequence[Level], path_logits: Float32) -> dict[str, Float32]:
    """Logits of paths (B, P + 1) -> log-probabilities of all nodes of each level, by the name of that level's task.

    (B, nodes + 1) float32 each, column 0 minus infinity, the known nodes first.
    """
    scores = {}
    for number, probs in enumerate(node_probs(levels, path_probs(path_logits)), start=1):
        logs = np.log(np.maximum(probs, np.finfo(np.float32).tiny)).astype(np.float32)
        logs[:, 0] = -np.inf
        scores[f"{CATEGORY}{number}"] = logs
    return scores


def level_scores(levels: Sequence[Level], path_logits: Float32) -> dict[str, Float32]:
    """The known nodes of `node_scores`, as a task of that level has its scores: (B, C + 1) each.

    Their softmax is the distribution over the known nodes where one of them is next.
    """
    nodes = node_scores(levels, path_logits).items()
    known = {task: scores[:, : level.num_known + 1] for level, (task, scores) in zip(levels, nodes, strict=True)}
    return {task: np.ascontiguousarray(scores) for task, scores in known.items() if scores.shape[1] > 1}


def likeliest_paths(probs: Float64, mass: float) -> Bool:
    """The likeliest paths, one after another until they hold `mass`: probabilities (B, P + 1) -> (B, P + 1) bool.

    A path is in if those before it hold less than `mass`. Equally likely ones follow in order of number.
    """
    if mass >= 1:
        return np.arange(probs.shape[1]) + np.zeros((len(probs), 1)) > 0
    inside = np.zeros(probs.shape, bool)
    # All paths below this hold too little together for one of them to be needed; so only a few have to be sorted.
    negligible = (1 - mass) / (2 * probs.shape[1])
    for row, line in enumerate(probs):
        some = np.flatnonzero(line > negligible)
        order = some[np.argsort(-line[some], kind="stable")]
        inside[row, order[mass_before(line[order]) < mass]] = True
    inside[:, 0] = False
    return inside


def mass_before(descending: Float64) -> Float64:
    """Of probabilities (..., P) in descending order, the sum of those before each: (..., P)."""
    return np.cumsum(descending, axis=-1) - descending
