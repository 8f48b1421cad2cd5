"""The socket of the service: bound by one process, used by the workers."""

import socket

from hiersrec.errors import BadInput

BACKLOG = 2048
"""Most connections that wait to be accepted."""


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket; it refuses connections until `listen`. Port 0 picks a free one.

    Raises BadInput if the address is not available.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:  # the second for an invalid host name
        if listener is not None:
            listener.close()
        raise _taken(host, port, error) from error
    return listener


def listen(listener: socket.socket) -> None:
    """Accept connections. Raises BadInput if another process already listens at the address."""
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise _taken(host, port, error) from error


def shown(host: str, listener: socket.socket) -> str:
    """The URL of the service."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _taken(host: str, port: int, error: Exception) -> BadInput:
    reason = getattr(error, "strerror", None) or error
    return BadInput(f"Can't serve at {host}, port {port}: {reason}. Choose another --host or --port.")
