"""Dynamic batching: waiting requests are computed together, and an idle server computes one at once.

One consumer takes the oldest request, adds waiting ones with the same options, and has one thread compute them. It
never sleeps to collect more: requests that arrive meanwhile form the next batch. So batches grow with the load.
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
"""Most sessions computed at once, unless a single request has more."""

Sessions = Sequence[Sequence[ExternalId]]
Options = TypeVar("Options", bound=Hashable)
Result = TypeVar("Result")


@dataclass(eq=False)
class _Job(Generic[Options, Result]):
    """A waiting request. `gone` tells whether its client has disconnected."""

    sessions: Sessions
    options: Options
    gone: Callable[[], Awaitable[bool]]
    future: "asyncio.Future[list[Result]]"


class Batcher(Generic[Options, Result]):
    """Calls compute(sessions, options) -> one result per session, in a thread of its own.

    queue: most waiting requests. timeout: seconds after which a waiting request fails; one that is being computed is
    finished. The reports get the number of sessions of each batch, and of requests that are left waiting.
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
        """The results of a request. Raises Problem 503 if the queue is full or on timeout, 499 if the client has left.

        Exceptions of `compute` are raised here.
        """
        if len(self._waiting) >= self._limit:
            raise busy(f"Too many requests are waiting ({self._limit}). Try again in a second.")
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
        """Fail a request that is still waiting at its time limit."""
        if job in self._waiting and not job.future.done():
            self._waiting.remove(job)
            text = f"The request waited longer than {self._timeout:g} seconds, because the server is overloaded."
            job.future.set_exception(busy(f"{text} Try again in a second."))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Process requests inside the block."""
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
            # A client that found the server idle has hardly left: no need to check.
            connected = jobs if idle else [job for job in jobs if await self._is_connected(job)]
            if connected:
                await self._answer(thread, connected)

    def _take(self) -> list[_Job[Options, Result]]:
        """Remove the oldest request and those that fit into its batch; the others keep their order."""
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

    async def _is_connected(self, job: _Job[Options, Result]) -> bool:
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
            if len(jobs) > 1:  # compute each on its own to find the one that fails
                for job in jobs:
                    await self._answer(thread, [job])
            elif not jobs[0].future.done():
                jobs[0].future.set_exception(error)
            return
        for job in jobs:
            own, results = results[: len(job.sessions)], results[len(job.sessions) :]
            if not job.future.done():
                job.future.set_result(own)
