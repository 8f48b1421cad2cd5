"""What a server has already got of a request, found out without waiting."""

from starlette.types import Message, Receive


def arrived(receive: Receive) -> Message | None:
    """The next message of a request if it is there, else None, and nothing is lost."""
    step = receive().__await__()
    try:
        next(step)  # to the first wait, for a message that is not there
    except StopIteration as returned:
        message: Message = returned.value
        return message
    step.close()
    return None


def has_left(receive: Receive) -> bool:
    """Whether the client of a request whose body was read is known to have left.

    Starlette's `is_disconnected` does the same by a scope of cancellation, which takes as long as to check a body; each
    request that has waited is asked.
    """
    message = arrived(receive)
    return message is not None and bool(message["type"] == "http.disconnect")
