"""Evaluation by several processes, each of which has all the data: who ranks what, and how it is put together."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from hiersrec.types import Int64


class Share(Protocol):
    """One of the processes; training/distributed.py has such."""

    @property
    def rank(self) -> int:
        """Its number, from 0."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Nobody goes on before all are done with what is inside, and an error of one is raised in all."""
        ...

    def total(self, values: Int64) -> Int64:
        """The sum of the arrays of all processes, which have one shape."""
        ...


class Alone:
    """The only process."""

    rank, count = 0, 1

    def together(self) -> AbstractContextManager[None]:
        """Nobody to wait for."""
        return nullcontext()

    def total(self, values: Int64) -> Int64:
        """The array itself."""
        return values
