"""Evaluated run folders without a training: recipe, seal, and ranks drawn at random around a level of skill."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hiersrec.recipe_file import find_recipe, read_recipe, write_recipe
from hiersrec.store.folder import seal
from tests.documents import RUN

SESSIONS = 60
K = 20


def lengths(sessions: int = SESSIONS) -> list[int]:
    """Prefixes of each session: 1 to 5, the same for all runs."""
    return [1 + session * 7 % 5 for session in range(sessions)]


def drawn_ranks(skill: float, seed: int, sessions: int = SESSIONS) -> list[int | None]:
    """A rank for each prefix: geometric, so a higher skill is better; some unseen (None), some beyond K."""
    random = np.random.default_rng(seed)
    ranks = random.geometric(skill, sum(lengths(sessions)))
    return [None if random.random() < 0.05 else int(rank) for rank in ranks]


def write_run(
    folder: Path,
    recipe: str,
    ranks: Sequence[int | None],
    seed: int | None = None,
    overrides: Sequence[str] = (),
    sessions: int = SESSIONS,
) -> Path:
    """A run of a recipe of the package with these ranks; half of the prefixes have a label of level 1, found at 2."""
    folder.mkdir()
    seeds = [] if seed is None else [f"training.seed={seed}"]
    text = write_recipe(read_recipe(find_recipe(recipe, "shop"), [*seeds, *overrides]))
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    seal(folder, "run", {**RUN, "recipe": recipe}, [folder / "recipe.toml"])
    session = np.repeat(np.arange(sessions), lengths(sessions))
    hit = [float(rank is not None and rank <= K) for rank in ranks]
    labels = [1 if row % 2 else None for row in range(len(ranks))]
    table = pa.table(
        {
            "session_id": [f"s{number}" for number in session],
            "position": np.concatenate([np.arange(1, n + 1) for n in lengths(sessions)]),
            "item_id": pa.array([None if rank is None else row for row, rank in enumerate(ranks)], pa.int64()),
            "rank": pa.array(ranks, pa.int64()),
            "recall@20": [hits / 2 for hits in hit],
            "any_hit@20": hit,
            "category_1": pa.array(labels, pa.int64()),
            "category_1_rank": pa.array([None if label is None else 2 for label in labels], pa.int64()),
            "category_1_recall@20": [None if label is None else 1.0 for label in labels],
            "category_1_any_hit@20": [None if label is None else 1.0 for label in labels],
        }
    )
    pq.write_table(table, folder / "ranks.parquet")
    means = {
        "mrr@20": np.mean([1 / rank if rank is not None and rank <= K else 0 for rank in ranks]),
        "hits@20": np.mean(hit),
        "recall@20": np.mean(hit) / 2,
        "any_hit@20": np.mean(hit),
        "category_1/mrr@20": 0.5,
        "category_1/hits@20": 1.0,
        "category_1/recall@20": 1.0,
        "category_1/any_hit@20": 1.0,
    }
    document = {
        "dataset": {"name": "shop", "fingerprint": "f" * 64},
        "split": "test",
        "options": {"k": K, "last_only": False, "exclude_seen": False, "batch_size": 256},
        "metrics": {**{name: float(value) for name, value in means.items()}, "prefixes": len(ranks)},
    }
    (folder / "metrics.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def edit(path: Path, table: str, key: str, value: object) -> None:
    """Change one value of a metrics.json; place "" is its top."""
    document = json.loads(path.read_text(encoding="utf-8"))
    (document[table] if table else document)[key] = value
    path.write_text(json.dumps(document), encoding="utf-8")
