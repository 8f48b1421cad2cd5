"""Accept connections, as many as a worker can hold, and end those that are late: `Server(config, ...).run()`.

asyncio's own server accepts without a limit, and out of file descriptors it logs a traceback for each try, thousands a
second.
"""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn

from hiersrec.http.connection import Connection

LOG = logging.getLogger("hiersrec")
MOST_CONNECTIONS = 1_000
"""Limit of a worker's connections."""
MOST_UNSENT = 64 << 20
"""Limit of the bytes of all answers that clients have not taken yet."""
OTHER_FILES = 100
"""File descriptors that are left for all else."""
SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What the system lacks when it can't accept for now."""
PAUSE = 1.0
"""Seconds until it is asked again."""
FULL_PAUSE = 0.05
"""Seconds until a worker all of whose connections have a request looks again."""
SILENCE = 60.0
"""Seconds until that is logged again."""


class Server(uvicorn.Server):
    """A server at a listening socket. `stop` is called by the signal that ends it, before anything else ends.

    report: gets the reason of each connection that is refused or cut off. count: gets how many there are.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        stop: Callable[[], None],
        report: Callable[[str], None],
        count: Callable[[int], None],
    ) -> None:
        super().__init__(config)
        listener.setblocking(False)
        self._listener = listener
        self._stop = stop
        self._report = report
        self._count = count
        self._connections: set[Connection] = self.server_state.connections  # type: ignore[assignment]
        self._most = most_connections()
        self._silent_until = 0.0
        self._opening: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, then accept."""
        del sockets
        await super().startup([])
        self._loop = asyncio.get_running_loop()
        self._connect = partial(
            Connection,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=self._loop,
            report=self._report,
        )
        self._resume()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse connections from now on, and finish the requests of those that are open."""
        del sockets
        self._loop.remove_reader(self._listener)
        with contextlib.suppress(OSError):
            while len(self._opening) < self._most:  # closing would reset those that wait to be accepted
                self._open(self._listener.accept()[0])
        self._listener.close()
        await asyncio.gather(*self._opening)
        await super().shutdown([])

    async def on_tick(self, counter: int) -> bool:
        """About ten times a second: each second, look for connections that are late."""
        if counter % 10 == 0:
            self._count(len(self._connections))
            now = time.monotonic()
            for connection in list(self._connections):
                connection.check(now)
            self._bound_unsent()
        return await super().on_tick(counter)

    def _bound_unsent(self) -> None:
        """While answers that were not taken are too large together, cut off the client that has waited longest."""
        unsent = {connection: connection.unsent for connection in self._connections if connection.unsent}
        total = sum(unsent.values())
        for connection in sorted(unsent, key=lambda connection: connection.since):
            if total <= MOST_UNSENT:
                return
            total -= unsent[connection]
            self._report("unread")
            connection.transport.abort()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on a signal."""
        self._stop()
        super().handle_exit(sig, frame)

    def _resume(self) -> None:
        if self._listener.fileno() >= 0:  # not closed meanwhile
            self._loop.add_reader(self._listener, self._accept)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._loop.call_later(seconds, self._resume)

    def _accept(self) -> None:
        """Accept one connection; called while any waits."""
        full = len(self._connections) >= self._most
        if full and not any(connection.may_be_dropped for connection in self._connections):
            self._pause(FULL_PAUSE)
            return
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker was faster, or the client has left
            return
        except OSError as error:
            if error.errno not in SHORT:
                raise
            self._drop()
            self._log(error)
            self._pause(PAUSE)
            return
        if full:
            self._drop()
        self._open(client)

    def _open(self, client: socket.socket) -> None:
        opening = self._loop.create_task(self._take(client))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _take(self, client: socket.socket) -> None:
        client.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._connect, client)
        except OSError:
            client.close()

    def _drop(self) -> None:
        """Close the connection that has been without a request for the longest time, if there is one."""
        idle = [connection for connection in self._connections if connection.may_be_dropped]
        if idle:
            self._report("dropped")
            min(idle, key=lambda connection: connection.since).transport.abort()

    def _log(self, error: OSError) -> None:
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + SILENCE
            LOG.error("Connections can't be accepted for now: %s. Raise the limit (ulimit -n)", error.strerror)


def most_connections() -> int:
    """Limit of a worker's connections, after the limit of open files has been raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, soft - OTHER_FILES))
