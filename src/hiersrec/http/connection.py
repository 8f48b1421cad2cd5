"""One connection, with limits that hold before a request is read, and so before its key is checked.

uvicorn's protocol on httptools takes heads of any size and waits for a client for ever. This one bounds what a client
may send before it is answered, and how long it may take to send a request and to take an answer.
"""

import time
from collections.abc import Callable
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hiersrec.http.errors import Problem, body_of

MOST_HEAD = 32 * 1024
"""Most bytes of the address and the headers of a request, as in nginx."""
MOST_PIPELINED = 16
"""Most requests that a client sends before the first of them is answered."""
SECONDS = {"new": 10.0, "idle": 75.0, "head": 10.0, "body": 15.0, "closing": 2.0}
"""How long a connection may stay in a phase. An idle one as long as uvicorn's own limit, which `worker` sets from here;
a body longer than `schemas.MOST_SECONDS`, so that a slow client is told why before it is cut off."""
LAST_CALL = 1.0
"""Seconds in which a request is still answered after the signal to stop, on a connection that has none now."""
MOST_UNREAD = 30.0
"""Seconds in which a client must take all that was sent to it."""

Phase = Literal["new", "idle", "head", "body", "closing"]


class Connection(HttpToolsProtocol):
    """A connection that `check` ends if it is late. `report` gets the reason of each that is refused or cut off."""

    def __init__(self, *args: Any, report: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._report = report
        self._refusal = Problem(400, "This is no HTTP/1.1 request.")
        self._head = self._received = 0
        self._other = 0  # bytes of this chunk that may belong to an earlier request
        self._unread_since: float | None = None
        self._is_last = False
        self._enter("new")

    def _enter(self, phase: Phase) -> None:
        self._phase: Phase = phase
        self.since = time.monotonic()

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Parse a chunk; what is no request, or too large a head, is refused."""
        self._unset_keepalive_if_required()
        if self._phase == "closing":
            return
        if self._phase in ("new", "idle"):
            self._enter("head")
            self._head = self._received = self._other = 0
        else:
            self._other = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # the request is answered as if it asked for none
            self.cycle.keep_alive = False
            self._enter("closing")
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal, "head" if self._refusal.status == 431 else "invalid")
            return
        if self._phase == "head":
            self._received += len(data)  # of a line that is not complete, the parser tells nothing
            if self._received > MOST_HEAD:
                self._refuse(_large_head(), "head")

    def on_message_begin(self) -> None:
        """Count from here."""
        if len(self.pipeline) >= MOST_PIPELINED:
            self._stop(Problem(429, f"More than {MOST_PIPELINED} requests were sent before the first was answered."))
        self._enter("head")
        self._head, self._received = 0, -self._other
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._enter("body")
        super().on_headers_complete()
        if self._is_last:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        self._enter("idle")
        super().on_message_complete()

    def shutdown(self) -> None:
        """Close after the current request, or the next: closing at once would reset one that is on its way."""
        self._is_last = True
        if self.is_answering:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LAST_CALL, self._close_unless_answering)

    def _close_unless_answering(self) -> None:
        if not self.is_answering:
            self.transport.close()

    def _count(self, size: int) -> None:
        self._head += size + 4  # with ": " and the end of the line
        if self._head > MOST_HEAD:
            self._stop(_large_head())

    def _stop(self, problem: Problem) -> None:
        """End parsing inside a callback of the parser, which `data_received` then hears of."""
        self._refusal = problem
        raise ValueError(problem.message)

    def _refuse(self, problem: Problem, reason: str) -> None:
        """Answer with a problem and close; requests before it are answered first."""
        self._report(reason)
        if self.is_answering:
            self.cycle.keep_alive = False
        if not self.is_answering or (self.cycle.more_body and not self.cycle.response_started):
            if self.is_answering:  # its body is broken, and nobody waits for another answer
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            body = body_of(problem)
            head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[problem.status] + head + body)
            self.transport.write_eof()
        self._enter("closing")  # what still comes is dropped: closing at once would take the answer from the client

    def check(self, now: float) -> None:
        """Cut the connection off if it is late; called about once a second."""
        if self.unsent == 0:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > MOST_UNREAD:
            self._report("unread")
            self.transport.abort()
        if self.flow.read_paused:  # until requests before it are answered: the client is not to blame
            self.since = now
        if now - self.since <= SECONDS[self._phase] or self.transport.is_closing():
            return
        if self._phase == "body":
            self._report("slow")
            self.transport.abort()
        elif not self.is_answering:
            if self._phase == "head":
                self._refuse(
                    Problem(408, f"The head of the request did not arrive within {SECONDS['head']:g} seconds."), "slow"
                )
            else:
                self.transport.close()

    @property
    def unsent(self) -> int:
        """Bytes of answers that the client has not taken."""
        return self.transport.get_write_buffer_size()

    @property
    def may_be_dropped(self) -> bool:
        """Whether nobody would lose an answer that is being computed."""
        return not self.is_answering and not self.transport.is_closing()


def _large_head() -> Problem:
    return Problem(431, f"The address and the headers of the request are longer than {MOST_HEAD:,} bytes.")
