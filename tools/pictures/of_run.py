"""Write docs/results/prediction.json: what the pictures `tree` and `reliability` show, taken from an evaluated run.

    hiersrec prepare --dataset wikispeedia --out data/wikispeedia
    hiersrec train data/wikispeedia --out runs/best
    hiersrec evaluate runs/best
    python -m tools.pictures.of_run runs/best data/wikispeedia

The session is the first of those that `hiersrec demo` explains, without its last item, which is the target.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import hiersrec as hr
from hiersrec.reproduction._case import pick_sessions
from hiersrec.serving.answers import Recommendations
from hiersrec.types import ExternalId

LEAST = 0.02
"""Branches of the tree that are less likely are not drawn."""
LISTED = 5
COMMANDS = [line.strip() for line in (__doc__ or "").splitlines() if line.startswith("    ")]


def prediction(run: hr.Run, walk: list[ExternalId]) -> dict[str, Any]:
    """Branches, parents before their children, likeliest first; the first items, and the target with its rank."""
    answer = run.recommender.recommend([walk[:-1]], k=run.recommender.catalog.num_items, explain=True)[0]
    if not answer.coherent:
        sys.exit("The run predicts each level by itself; the picture needs one distribution (tasks.category.tree).")
    weights = np.exp([item.score - answer.items[0].score for item in answer.items])
    items = [
        {"rank": item.rank, "title": item.title, "probability": round(float(weight / weights.sum()), 6)}
        for item, weight in zip(answer.items, weights, strict=True)
    ]
    target = next(place for place, item in enumerate(answer.items) if item.item_id == walk[-1])
    return {
        "session": [item.title for item in answer.session],
        "branches": _branches(answer),
        "items": items[:LISTED],
        "target": items[target],
    }


def _branches(answer: Recommendations) -> list[dict[str, Any]]:
    """The named categories that are likely enough, depth first. Where a path ends is not a row of its own."""
    chances = {
        tuple(guess.path): guess.probability
        for guesses in answer.guesses
        for guess in guesses
        if guess.probability >= LEAST and None not in guess.path
    }

    def below(parent: tuple[str | None, ...]) -> list[dict[str, Any]]:
        children = sorted(
            (path for path in chances if path[:-1] == parent), key=lambda path: chances[path], reverse=True
        )
        return [
            row
            for path in children
            for row in ({"path": list(path), "probability": round(chances[path], 6)}, *below(path))
        ]

    return below(())


def calibration(metrics: dict[str, Any]) -> dict[str, Any]:
    """Of the items and of each level: the bins as (confidence, accuracy, prefixes)."""
    return {
        task.replace("category_", "level "): {
            "ece": of_task["ece"],
            "prefixes": of_task["prefixes"],
            "bins": [
                [round(one["confidence"], 6), round(one["accuracy"], 6), one["prefixes"]] for one in of_task["bins"]
            ],
        }
        for task, of_task in metrics["calibration"].items()
    }


def main(folder: str, data: str) -> None:
    """Write the file."""
    run, dataset = hr.Run.open(folder), hr.Dataset.open(data)
    seal = json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))
    metrics = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
    document = {
        "commands": COMMANDS,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": seal["versions"],
        "recipe": seal["recipe"],
        "tree": prediction(run, dataset.catalog.to_external(pick_sessions(dataset)[0])),
        "reliability": calibration(metrics),
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (Path(__file__).parents[2] / "docs/results/prediction.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
