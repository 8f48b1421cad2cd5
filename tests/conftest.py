"""What every test process needs before a numeric library loads.

One thread each: tests are small, sums keep their order, and there is a process for each core already. Threads that wait
sleep, where a test asks for two. Compiled modules are kept, whatever the machine says, as tests start many processes.
What is imported and collected stays, so the garbage collector is told not to look through it again and again; and the
small models of tests leave nothing large behind, so it looks less often than it does by itself.
"""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("COLUMNS", None)  # of the terminal, which processes of pytest-xdist are given too
sys.dont_write_bytecode = False
gc.disable()  # until all tests are collected

# Nothing is timed: an example may take long where the processor has other work.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with the marker `spark` come first, and so in one process: others take over from the end of its list."""
    items.sort(key=lambda item: item.get_closest_marker("spark") is None)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()


@pytest.fixture
def short_tree(monkeypatch) -> None:
    """The tree head is fitted in few steps, which take longer than the rest of a toy training."""
    monkeypatch.setattr("hiersrec.training.fit_tree.STEPS", 5)


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory) -> Path:
    """A small trained run of the toy shop, for all tests that change nothing in it; its dataset is ../data."""
    from tests.bundles import tiny_run  # loads PyTorch

    return tiny_run(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def toy_bundle(toy_run) -> Path:
    """A bundle of it that ranks the items of the two best categories."""
    from hiersrec import Candidates
    from tests.bundles import exported

    return exported(toy_run, toy_run.parent / "bundle", Candidates(policy="category", top=2))
