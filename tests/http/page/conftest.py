"""The page on a real server with a real, small model, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from hiersrec.export_run import export
from hiersrec.http.app import make_app
from hiersrec.http.holder import Holder
from hiersrec.http.model import open_model
from hiersrec.http.settings import ServiceSettings
from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.recipe_file import find_recipe, read_recipe
from hiersrec.retrieval.candidates import Candidates
from hiersrec.serving.recommender import Recommender
from hiersrec.store.dataset import Dataset
from hiersrec.training.fit import train
from hiersrec.training.progress import SilentReporter
from tests.http.page.browser import chromium, serving, visit
from tests.http.page.parts import HOSTILE
from tests.toy import write_toy

SMALL = [
    *("inputs.item_width=16", "inputs.category_width=8", "inputs.metadata_width=8", "encoder.layers=1"),
    *("encoder.heads=2", "encoder.max_length=6", "training.precision=float32", "training.batch_size=128"),
    *("training.learning_rate=5e-3", "training.epochs=3"),
]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    folder = write_toy(tmp_path_factory.mktemp("toy"), sessions=300)
    items = folder / "items.csv"
    text = items.read_text(encoding="utf-8").replace("Drills no 3", HOSTILE).replace("Files", "<b>Files")
    items.write_text(text, encoding="utf-8")
    source = Source("toy", folder / "events.csv", items)
    prepare(
        source, folder / "data", PrepareSettings(split=SplitSettings(method="fraction", value=0.1)), say=lambda _: None
    )
    train(
        Dataset.open(folder / "data"),
        read_recipe(find_recipe("hiersrec", "toy"), SMALL),
        folder / "run",
        SilentReporter(),
    )
    export(folder / "run", folder / "bundle", lambda _: None, candidates=Candidates(policy="category", top=1))
    return folder / "bundle"


@pytest.fixture(scope="module")
def address(bundle) -> Iterator[str]:
    with serving(make_app(Holder(open_model(bundle)), ServiceSettings())) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(address, browser) -> Iterator[Page]:
    with visit(browser, address) as page:
        yield page


@pytest.fixture(scope="session")
def recommender(bundle) -> Recommender:
    return Recommender.load(bundle)
