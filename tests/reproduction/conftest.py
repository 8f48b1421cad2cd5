"""A small shop, and a bench on it on which every run of every table is finished."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hiersrec import registry
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.reproduction._bench import BUDGETS, Bench
from hiersrec.reproduction._output import Output
from hiersrec.reproduction._reproduce import members, reproduce
from hiersrec.store.dataset import Dataset
from hiersrec.training.progress import ProgressReporter, SilentReporter
from tests.toy import write_toy

MakeBench = Callable[..., Bench]


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Dataset:
    folder = write_toy(tmp_path_factory.mktemp("shop"), sessions=90)
    settings = PrepareSettings(split=SplitSettings(method="random", value=0.3))
    prepare(Source("shop", folder / "events.csv", folder / "items.csv"), folder / "data", settings, say=lambda _: None)
    return Dataset.open(folder / "data")


@pytest.fixture
def make_bench(shop, tmp_path) -> MakeBench:
    def bench(
        reporter: ProgressReporter | None = None, seeds: int = 1, budget: str = "small", out: Path = tmp_path
    ) -> Bench:
        return Bench(shop, out, seeds, budget, "hiersrec reproduce", reporter or SilentReporter())

    return bench


@pytest.fixture(scope="session")
def everything(shop, tmp_path_factory) -> tuple[Bench, dict[str, Output]]:
    """`hiersrec reproduce all` on the shop: the bench, and what came out by name."""
    bench = Bench(
        shop, tmp_path_factory.mktemp("all"), 1, "small", "hiersrec reproduce all --data shop", SilentReporter()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BUDGETS, "small", {"epochs": 1})
        patch.setattr("hiersrec.training.fit_tree.STEPS", 5)
        outputs = {name: output for name, output, _ in reproduce(bench, members("all"))}
    assert list(outputs) == registry.names("reproduction")
    return bench, outputs
