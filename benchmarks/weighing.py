"""What the questions about accuracy share: the same scorer with something added to it, by one weight after another."""

from collections.abc import Callable, Iterable

from hiersrec.evaluation.evaluate import evaluate
from hiersrec.store.catalog import Catalog
from hiersrec.store.sessions import Sessions
from hiersrec.types import Scorer


def weighed(
    weights: Iterable[float],
    with_weight: Callable[[float], Scorer],
    catalog: Catalog,
    sessions: Sessions,
    shown: tuple[str, ...],
    split: str,
) -> dict[float, dict[str, float]]:
    """Weight -> metrics of the names `shown`, each printed as soon as it is measured; split: what `sessions` are."""
    measured: dict[float, dict[str, float]] = {}
    for weight in weights:
        metrics = evaluate(with_weight(weight), catalog, sessions).metrics
        measured[weight] = {name: metrics[name] for name in shown}
        line = ", ".join(f"{name} {value:.4f}" for name, value in measured[weight].items())
        print(f"{split}, weight {weight}: {line}", flush=True)
    return measured
