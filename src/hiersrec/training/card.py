"""MODEL_CARD.md: what a run is, how it was made and how good it is, for people."""

from typing import Any

from hiersrec.training.warm_start.transfer import summary


def model_card(document: dict[str, Any], description: str, history: list[dict[str, Any]]) -> str:
    """The card of a run as Markdown; `document` is its run.json, `history` its epochs (empty for a rival)."""
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    lines = [
        f"# {document['recipe']} on {document['dataset']['name']}",
        "",
        description,
        "",
        f"- Made: {document['created']} with {versions}",
        f"- Dataset: {document['dataset']['name']}, catalogue {document['dataset']['fingerprint'][:12]}",
        *_origin(document.get("init_from")),
        *[f"- Taught by: {one['recipe']}, {one['path']}" for one in document.get("teachers", [])],
        f"- Parameters: {document['parameters']:,}",
        "- Settings: recipe.toml; numbers of the test split, once evaluated: metrics.json",
        "- Use: items of one visit in, next items out. It knows no user, and only the items and habits of its data.",
    ]
    if history and "valid" not in history[0]:
        lines += [
            "",
            f"{len(history)} epochs on training and validation sessions together: nothing was left to measure on.",
        ]
    elif history:
        lines += ["", "| epoch | validation MRR@20 | validation HITS@20 | training s |", "|---|---|---|---|"]
        lines += [
            f"| {one['epoch']} | {one['valid']['mrr@20']:.4f} | {one['valid']['hits@20']:.4f} | {one['train_s']:.0f} |"
            for one in history
        ]
    return "\n".join(lines) + "\n"


def _origin(facts: dict[str, Any] | None) -> list[str]:
    """The line of a run that began with the weights of another."""
    if facts is None:
        return []
    return [f"- Began with: {facts['recipe']} on {facts['dataset']['name']}, {facts['path']}: {summary(facts)}"]
