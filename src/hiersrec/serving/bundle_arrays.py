"""The arrays of a bundle fit one another: nothing indexes beyond an end, in numpy or in compiled code."""

import numpy as np

from hiersrec.retrieval.index import IndexRanker
from hiersrec.store.memory_map import expect
from hiersrec.types import Batch


def check_arrays(ranker: IndexRanker, inputs_rows: int) -> None:
    """Raise ValueError, naming an array, if shapes, types or values do not fit, or if the encoder does not.

    inputs_rows: those of the encoder's input vectors. The encoder is run once, on a session of one item.
    """
    catalog, slabs, layout = ranker.catalog, ranker.slabs, ranker.layout
    items = catalog.num_items
    width = slabs.vectors.shape[-1]
    if inputs_rows != items + 1:
        raise ValueError(f"inputs.npy has {inputs_rows} rows, and must have one for each of {items} items and padding")
    expect("vectors.npy", slabs.vectors, np.float32, (items, width))
    for name, array, dtype, shape in (
        ("biases.npy", slabs.biases, np.float32, (items,)),
        ("codes.npy", slabs.codes, np.int8, (items, width)),
        ("scales.npy", slabs.scales, np.float32, (items,)),
        *((f"the constant {label}", array, np.float32, (items,)) for label, array in ranker.constants.items()),
    ):
        if array is not None:
            expect(name, array, dtype, shape)
    for label, pairs in ranker.pairs.items():
        count = len(pairs.others)
        expect(f"the starts of {label}", pairs.starts, np.int64, (items + 1,), count + 1)
        if pairs.starts[0] or pairs.starts[-1] != count or (np.diff(pairs.starts) < 0).any():
            raise ValueError(f"the starts of {label} must rise from 0 to {count}")
        expect(f"the others of {label}", pairs.others - 1, np.int32, (count,), items)
        expect(f"the values of {label}", pairs.values, np.float32, (count,))
    if (slabs.codes is None) != (slabs.scales is None):
        raise ValueError("codes.npy and scales.npy belong together")
    expect("layout/order.npy", layout.order - 1, np.int32, (items,), items)
    expect("layout/place.npy", layout.row_of[1:], np.int32, (items,), items)
    expect("layout/num_known.npy", layout.num_known, np.int64, (len(catalog.levels),))
    for level, (known, runs, first) in enumerate(zip(catalog.levels, layout.runs, layout.first, strict=True), start=1):
        if layout.num_known[level - 1] != known.num_known:
            raise ValueError(f"layout/num_known.npy and catalog.json differ in level {level}")
        expect(f"layout/runs_{level}.npy", runs, np.int64, (len(runs), 2), items + 1)
        expect(f"layout/first_{level}.npy", first, np.int64, (known.num_known + 2,), len(runs) + 1)
    if items:
        _check_encoder(ranker, width)


def _check_encoder(ranker: IndexRanker, width: int) -> None:
    encoded = ranker.encoder.encode(Batch(np.ones((1, 1), np.int32), np.ones(1, np.int32)))
    expect("the query of the encoder", encoded.query, np.float32, (1, width))
    expect("the query without tasks", encoded.own, np.float32, (1, width))
    for task, scores in encoded.tasks.items():
        if task not in ranker.catalog.labels:
            raise ValueError(f"the encoder predicts '{task}', which catalog.json lacks")
        expect(f"the predicted {task}", scores, np.float32, (1, len(ranker.catalog.labels[task].names) + 1))
    for task, (matrix, _) in ranker.encoder.reads.items():
        if task not in encoded.tasks:
            raise ValueError(f"the query reads '{task}', which the encoder does not predict")
        expect(f"the projection of {task}", matrix, np.float32, (width, encoded.tasks[task].shape[1] - 1))
