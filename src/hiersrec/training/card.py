"""MODEL_CARD.md: what a run is, how it was made and how good it is, for people."""

from typing import Any

from hiersrec.training.warm_start.transfer import summary


def model_card(document: dict[str, Any], description: str, history: list[dict[str, Any]]) -> str:
    """The card of a run as Markdown, from its run.json and its epochs (none for a baseline that counts)."""
    dataset = document["dataset"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    lines = [
        f"# {document['recipe']} on {dataset['name']}",
        "",
        description,
        "",
        f"- Made: {document['created']} with {versions}",
        f"- Dataset: {dataset['name']}, catalogue {dataset['fingerprint'][:12]}",
    ]
    if origin := document.get("init_from"):
        name = f"{origin['recipe']} on {origin['dataset']['name']}"
        lines.append(f"- Began with: {name}, {origin['path']}: {summary(origin)}")
    lines += [f"- Taught by: {teacher['recipe']}, {teacher['path']}" for teacher in document.get("teachers", [])]
    lines += [
        f"- Parameters: {document['parameters']:,}",
        "- Settings: recipe.toml; metrics on the test split, once evaluated: metrics.json",
        "- Use: items of one visit in, next items out. It knows no user, and only the items and habits of its data.",
    ]
    if history and "valid" not in history[0]:
        epochs = f"{len(history)} epochs on training and validation sessions together"
        lines += ["", f"{epochs}: nothing was left to measure on."]
    elif history:
        lines += ["", "| epoch | validation MRR@20 | validation HITS@20 | training s |", "|---|---|---|---|"]
        for record in history:
            mrr, hits = record["valid"]["mrr@20"], record["valid"]["hits@20"]
            lines.append(f"| {record['epoch']} | {mrr:.4f} | {hits:.4f} | {record['train_s']:.0f} |")
    return "\n".join(lines) + "\n"
