"""Run folders -> a document of means, intervals and tests: `hiersrec compare`.

The first group is ours, the others are baselines. Intervals and `p_sessions` come from a bootstrap of test sessions
over the values of each prefix, averaged over a group's seeds; `p_seeds` from a one-tailed t-test over seeds. The paper
says only "one-tailed t-test"; ours is Welch's. Both are corrected by Holm over the baselines, metric by metric.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.comparison.groups import Group, grouped
from hiersrec.comparison.measured import Measured, read_measured
from hiersrec.comparison.resampling import interval, resampled_sums
from hiersrec.comparison.significance import holm, p_resampled, p_welch
from hiersrec.errors import BadInput
from hiersrec.types import Float64, Int64
from hiersrec.writing.origin import origin

LEVEL = 0.95
"""Of the intervals."""


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """How to compare."""

    metrics: tuple[str, ...] = ("mrr@20", "hits@20", "recall@20")
    """Names as in metrics.json, of items or of a task: category_1/mrr@20."""
    bootstrap: int = 10_000
    """Resamples of the test sessions; p can't be lower than 1 / (1 + resamples)."""
    seed: int = 0
    """Of the resamples."""

    def __post_init__(self) -> None:
        if not self.metrics:
            raise BadInput("Name at least one metric to compare, such as mrr@20.")
        if len(set(self.metrics)) < len(self.metrics):
            raise BadInput(f"Each metric is named once, got {', '.join(self.metrics)}.")
        if self.bootstrap < 100:
            raise BadInput(f"An interval needs at least 100 resamples, got {self.bootstrap}. The default is 10000.")
        if self.seed < 0:
            raise BadInput(f"A seed is a whole number from 0, got {self.seed}.")


def compare(
    folders: Sequence[Path],
    options: ComparisonOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compare evaluated runs; returns the document, ready for JSON (docs/comparison.md says what is in it).

    Runs that differ in seed alone form a group, and the first group is ours. `progress` is told (resamples done, all).
    Raises BadFolder for a run that is missing or not evaluated, BadInput for runs that can't be compared, UnknownName
    for a metric that one of them lacks.
    """
    options = options or ComparisonOptions()
    groups = grouped([read_measured(folder) for folder in folders])
    first = groups[0].runs[0]
    sessions = _sessions(first)
    means = {metric: _means(groups, metric, sessions) for metric in options.metrics}
    columns = np.concatenate([part for one in means.values() for part in one.columns()], axis=1)
    resampled = np.split(resampled_sums(columns, options.bootstrap, options.seed, progress), len(means), axis=1)
    for metric, part in zip(means, resampled, strict=True):
        if not part[:, -1].all():
            raise BadInput(
                f"{metric}: so few sessions have labels that a resample may hold none. Leave this metric out."
            )
    results = {metric: _results(one, part) for (metric, one), part in zip(means.items(), resampled, strict=True)}
    systems = [
        {
            "name": group.name,
            "recipe": group.runs[0].recipe,
            "runs": [
                {"run": run.folder.resolve().name, "seed": run.seed, "versions": run.versions}
                | {"metrics": {metric: one.of_runs[at][row] for metric, one in means.items()}}
                for row, run in enumerate(group.runs)
            ],
            "metrics": {metric: found[at] for metric, found in results.items()},
        }
        for at, group in enumerate(groups)
    ]
    return {
        "origin": origin(),
        "dataset": first.document["dataset"],
        "split": first.document["split"],
        "options": first.document["options"],
        "settings": {**asdict(options), "metrics": list(options.metrics), "level": LEVEL},
        "sessions": int(sessions.max()) + 1,
        "prefixes": len(sessions),
        "ours": groups[0].name,
        "systems": systems,
    }


@dataclass(frozen=True)
class _Means:
    """One metric: session sums (S, G) of values averaged over seeds, counted prefixes (S,), and each run's mean."""

    sums: Float64
    counts: Float64
    of_runs: list[list[float]]

    def columns(self) -> list[Float64]:
        """Sums to resample: of the groups, of ours minus each baseline, and counts: (S, G), (S, G - 1), (S, 1)."""
        # A difference is taken before it is summed, so that equal runs differ by 0 and not by rounding.
        return [self.sums, self.sums[:, :1] - self.sums[:, 1:], self.counts[:, None]]


def _sessions(run: Measured) -> Int64:
    """(P,) int64: the session of each prefix, from 0."""
    codes = run.ranks["session_id"].combine_chunks().dictionary_encode().indices
    found: Int64 = codes.to_numpy().astype(np.int64)
    return found


def _means(groups: list[Group], metric: str, sessions: Int64) -> _Means:
    sums, of_runs, counted = [], [], None
    for group in groups:
        values, means = np.zeros(len(sessions)), []
        for run in group.runs:
            found, counts = run.values(metric)
            if counted is None:
                counted = counts
            elif not np.array_equal(counted, counts):
                raise BadInput(
                    f"{metric}: {groups[0].runs[0].folder} and {run.folder} have labels for other prefixes. "
                    "Leave one of them out, or this metric."
                )
            values += found / len(group.runs)
            means.append(float(found.sum() / counts.sum()))
        sums.append(np.bincount(sessions, values))
        of_runs.append(means)
    assert counted is not None, "there is no comparison without runs"
    return _Means(np.stack(sums, axis=1), np.bincount(sessions, counted).astype(np.float64), of_runs)


def _results(means: _Means, resampled: Float64) -> list[dict[str, Any]]:
    """Per group: mean and interval; for a baseline also what ours has more, and the tests. resampled: (draws, 2 G)."""
    ratios = resampled[:, :-1] / resampled[:, -1:]
    values, differences = np.split(ratios, [means.sums.shape[1]], axis=1)
    whole = means.sums.sum(axis=0) / means.counts.sum()
    found: list[dict[str, Any]] = [
        {"mean": float(mean), "interval": interval(values[:, at], LEVEL)} for at, mean in enumerate(whole)
    ]
    p_sessions = [p_resampled(differences[:, at]) for at in range(differences.shape[1])]
    p_seeds = [p_welch(means.of_runs[0], theirs) for theirs in means.of_runs[1:]]
    for at, corrected in enumerate(zip(holm(p_sessions), holm(p_seeds), strict=True)):
        found[at + 1]["ours_better_by"] = {
            "mean": float((means.sums[:, 0] - means.sums[:, at + 1]).sum() / means.counts.sum()),
            "interval": interval(differences[:, at], LEVEL),
            "p_sessions": p_sessions[at],
            "p_sessions_holm": corrected[0],
            "p_seeds": p_seeds[at],
            "p_seeds_holm": corrected[1],
        }
    return found
