"""RetailRocket: sessions of a web shop, as the authors of DSR-HK (2024) prepared and split them.

Source: Retailrocket recommender system dataset, https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset, 2016.
CC BY-NC-SA 4.0, so it is not shipped. The files are train.parquet and test.parquet (session_id, position, item_id;
whole sessions) and items.parquet (item_id, category_1, category_2; names are numbers): 75,360 + 1,994 sessions on
25,280 items, two strict levels, 232 > 757. A tenth of the items have no category.

Nothing says in which order of time the training sessions stand, so validation sessions are random. The split that most
publications use is another one (36,968 items, 15,132 test prefixes), so their numbers do not compare with these.
"""

from pathlib import Path

from hiersrec.datasets._facts import Facts, need_files, need_folder
from hiersrec.preparation.settings import PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source

SOURCE = Facts(
    title="Retailrocket recommender system dataset, as prepared for DSR-HK",
    url="https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset",
    licence="CC BY-NC-SA 4.0",
    citation="Retailrocket recommender system dataset. Kaggle, 2016",
    expected={
        "training_sessions": 75_360,
        "test_sessions": 1_994,
        "items": 25_280,
        "interactions": 467_085,
        "training_prefixes": 384_092,
        "test_prefixes": 5_639,
        "unseen_test_events": 0,
        "items_without_metadata": 0,
    },
)
SETTINGS = PrepareSettings(split=SplitSettings(method="given"))


def source(folder: Path | None = None) -> Source:
    """train.parquet, test.parquet and items.parquet of a folder. Raises BadInput if one is missing."""
    folder = need_folder(folder, "retailrocket", SOURCE)
    names = ("train.parquet", "test.parquet", "items.parquet")
    train, test, items = need_files(folder, names, "RetailRocket, as prepared for DSR-HK")
    return Source("retailrocket", train, items, test)
