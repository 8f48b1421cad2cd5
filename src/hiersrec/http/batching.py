"""Requests that wait together are answered together, and one that comes alone waits for nobody.

One consumer takes the oldest request, adds those that wait already and ask for the same, and has one thread compute
them. It never sleeps to gather more: what comes while it computes makes the next batch. So the batches grow with the
load, and an idle server answers at once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from hiersrec.http.errors import Problem, busy
from hiersrec.types import ExternalId

MOST_TOGETHER = 32
"""Sessions computed at once, unless one request alone has more."""

Sessions = Sequence[Sequence[ExternalId]]
Options = TypeVar("Options", bound=Hashable)
Result = TypeVar("Result")


@dataclass(eq=False)
class _Job(Generic[Options, Result]):
    """A request that waits. `gone` says whether its client has left."""

    sessions: Sessions
    options: Options
    gone: Callable[[], Awaitable[bool]]
    future: "asyncio.Future[list[Result]]"


class Batcher(Generic[Options, Result]):
    """compute(sessions, options) -> one result for each session, called in one thread of our own.

    queue: the most requests that wait. timeout: seconds after which a request that still waits is given up; one that is
    being computed by then is finished.
    The reports hear the sessions of each batch, and the requests left waiting when it is taken.
    """

    def __init__(
        self,
        compute: Callable[[Sessions, Options], Sequence[Result]],
        queue: int,
        timeout: float,
        report_batch: Callable[[int], None],
        report_queue: Callable[[int], None],
    ) -> None:
        self._compute = compute
        self._limit = queue
        self._timeout = timeout
        self._report_batch = report_batch
        self._report_queue = report_queue
        self._waiting: deque[_Job[Options, Result]] = deque()
        self._arrival = asyncio.Event()

    async def ask(self, sessions: Sessions, options: Options, gone: Callable[[], Awaitable[bool]]) -> list[Result]:
        """The results of a request. Raises Problem 503 if the queue is full or the wait too long, 499 if it is gone.

        What `compute` raises is raised here.
        """
        if len(self._waiting) >= self._limit:
            raise busy(f"Too many requests wait already ({self._limit}). Try again in a second.")
        loop = asyncio.get_running_loop()
        job = _Job[Options, Result](sessions, options, gone, loop.create_future())
        self._waiting.append(job)
        self._arrival.set()
        limit = loop.call_later(self._timeout, self._give_up, job)
        try:
            return await job.future
        finally:
            limit.cancel()

    def _give_up(self, job: _Job[Options, Result]) -> None:
        """Answer a request whose turn has not come by its time limit."""
        if job in self._waiting and not job.future.done():
            self._waiting.remove(job)
            text = f"The request waited longer than {self._timeout:g} seconds, as the server has too much to do."
            job.future.set_exception(busy(f"{text} Try again in a second."))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer requests inside the block."""
        with ThreadPoolExecutor(1, "recommend") as thread:
            task = asyncio.create_task(self._work(thread))
            try:
                yield
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _work(self, thread: ThreadPoolExecutor) -> None:
        while True:
            idle = not self._waiting
            while not self._waiting:
                self._arrival.clear()
                await self._arrival.wait()
            jobs = self._take()
            # One that found us idle can hardly have left: no need to ask.
            wanted = jobs if idle else [job for job in jobs if await self._is_wanted(job)]
            if wanted:
                await self._answer(thread, wanted)

    def _take(self) -> list[_Job[Options, Result]]:
        """The oldest request, and those that fit beside it; the others keep their order."""
        taken = [self._waiting.popleft()]
        size, left = len(taken[0].sessions), deque[_Job[Options, Result]]()
        while self._waiting and size < MOST_TOGETHER:
            job = self._waiting.popleft()
            if job.options == taken[0].options and size + len(job.sessions) <= MOST_TOGETHER:
                taken.append(job)
                size += len(job.sessions)
            else:
                left.append(job)
        self._waiting.extendleft(reversed(left))
        self._report_queue(len(self._waiting))
        return taken

    async def _is_wanted(self, job: _Job[Options, Result]) -> bool:
        if await job.gone() and not job.future.done():
            job.future.set_exception(Problem(499, "The client has left."))
        return not job.future.done()

    async def _answer(self, thread: ThreadPoolExecutor, jobs: list[_Job[Options, Result]]) -> None:
        sessions = [session for job in jobs for session in job.sessions]
        self._report_batch(len(sessions))
        try:
            loop = asyncio.get_running_loop()
            results = list(await loop.run_in_executor(thread, self._compute, sessions, jobs[0].options))
        except Exception as error:
            if len(jobs) > 1:  # whose fault it is shows when each is computed alone
                for job in jobs:
                    await self._answer(thread, [job])
            elif not jobs[0].future.done():
                jobs[0].future.set_exception(error)
            return
        for job in jobs:
            own, results = results[: len(job.sessions)], results[len(job.sessions) :]
            if not job.future.done():
                job.future.set_result(own)
