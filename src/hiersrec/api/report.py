"""`Report`: the result of an evaluation."""

from collections.abc import Iterator
from typing import Any

from hiersrec.api.result import Result, transposed
from hiersrec.writing.tables import Table

METRICS = ("mrr", "hits", "recall", "any_hit")


class Report(Result):
    """Metrics of the next item and of each other task, counts, and the same metrics for slices of the split."""

    @property
    def metrics(self) -> dict[str, float]:
        """Name -> value, such as "mrr@20", "category_1/hits@20", "prefixes"; see docs/evaluation.md."""
        values: dict[str, float] = self.document["metrics"]
        return values

    def columns(self) -> dict[str, list[Any]]:
        """A row for each task: its name, the prefixes it was measured on, a column for each metric."""
        return transposed([{"task": task, "prefixes": count, **values} for task, count, values in self._tasks()])

    def parts(self) -> Iterator[str | Table]:
        """Metrics of items and of the other tasks, counts, and slices of one evaluation."""
        document, numbers, names = self.document, self.metrics, self._names()
        title = f"{document['run']} on {document['dataset']['name']}, {document['split']} split"
        rows = [
            (task, f"{count:,}", *(_share(values.get(name)) for name in names)) for task, count, values in self._tasks()
        ]
        yield Table(title, ("task", "prefixes", *names), tuple(rows))
        yield (
            f"{numbers['unseen_targets']} targets are not in the catalogue and count as misses; "
            f"{numbers['empty_prefixes']} prefixes hold no known item and are answered by popularity; "
            f"{numbers['tied_targets']:.2%} of the targets tie with another item."
        )
        is_whole = document["options"]["candidates"]["policy"] == "all"
        if not is_whole:
            yield _candidates(document)
        if bounds := {name: value for name, value in numbers.items() if name.endswith(("/optimistic", "/pessimistic"))}:
            lines = tuple((name, _share(value)) for name, value in bounds.items())
            yield Table("Bounds over the order of ties", ("metric", "value"), lines)
        for slice_name, slices in document["slices"].items():
            lines = tuple(
                (part["slice"], f"{part['prefixes']:,}", *(_share(part["metrics"][name]) for name in names))
                for part in slices
            )
            yield Table(f"By {slice_name.replace('_', ' ')}", ("slice", "prefixes", *names), lines)
            if slice_name == "cold_start" and any(name.startswith("random_within") for name in numbers) and is_whole:
                yield _chance(numbers, names)

    def _names(self) -> list[str]:
        return [f"{metric}@{self.document['options']['k']}" for metric in METRICS]

    def _tasks(self) -> Iterator[tuple[str, int, dict[str, float]]]:
        """Each task, its number of labelled prefixes, its metrics by name."""
        numbers, names = self.metrics, self._names()
        others = [name.removesuffix("/labelled") for name in numbers if name.endswith("/labelled")]
        for task, prefix, count in [
            ("item", "", "prefixes"),
            *((name, f"{name}/", f"{name}/labelled") for name in others),
        ]:
            values = {name: numbers[prefix + name] for name in names if prefix + name in numbers}
            yield task, int(numbers[count]), values


def _candidates(document: dict[str, Any]) -> str:
    options, numbers = document["options"], document["metrics"]
    policy, top = options["candidates"]["policy"], options["candidates"]["top"]
    text = (
        f"Only candidates were ranked ({policy}, top {top}): {_share(numbers['candidates/share'])} of the catalogue, "
        f"with {_share(numbers['candidates/target'])} of the targets among them."
    )
    if chosen := document.get("chosen"):
        share, kept = chosen["validation"]["share"], chosen["validation"]["kept"]
        text += (
            f" Top {top} was chosen on validation sessions: there candidates by category are {_share(share)} of the "
            f"catalogue and keep {_share(kept)} of the full mrr@{options['k']}."
        )
        if chosen["share"] is not None and share > chosen["share"]:
            text += f" Even one category per level holds more than {_share(chosen['share'])}, the goal."
    return text


def _chance(numbers: dict[str, float], names: list[str]) -> str:
    """What random order within a category reaches on new targets, and this run (evaluation.random_baseline)."""
    orders = []
    for prefix, about in (("random_within_category", "target's"), ("random_within_predicted_category", "likeliest")):
        if values := [f"{name} {numbers[f'{prefix}/{name}']:.2%}" for name in names if f"{prefix}/{name}" in numbers]:
            orders.append(f"the {about} category: {', '.join(values)}")
    own = ", ".join(f"{name} {numbers[f'within_category/{name}']:.2%}" for name in names[:2])
    return (
        f"New targets, with the items in random order within {'; '.join(orders)}. In this run's own order of the "
        f"items of the target's category: {own}."
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
