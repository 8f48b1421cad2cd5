"""Evaluation by several processes that all have the data: which batches each ranks, and how results are summed."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from hiersrec.types import Int64


class Share(Protocol):
    """One of the processes; implemented by training/distributed.py."""

    @property
    def rank(self) -> int:
        """Index of this process, from 0."""

    @property
    def count(self) -> int:
        """Number of processes."""

    def synchronized(self) -> AbstractContextManager[None]:
        """Wait at the end until all processes are there; an error in one is raised in all."""

    def total(self, values: Int64) -> Int64:
        """Sum of the arrays of all processes, which have the same shape."""


class SingleProcess:
    """The only process."""

    rank, count = 0, 1

    def synchronized(self) -> AbstractContextManager[None]:
        return nullcontext()

    def total(self, values: Int64) -> Int64:
        return values
