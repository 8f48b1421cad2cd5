"""Metrics that the package lacks, for tests: put into the registry as a plug-in would be."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hiersrec.evaluation import metrics

GAIN = '''"""Normalised discounted cumulative gain over all future items."""

import numpy as np

USES = ("future", "is_future")


def values(results, k):
    discounts = 1 / np.log2(np.arange(2, k + 2))
    listed = results.is_future[:, :k]
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(results.future, k)]
    return (listed * discounts[: listed.shape[1]]).sum(axis=1) / ideal
'''
TIED = '''"""Uses the rank and more, so it has bounds and a column."""

USES = ("rank", "future")


def values(results, k):
    return ((results.rank > 0) & (results.rank <= k)) / results.future
'''


@contextmanager
def registered(folder: Path, **sources: str) -> Iterator[None]:
    """Metrics of these names and sources are in the registry meanwhile; `folder` gets their files."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "__path__", [*metrics.__path__, str(folder)])
        yield
    for name in sources:
        sys.modules.pop(f"{metrics.__name__}.{name}", None)
