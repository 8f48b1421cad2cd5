"""Metrics of the service, in the format of Prometheus.

Several workers write their numbers to memory-mapped files of one folder (PROMETHEUS_MULTIPROC_DIR, set before this file
is imported); the worker that gets a request adds up all of them.
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import cast

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from hiersrec.serving.listed import Listed

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
RANKED = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        counter, histogram = partial(Counter, registry=self._registry), partial(Histogram, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry, multiprocess_mode="livesum")
        self._seconds = histogram(
            "hiersrec_request_seconds", "Time of a request inside the server.", ["endpoint"], buckets=SECONDS
        )
        self._requests = counter("hiersrec_requests", "Requests answered.", ["endpoint", "status"])
        self._ranked = histogram("hiersrec_candidates_scored", "Items ranked for a session.", buckets=RANKED)
        self._unknown = counter("hiersrec_unknown_ids", "Item ids of sessions that the catalogue doesn't have.")
        self._fallbacks = counter("hiersrec_fallbacks", "Lists filled up with popular items.", ["kind"])
        self._batches = histogram("hiersrec_batch_sessions", "Sessions computed at once.", buckets=BATCHES)
        self._queue = gauge("hiersrec_queue_length", "Waiting requests.")
        self._connections = gauge("hiersrec_connections", "Open connections.")
        self._refused = counter("hiersrec_refused_connections", "Connections that were refused or cut off.", ["reason"])
        self._model = gauge("hiersrec_model_workers", "Workers with this version of the model.", ["version"])
        self._of_request = cache(self._counters)  # looking up by labels takes longer than counting
        self._reloads = counter("hiersrec_reloads", "Bundles opened while running.", ["result"])

    def _counters(self, endpoint: str, status: int) -> tuple[Callable[[float], None], Callable[[], None]]:
        return self._seconds.labels(endpoint).observe, self._requests.labels(endpoint, str(status)).inc

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        observe, count = self._of_request(endpoint, status)
        observe(seconds)
        count()

    def answers(self, answers: Iterable[Listed]) -> None:
        """Count candidates, unknown ids and fallbacks."""
        for answer in answers:
            self._ranked.observe(answer.candidates)
            if answer.unknown_ids:
                self._unknown.inc(len(answer.unknown_ids))
            if answer.fallback is not None:
                self._fallbacks.labels(answer.fallback).inc()

    def batch(self, sessions: int) -> None:
        self._batches.observe(sessions)

    def queue(self, length: int) -> None:
        self._queue.set(length)

    def connections(self, count: int) -> None:
        self._connections.set(count)

    def refused(self, reason: str) -> None:
        """Count a connection: "invalid", "head", "slow", "unread" or "dropped" (connection.py, accepting.py)."""
        self._refused.labels(reason).inc()

    def model(self, version: str | None, previous: str | None = None) -> None:
        """Record the version of the current model, and reset the one it replaces."""
        if previous is not None:
            self._model.labels(previous).set(0)
        self._model.labels(version or "unknown").set(1)

    def reload(self, result: str) -> None:
        """Count a reload, "ok" or "failed"."""
        self._reloads.labels(result).inc()

    def text(self) -> bytes:
        """All metrics, summed over the workers."""
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        _Workers(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class _Workers(MultiProcessCollector):
    """Reads what every worker has written, but for a worker that is just making its file, which is empty then."""

    def collect(self) -> Iterable[Metric]:
        files = [file for file in Path(self._path).glob("*.db") if _has_content(file)]
        return cast("Iterable[Metric]", self.merge(map(str, files)))  # type: ignore[no-untyped-call]


def _has_content(file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):  # of a worker that has just ended
        return file.stat().st_size > 0
    return False
