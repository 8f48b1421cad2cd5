"""A run as a sentence, and its epochs as a table, for a console and a notebook."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiersrec.frames import to_html


def sentence(folder: Path, facts: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """What a run is. facts: its run.json; history: a record for each epoch."""
    best = facts["best"]
    text = f"Run of {facts['recipe']} on {facts['dataset']['name']} in {folder}: "
    text += f"{facts['parameters']:,} parameters"
    if best.get("epoch"):
        text += f", best epoch {best['epoch']} of {len(history)}"
    if "valid_mrr@20" in best:
        text += f", validation MRR@20 {best['valid_mrr@20']:.2%}"
    return text


def history_table(title: str, history: Sequence[Mapping[str, Any]]) -> str:
    """HTML: a row for each epoch."""
    rows = [
        (
            str(record["epoch"]),
            f"{sum(record['loss'].values()):.4f}",
            *(f"{record['valid'][name]:.2%}" if "valid" in record else "" for name in ("mrr@20", "hits@20")),
            f"{record['train_s']:.0f}",
        )
        for record in history
    ]
    headings = ("epoch", "sum of the losses", "validation MRR@20", "HITS@20", "seconds")
    return to_html(title, headings, rows)
