"""The toy shop's dataset folder, and recipe files with a [search]."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.conftest import dataset as dataset

Writer = Callable[[str], Path]


@pytest.fixture
def recipe(tmp_path) -> Writer:
    """Write a recipe file: mine.toml with the text given."""

    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
