"""An open model and the folder of a batch: scores a block by its number, in any process."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hiersrec.batch import formats
from hiersrec.batch.blocks import SessionFacts, block_file
from hiersrec.batch.request import BatchRequest, identity
from hiersrec.batch.scoring import score
from hiersrec.batch.work_folder import WorkFolder
from hiersrec.errors import BadFolder
from hiersrec.retrieval.ranking import ListRequest
from hiersrec.serving.recommender import Recommender
from hiersrec.store.arrow import read_parquet
from hiersrec.store.item_catalog import ItemCatalog


@dataclass(frozen=True)
class BlockScorer:
    """See `open`."""

    work: WorkFolder
    recommender: Recommender
    request: ListRequest
    columns: pa.Schema

    @classmethod
    def open(cls, work: WorkFolder, facts: SessionFacts) -> "BlockScorer":
        """Open the model of a batch. Raises BadFolder if it is another one than when the batch began."""
        recommender = Recommender.load(work.model)
        if identity(work.model) != work.asked["model"]:
            raise BadFolder(
                f"{work.model} was replaced since the batch in {work.folder} began. Begin again with --overwrite."
            )
        return cls.of(work, facts, recommender, BatchRequest.read(work.asked["request"]).of(recommender))

    @classmethod
    def of(cls, work: WorkFolder, facts: SessionFacts, recommender: Recommender, request: ListRequest) -> "BlockScorer":
        """The same with a model that is open."""
        columns = formats.schema(facts.numbers, _has_numbers(recommender.catalog), work.asked["request"]["explain"])
        return cls(work, recommender, request, columns)

    def score(self, number: int) -> Counter[str]:
        """Write the rows of a block; returns its counts."""
        sessions = read_parquet(block_file(self.work.sessions, number))
        explain = "reasons" in self.columns.names
        rows, counts = score(self.recommender, self.request, explain, sessions, self.columns)
        self.work.write(number, rows, counts)
        return counts


def _has_numbers(catalog: ItemCatalog) -> bool:
    """Whether the ids of the items are numbers."""
    return catalog.num_items > 0 and not isinstance(catalog.to_external(np.ones(1, np.int32))[0], str)
