"""Progress of a search: the messages of each trial, prefixed with the trial's number."""

import json
from collections.abc import Mapping
from typing import Any

from hiersrec.training.progress import ProgressReporter


class Prefixed:
    """A reporter that passes everything on to another one, with a prefix."""

    def __init__(self, reporter: ProgressReporter, prefix: str) -> None:
        self.reporter, self.prefix = reporter, prefix

    def say(self, text: str) -> None:
        self.reporter.say(f"{self.prefix}: {text}")

    def start(self, title: str, total: int) -> None:
        self.reporter.start(f"{self.prefix}: {title}", total)

    def step(self, done: int, note: str) -> None:
        self.reporter.step(done, note)

    def end(self) -> None:
        self.reporter.end()


def settings_line(settings: Mapping[str, Any]) -> str:
    """Settings in one line, such as: encoder.layers 2, training.learning_rate 0.00123."""
    return ", ".join(f"{key} {shown(value)}" for key, value in settings.items())


def shown(value: Any) -> str:
    """A setting as text: floats with four digits, anything else in full."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
