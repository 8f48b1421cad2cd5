"""Dynamic batching: waiting requests are computed together, and an idle server computes one at once.

One consumer takes the oldest request, adds waiting ones with the same options, and has one thread compute them. It
never sleeps to collect more: requests that arrive meanwhile form the next batch. So batches grow with the load.

A request of more work than a turn holds is computed in slices, one turn each, and requests that are short take every
other turn. So a short one waits for a slice at most, however much others ask for at once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hiersrec.http.errors import Problem, busy
from hiersrec.types import ExternalId

MOST_TOGETHER = 32
"""Most sessions computed at once."""
MOST_WORK = 8_000
"""Most work of short requests that are computed together, in the unit of `work.work_of`: some 40 milliseconds."""
TURN = 2_000
"""Most work of a turn of a long request, unless a single session is more."""

Sessions = Sequence[Sequence[ExternalId]]
Options = TypeVar("Options", bound=Hashable)
Result = TypeVar("Result")
Compute = Callable[[Sessions], Sequence[Result]]


@dataclass(eq=False)
class _Job(Generic[Options, Result]):
    """A waiting request. `gone` tells whether its client has disconnected."""

    sessions: Sessions
    options: Options
    work: Sequence[int]
    gone: Callable[[], bool]
    future: "asyncio.Future[list[Result]]"
    limit: float
    """When it fails if it is still waiting, by the clock of the event loop."""
    compute: Compute[Result] | None = None
    """Of a long request that has had its first turn."""
    results: list[Result] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        return len(self.sessions) > MOST_TOGETHER or sum(self.work) > TURN

    def next_slice(self) -> Sessions:
        """The sessions of its next turn."""
        start = end = len(self.results)
        left = TURN
        while end < len(self.sessions) and end - start < MOST_TOGETHER and (end == start or self.work[end] <= left):
            left -= self.work[end]
            end += 1
        return self.sessions[start:end]


class Batcher(Generic[Options, Result]):
    """Calls begin(options), then what it returns with sessions -> one result per session; in a thread of its own.

    A request is computed by what one call of `begin` returned. queue: most waiting requests. timeout: seconds after
    which a waiting request fails; one whose computation has begun is finished. The reports get the number of sessions
    that are computed together, and of requests that are left waiting.
    """

    def __init__(
        self,
        begin: Callable[[Options], Compute[Result]],
        queue: int,
        timeout: float,
        report_batch: Callable[[int], None],
        report_queue: Callable[[int], None],
    ) -> None:
        self._begin = begin
        self._limit = queue
        self._timeout = timeout
        self._report_batch = report_batch
        self._report_queue = report_queue
        self._short: deque[_Job[Options, Result]] = deque()
        self._long: deque[_Job[Options, Result]] = deque()
        self._current: _Job[Options, Result] | None = None  # the long request whose turns have begun
        self._long_is_next = False
        self._arrival = asyncio.Event()
        self._is_looking = False  # whether a timer runs for requests that wait too long

    @property
    def waiting(self) -> int:
        """Requests whose computation has not begun."""
        return len(self._short) + len(self._long)

    async def ask(
        self, sessions: Sessions, options: Options, work: Sequence[int], gone: Callable[[], bool]
    ) -> list[Result]:
        """The results of a request, whose sessions are so much `work` each.

        Raises Problem 503 if the queue is full or on timeout, 499 if the client has left. Exceptions of `begin` and of
        what it returned are raised here.
        """
        if self.waiting >= self._limit:
            raise busy(f"Too many requests are waiting ({self._limit}). Try again in a second.")
        loop = asyncio.get_running_loop()
        job = _Job[Options, Result](sessions, options, work, gone, loop.create_future(), loop.time() + self._timeout)
        queue = self._long if job.is_long else self._short
        queue.append(job)
        self._report_queue(self.waiting)
        self._arrival.set()
        if not self._is_looking:
            self._look_at(job.limit)
        return await job.future

    def _look_at(self, when: float) -> None:
        self._is_looking = True
        asyncio.get_running_loop().call_at(when, self._give_up)

    def _give_up(self) -> None:
        """Fail the requests that are still waiting at their time limit, and look again at the next one's.

        All have the same limit, so one timer is enough: one for each would be set and cancelled thousands of times.
        """
        self._is_looking = False
        now = asyncio.get_running_loop().time()
        for queue in (self._short, self._long):
            while queue and (queue[0].future.done() or queue[0].limit <= now):
                job = queue.popleft()
                if not job.future.done():
                    text = (
                        f"The request waited longer than {self._timeout:g} seconds, because the server is overloaded."
                    )
                    job.future.set_exception(busy(f"{text} Try again in a second."))
        self._report_queue(self.waiting)
        if limits := [queue[0].limit for queue in (self._short, self._long) if queue]:
            self._look_at(min(limits))

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
            idle = not self.waiting and self._current is None
            while not self.waiting and self._current is None:
                self._arrival.clear()
                await self._arrival.wait()
            has_long = self._current is not None or bool(self._long)
            if has_long and (self._long_is_next or not self._short):
                self._long_is_next = False
                await self._take_turn(thread)
                continue
            self._long_is_next = True
            jobs = self._take()
            # A client that found the server idle has hardly left: no need to check.
            connected = jobs if idle else [job for job in jobs if self._is_connected(job)]
            if connected:
                await self._answer(thread, connected)

    def _take(self) -> list[_Job[Options, Result]]:
        """Remove the oldest short request and those that fit into its batch; the others keep their order."""
        taken = [self._short.popleft()]
        size, work, left = len(taken[0].sessions), sum(taken[0].work), deque[_Job[Options, Result]]()
        while self._short and size < MOST_TOGETHER:
            job = self._short.popleft()
            more, more_work = len(job.sessions), sum(job.work)
            if job.options == taken[0].options and size + more <= MOST_TOGETHER and work + more_work <= MOST_WORK:
                taken.append(job)
                size += more
                work += more_work
            else:
                left.append(job)
        self._short.extendleft(reversed(left))
        self._report_queue(self.waiting)
        return taken

    def _is_connected(self, job: _Job[Options, Result]) -> bool:
        if job.gone() and not job.future.done():
            job.future.set_exception(Problem(499, "The client has left."))
        return not job.future.done()

    async def _answer(self, thread: ThreadPoolExecutor, jobs: list[_Job[Options, Result]]) -> None:
        """Compute short requests together."""
        sessions = [session for job in jobs for session in job.sessions]
        self._report_batch(len(sessions))
        begin, options = self._begin, jobs[0].options
        try:
            loop = asyncio.get_running_loop()
            results = list(await loop.run_in_executor(thread, lambda: begin(options)(sessions)))
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

    async def _take_turn(self, thread: ThreadPoolExecutor) -> None:
        """Compute the next slice of the oldest long request."""
        job = self._current
        if job is None:
            job = self._current = self._long.popleft()
            self._report_queue(self.waiting)
        if not self._is_connected(job):
            self._current = None
            return
        loop = asyncio.get_running_loop()
        sessions = job.next_slice()
        self._report_batch(len(sessions))
        try:
            if job.compute is None:
                job.compute = await loop.run_in_executor(thread, self._begin, job.options)
            job.results += await loop.run_in_executor(thread, job.compute, sessions)
        except Exception as error:
            self._current = None
            if not job.future.done():
                job.future.set_exception(error)
            return
        if len(job.results) == len(job.sessions):
            self._current = None
            if not job.future.done():
                job.future.set_result(job.results)
