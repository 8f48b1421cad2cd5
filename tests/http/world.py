"""A service on the six articles of tests/serving/world.py, packed as a bundle packs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from hiersrec.http.app import make_app
from hiersrec.http.holder import Holder
from hiersrec.http.model import Model
from hiersrec.http.settings import ServiceSettings
from hiersrec.retrieval.ranking import FullRanker
from hiersrec.serving.recommender import Recommender
from hiersrec.store.bundle_catalog import BundleCatalog, pack
from tests.serving import world

DOCUMENT = {"recipe": "toy", "dataset": "articles", "tasks": ["category_1", "category_2"]}


def model(folder: Path, scorer=None, version: str = "0123456789ab", ids=world.IDS) -> Model:
    if not folder.exists():
        pack(world.catalog(ids), folder)
    catalog = BundleCatalog(folder)
    ranker = FullRanker(scorer or world.Explained(), catalog)
    return Model(Recommender(catalog, ranker, model_version=version), DOCUMENT)


@contextmanager
def client(holder: Holder, settings: ServiceSettings = ServiceSettings()) -> Iterator[TestClient]:  # noqa: B008
    with TestClient(make_app(holder, settings)) as client:
        yield client
