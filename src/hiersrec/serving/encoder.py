"""The encoder of a bundle: the exported graph on ONNX Runtime, with the tables of its input and output."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hiersrec.errors import MissingExtra
from hiersrec.retrieval.index import Encoded
from hiersrec.types import Batch, Float32


class OnnxEncoder:
    """An Encoder (retrieval/index.py). Processes on one machine share `inputs` where it is a memory map."""

    def __init__(
        self,
        graph: Path,
        inputs: Float32,
        max_length: int,
        reads: Mapping[str, tuple[Float32, str]],
        positions: Mapping[str, str],
        threads: int = 1,
    ) -> None:
        """graph: as `model/exported.py` writes it. inputs: (N + 1, D) input vectors of the items.

        reads: how predictions enter the query, task -> (M_t (d, C), "logits" or "probs"). positions: outputs of the
        graph that say what each position adds, name -> label of the score term. threads: how many one call may use.
        Raises MissingExtra if ONNX Runtime is not installed.
        """
        self._session = _session(graph, threads)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._inputs = inputs
        self._max_length = max_length
        self._reads = dict(reads)
        self._positions = {name: label for name, label in positions.items() if name in self._outputs}

    @property
    def max_length(self) -> int:
        return self._max_length

    @property
    def reads(self) -> Mapping[str, tuple[Float32, str]]:
        return self._reads

    def encode(self, batch: Batch) -> Encoded:
        feeds = {"vectors": self._inputs[batch.items], "lengths": batch.lengths.astype(np.int64)}  # (B, T, D), (B,)
        outputs = dict(zip(self._outputs, self._session.run(None, feeds), strict=True))
        query, own, factor = (outputs.pop(name) for name in ("query", "own", "factor"))
        positions = {label: outputs.pop(name) for name, label in self._positions.items()}
        tasks = {task: _with_padding(logits) for task, logits in outputs.items()}
        return Encoded(query=query, tasks=tasks, own=own, factor=factor[:, 0], positions=positions)


def _session(graph: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtra("onnxruntime", "serve") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _with_padding(logits: Float32) -> Float32:
    """(B, C) -> (B, C + 1) whose column 0, padding, is minus infinity."""
    padded = np.empty((len(logits), logits.shape[1] + 1), np.float32)
    padded[:, 0], padded[:, 1:] = -np.inf, logits
    return padded
