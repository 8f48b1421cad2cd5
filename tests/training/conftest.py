"""A dataset folder of the toy shop, made once."""

import pytest

from hiersrec.preparation.pipeline import prepare
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source
from hiersrec.store.dataset import Dataset
from tests.toy import write_toy


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Dataset:
    shop = write_toy(tmp_path_factory.mktemp("toy"), sessions=60)
    source = Source("toy", shop / "events.csv", shop / "items.csv")
    prepare(
        source, shop / "data", PrepareSettings(split=SplitSettings(method="fraction", value=0.2)), say=lambda _: None
    )
    return Dataset.open(shop / "data")
