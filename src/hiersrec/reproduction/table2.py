"""Table 2: the statistics of the dataset, next to those of the paper."""

from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._output import Output
from hiersrec.reproduction._published import published
from hiersrec.writing.tables import Table

RECIPES: tuple[str, ...] = ()
ROWS = {
    "training_sessions": "Training sessions",
    "validation_sessions": "of them for validation",
    "test_sessions": "Test sessions",
    "items": "Items",
    "interactions": "Interactions",
    "mean_session_length": "Mean session length",
    "categories": "Categories, coarse to fine",
    "training_prefixes": "Training prefixes",
    "test_prefixes": "Test prefixes",
    "metadata": "Item metadata",
}
NOT_ITS_FILE = (
    "The paper's Diginetica is not the standard split of the literature: it has 117K items, that split 43,097. "
    "The data of The Home Depot (THD) is not public."
)


def make(bench: Bench) -> Output:
    """A row per statistic: of this dataset and of the paper's two."""
    statistics = bench.dataset.document["statistics"]
    paper = published()["paper"]["table2"]
    rows = [
        (label, _cell(key, statistics[key]), paper["diginetica"].get(key, ""), paper["thd"].get(key, ""))
        for key, label in ROWS.items()
    ]
    title = f"Table 2: statistics of {bench.dataset.name}"
    headings = ("Statistic", bench.dataset.name, "Paper: Diginetica", "Paper: THD")
    notes = ("Training sessions and prefixes are counted before the validation cut.", NOT_ITS_FILE)
    return Output(Table(title, headings, tuple(rows), notes=notes), {key: statistics[key] for key in ROWS})


def _cell(key: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    assert isinstance(value, list)
    return ", ".join(part["name"] if key == "metadata" else f"{part:,}" for part in value) or "none"
