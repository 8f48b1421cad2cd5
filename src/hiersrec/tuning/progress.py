"""How a search tells of itself: each trial's own news, under the trial's number."""

import json
from collections.abc import Mapping
from typing import Any

from hiersrec.training.callbacks import Callback


class Numbered:
    """A callback that puts a title before all that a training tells another callback."""

    def __init__(self, callback: Callback, title: str) -> None:
        self.callback, self.title = callback, title

    def say(self, text: str) -> None:
        """The line, after the title."""
        self.callback.say(f"{self.title}: {text}")

    def start(self, title: str, total: int) -> None:
        """The stretch, its title after ours."""
        self.callback.start(f"{self.title}: {title}", total)

    def step(self, done: int, note: str) -> None:
        """The same."""
        self.callback.step(done, note)

    def end(self) -> None:
        """The same."""
        self.callback.end()


def told(settings: Mapping[str, Any]) -> str:
    """Settings in a line, such as: encoder.layers 2, training.learning_rate 0.00123."""
    return ", ".join(f"{place} {shown(value)}" for place, value in settings.items())


def shown(value: Any) -> str:
    """A setting for people: numbers with a point to four digits, the rest as it is."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
