"""A dataset folder, opened. `fit` functions take a TrainingData, which can't reach the test split."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from hiersrec import arguments
from hiersrec.errors import BadFolder, BadInput, did_you_mean
from hiersrec.frames import to_html
from hiersrec.store import statistics
from hiersrec.store.arrow import read_parquet
from hiersrec.store.catalog import Catalog
from hiersrec.store.contents import check_contents, readable
from hiersrec.store.folder import open_seal
from hiersrec.store.sessions import Sessions
from hiersrec.store.unseen import UNSEEN


@dataclass(frozen=True)
class TrainingData:
    """Everything that `fit` may see."""

    catalog: Catalog
    train: Sessions
    valid: Sessions
    timed: bool = True
    """Whether sessions are ordered by time; otherwise by id."""
    latest: bool = True
    """Whether the validation sessions come after the training sessions; otherwise they cover the same time."""


@dataclass(frozen=True, repr=False)
class Dataset:
    """A dataset folder, made by `hiersrec.prepare`."""

    folder: Path
    document: dict[str, Any]
    """Its dataset.json: settings, counts, statistics."""
    _intact: set[str] = field(default_factory=set, compare=False)
    """Parts of the folder whose contents were compared with their checksums."""

    @classmethod
    def open(cls, folder: str | Path) -> "Dataset":
        """Check the seal and open. Parts are read when they are first used, after a check of their contents.

        Both raise BadFolder.
        """
        path = arguments.path(folder=folder)
        return cls(path, open_seal(path, "dataset"))

    def __repr__(self) -> str:
        facts = self.document["statistics"]
        training, validation, test = (self.document["split"][part]["sessions"] for part in ("train", "valid", "test"))
        levels = len(facts["categories"])
        return (
            f"Dataset '{self.name}' in {self.folder}: {facts['items']:,} items, {levels} category "
            f"level{'' if levels == 1 else 's'}; {training:,} training, {validation:,} validation and "
            f"{test:,} test sessions"
        )

    def _repr_html_(self) -> str:
        return to_html(f"Dataset {self.name}", ("statistic", "value"), statistics.table(self.document))

    @property
    def name(self) -> str:
        """Name of the dataset, which also names its folder of recipes."""
        return str(self.document["name"])

    @property
    def fingerprint(self) -> str:
        """Checksum of the items; a run fits a dataset if theirs are equal."""
        return str(self.document["files"]["catalog/items.parquet"]["sha256"])

    @cached_property
    def catalog(self) -> Catalog:
        self._check("catalog")
        with readable(self.folder / "catalog", "dataset"):
            return Catalog.open(self.folder / "catalog")

    def _check(self, part: str) -> None:
        if part not in self._intact:
            check_contents(self.folder, self.document["files"], f"{part}/", "dataset")
            self._intact.add(part)

    def training(self) -> TrainingData:
        """Catalogue, training and validation sessions."""
        timed = self.document["columns"]["events"].get("timestamp") is not None
        # Older versions have what the settings say only.
        rule = self.document["split"].get("validation", self.document["settings"]["split"]["valid"])
        return TrainingData(self.catalog, self.sessions("train"), self.sessions("valid"), timed, rule == "latest")

    def unseen(self) -> pa.Table:
        """Items of the test sessions that training never saw: item_id as given, item (int32) -1, -2, ...

        Raises BadFolder if an older version prepared the folder without this table.
        """
        path = self.folder / "test" / UNSEEN
        if not path.is_file():
            raise BadFolder(
                f"{path} is missing: an older hiersrec made the folder, and did not store the ids of items that "
                "training never saw. Make it again with `hiersrec prepare`."
            )
        self._check("test")
        with readable(path, "dataset"):
            return read_parquet(path)

    def sessions(self, split: str) -> Sessions:
        """Sessions of "train", "valid" or "test".

        With the split leave-last these are the same sessions, with one item more in "valid" than in "train" and one
        more in "test"; that item is then the only target.
        """
        if split not in (splits := ("train", "valid", "test")):
            raise BadInput(f"There is no split '{split}'. {did_you_mean(split, splits)}")
        last_only = split != "train" and self.document.get("split", {}).get("targets") == "last"
        self._check(split)
        with readable(self.folder / split, "dataset"):
            return replace(Sessions.open(self.folder / split), last_only=last_only)
