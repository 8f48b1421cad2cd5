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
OTHER_FILES = 100
"""File descriptors that are left for all else."""
SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What the system lacks when it can't accept for now."""
PAUSE = 1.0
"""Seconds until it is asked again."""
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, then accept."""
        del sockets
        await super().startup([])
        loop = asyncio.get_running_loop()
        connect = partial(
            Connection,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=loop,
            report=self._report,
        )
        self._accepting = asyncio.create_task(self._accept(loop, connect))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse connections from now on, and finish the requests of those that are open."""
        del sockets
        self._accepting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._accepting
        self._listener.close()
        await super().shutdown([])

    async def on_tick(self, counter: int) -> bool:
        """About ten times a second: each second, look for connections that are late."""
        if counter % 10 == 0:
            self._count(len(self._connections))
            now = time.monotonic()
            for connection in list(self._connections):
                connection.check(now)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on a signal."""
        self._stop()
        super().handle_exit(sig, frame)

    async def _accept(self, loop: asyncio.AbstractEventLoop, connect: Callable[[], Connection]) -> None:
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
            except ConnectionAbortedError:  # the client has left before
                continue
            except OSError as error:
                if error.errno not in SHORT:  # nobody listens any more: the supervisor is stopping
                    return
                self._drop()
                self._log(error)
                await asyncio.sleep(PAUSE)
                continue
            while len(self._connections) >= self._most:
                await asyncio.sleep(0 if self._drop() else 0.05)
            try:
                await loop.connect_accepted_socket(connect, client)
            except OSError:
                client.close()

    def _drop(self) -> bool:
        """Close the connection that has been without a request for the longest time. Says whether there is one."""
        idle = [connection for connection in self._connections if connection.may_be_dropped]
        if idle:
            self._report("dropped")
            min(idle, key=lambda connection: connection.since).transport.abort()
        return bool(idle)

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
