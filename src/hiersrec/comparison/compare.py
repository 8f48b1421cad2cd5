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
from hiersrec.comparison.measured import read_measured
from hiersrec.comparison.resampling import interval, resampled_sums
from hiersrec.comparison.significance import holm, p_resampled, p_welch
from hiersrec.errors import BadInput
from hiersrec.evaluation.metrics import About
from hiersrec.types import Float64, Int64
from hiersrec.writing.origin import origin

LEVEL = 0.95
"""Confidence level of the intervals."""


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """How to compare."""

    metrics: tuple[str, ...] = ("mrr@20", "hits@20", "recall@20")
    """Names as in metrics.json, of items or of a task: category_1/mrr@20."""
    bootstrap: int = 10_000
    """Resamples of the test sessions; p can't be lower than 1 / (1 + resamples)."""
    seed: int = 0
    """Seed of the resamples."""

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
    """Compare evaluated runs; returns the document, ready for JSON (see docs/do/compare.md).

    Runs that differ only in their seed form a group; the first group is ours. `progress` gets (resamples done, all).
    Raises BadFolder for a run that is missing or not evaluated, BadInput for runs or metrics that can't be compared,
    UnknownName for a metric that one of them lacks.
    """
    options = options or ComparisonOptions()
    groups = grouped([read_measured(folder) for folder in folders])
    first = groups[0].runs[0]
    codes = first.ranks["session_id"].combine_chunks().dictionary_encode().indices
    sessions = codes.to_numpy().astype(np.int64)  # (P,): number of each prefix's session, from 0
    sums_of = {metric: _sums(groups, metric, sessions) for metric in options.metrics}
    about = {metric: first.about(metric) for metric in sums_of}
    columns = np.concatenate([part for sums in sums_of.values() for part in sums.columns()], axis=1)
    resampled = np.split(resampled_sums(columns, options.bootstrap, options.seed, progress), len(sums_of), axis=1)
    for metric, part in zip(sums_of, resampled, strict=True):
        if not part[:, -1].all():
            raise BadInput(
                f"{metric}: so few sessions have labels that a resample may have none. Leave this metric out."
            )
    results = {metric: _results(sums, part) for (metric, sums), part in zip(sums_of.items(), resampled, strict=True)}
    systems = [
        {
            "name": group.name,
            "recipe": group.runs[0].recipe,
            "runs": [
                {"run": run.folder.resolve().name, "seed": run.seed, "versions": run.versions}
                | {"metrics": {metric: sums.of_runs[column][row] for metric, sums in sums_of.items()}}
                for row, run in enumerate(group.runs)
            ],
            "metrics": {metric: of_groups[column] for metric, of_groups in results.items()},
        }
        for column, group in enumerate(groups)
    ]
    return {
        "origin": origin(),
        "dataset": first.document["dataset"],
        "split": first.document["split"],
        "options": first.document["options"],
        "settings": {**asdict(options), "metrics": list(options.metrics), "level": LEVEL},
        **({"about": unusual} if (unusual := _unusual(about)) else {}),
        "sessions": int(sessions.max()) + 1,
        "prefixes": len(sessions),
        "ours": groups[0].name,
        "systems": systems,
    }


def _unusual(about: dict[str, About]) -> dict[str, Any]:
    """Metric -> its direction and range where it is not from 0 to 1 with higher being better."""
    names = [metric for metric, facts in about.items() if facts != About()]
    return {metric.rpartition("/")[2].partition("@")[0]: about[metric].document() for metric in names}


@dataclass(frozen=True)
class _Sums:
    """One metric: sums per session (S, G) of values averaged over seeds, counted prefixes (S,), each run's mean.

    sign: -1 where lower values are better, else 1; a lead of ours is above 0 where ours is better.
    """

    sums: Float64
    counts: Float64
    of_runs: list[list[float]]
    sign: int

    def columns(self) -> list[Float64]:
        """Sums to resample: of the groups, of ours minus each baseline, and counts: (S, G), (S, G - 1), (S, 1)."""
        # A difference is taken before it is summed, so that equal runs differ by 0 and not by rounding.
        return [self.sums, self.sign * (self.sums[:, :1] - self.sums[:, 1:]), self.counts[:, None]]


def _sums(groups: list[Group], metric: str, sessions: Int64) -> _Sums:
    sums, of_runs, counted = [], [], None
    for group in groups:
        values, means = np.zeros(len(sessions)), []
        for run in group.runs:
            run_values, counts = run.values(metric)
            if counted is None:
                counted = counts
            elif not np.array_equal(counted, counts):
                raise BadInput(
                    f"{metric}: {groups[0].runs[0].folder} and {run.folder} have labels for other prefixes. "
                    "Leave one of them out, or this metric."
                )
            values += run_values / len(group.runs)
            means.append(float(run_values.sum() / counts.sum()))
        sums.append(np.bincount(sessions, values))
        of_runs.append(means)
    assert counted is not None, "there is no comparison without runs"
    sign = -1 if groups[0].runs[0].about(metric).better == "lower" else 1
    return _Sums(np.stack(sums, axis=1), np.bincount(sessions, counted).astype(np.float64), of_runs, sign)


def _results(sums: _Sums, resampled: Float64) -> list[dict[str, Any]]:
    """Per group: mean and interval; for a baseline also the lead of ours and the tests. resampled: (draws, 2 G)."""
    ratios = resampled[:, :-1] / resampled[:, -1:]
    values, differences = np.split(ratios, [sums.sums.shape[1]], axis=1)
    means = sums.sums.sum(axis=0) / sums.counts.sum()
    results: list[dict[str, Any]] = [
        {"mean": float(mean), "interval": interval(values[:, column], LEVEL)} for column, mean in enumerate(means)
    ]
    p_sessions = [p_resampled(difference) for difference in differences.T]
    signed = [[sums.sign * mean for mean in means_of_runs] for means_of_runs in sums.of_runs]
    p_seeds = [p_welch(signed[0], theirs) for theirs in signed[1:]]
    for column, corrected in enumerate(zip(holm(p_sessions), holm(p_seeds), strict=True)):
        results[column + 1]["ours_better_by"] = {
            "mean": float(sums.sign * (sums.sums[:, 0] - sums.sums[:, column + 1]).sum() / sums.counts.sum()),
            "interval": interval(differences[:, column], LEVEL),
            "p_sessions": p_sessions[column],
            "p_sessions_holm": corrected[0],
            "p_seeds": p_seeds[column],
            "p_seeds_holm": corrected[1],
        }
    return results
