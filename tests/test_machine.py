"""Failures of the machine: one error, whichever library reports them."""

import errno

import pytest

from hiersrec.errors import BadInput, MachineError
from hiersrec.machine import WAYS_OUT, failure_of, machine_errors


@pytest.mark.parametrize("number", WAYS_OUT)
def test_the_systems_number_is_enough(number) -> None:
    failure = failure_of(OSError(number, "anything", "data/shop"))

    assert isinstance(failure, MachineError)
    assert str(failure).startswith("data/shop: ")
    assert str(failure).endswith(WAYS_OUT[number])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("I/O error: No space left on device (os error 28)"), "No space left on device"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 4 PB"), "memory"),
        (ValueError("IO Error: Cannot write: Read-only file system"), "Read-only file system"),
        (MemoryError(), "memory"),
    ],
)
def test_the_systems_words_are_enough(error, says) -> None:
    assert says in str(failure_of(error))


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), FileNotFoundError(errno.ENOENT, "x"), BadInput("No space left on device"), KeyboardInterrupt()],
)
def test_other_errors_stay_what_they_are(error) -> None:
    assert failure_of(error) is None
    with pytest.raises(type(error)), machine_errors():
        raise error


def test_the_first_error_is_kept_for_who_looks_for_it() -> None:
    first = OSError(errno.ENOSPC, "full")
    with pytest.raises(MachineError) as raised, machine_errors():
        raise first

    assert raised.value.__cause__ is first
