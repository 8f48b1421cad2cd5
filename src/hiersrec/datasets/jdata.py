"""JData: three days of view, order, follow and comment events of JD.com, 2018-03-01 to 2018-03-03.

Source: JD.com's JData competition 2019, https://jdata.jd.com; not shipped. The files are events.parquet (session_id,
position, item_id, timestamp in seconds, event_type, user_id) and items.parquet (item_id, category_1, brand, shop,
listed_month): 30,360 events (27,161 views, 2,164 orders, 530 comments, 505 follows) in 5,696 sessions on 12,971 items,
one level of 78 categories. The raw competition files can't be used: they have no sessions.
"""

from pathlib import Path

from hiersrec.datasets._facts import Facts, need_files, need_folder
from hiersrec.preparation.settings import Metadata, PrepareSettings, SplitSettings
from hiersrec.preparation.source import Source

SOURCE = Facts(
    title="JData 2019, three days",
    url="https://jdata.jd.com",
    licence="for research, as the competition says",
    citation="JD.com, JData competition 2019",
    expected={"training_sessions": 4_557, "test_sessions": 1_139, "items": 11_139, "interactions": 30_360},
)
SETTINGS = PrepareSettings(
    split=SplitSettings(method="fraction", value=0.2), metadata=Metadata(categorical=("brand", "shop"))
)


def source(folder: Path | None = None) -> Source:
    """events.parquet and items.parquet of a folder. Raises BadInput if one is missing."""
    folder = need_folder(folder, "jdata", SOURCE)
    events, items = need_files(folder, ("events.parquet", "items.parquet"), "JData")
    return Source("jdata", events, items)
