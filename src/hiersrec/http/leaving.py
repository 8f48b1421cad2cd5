"""Whether the client of a request has left, found out without waiting."""

from starlette.types import Receive


def has_left(receive: Receive) -> bool:
    """Whether the server already knows, of a request whose body was read.

    Starlette's `is_disconnected` does the same by a scope of cancellation, which takes as long as to check a body; each
    request that has waited is asked.
    """
    step = receive().__await__()
    try:
        next(step)  # to the first wait, for a message that is not there
    except StopIteration as message:
        return bool(message.value["type"] == "http.disconnect")
    step.close()
    return False
