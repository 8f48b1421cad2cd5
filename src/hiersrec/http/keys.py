"""API keys: one from the environment, or several with names from a file, which is read again on SIGHUP.

A key is compared as a digest with every key, so the time says neither how much of it is right nor whose it resembles.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path

from hiersrec.errors import BadInput

VARIABLE = "HIERSREC_API_KEY"
"""Environment variable with a key; not an option, which the list of processes would show."""
FORM = "A line is a name, spaces and a key, such as `shop 6f1c...`; lines that begin with # are comments"


class Keys:
    """Keys with the names of their clients. Several keys may have one name, as while a key is replaced."""

    def __init__(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        self._digests = [(name, hashlib.sha256(key).digest()) for name, key in pairs]

    def client_of(self, sent: bytes) -> str | None:
        """Name of the client that has this key; None if nobody has."""
        digest, client = hashlib.sha256(sent).digest(), None
        for name, expected in self._digests:
            if hmac.compare_digest(digest, expected):
                client = name
        return client


def read_keys(file: Path | None) -> Keys | None:
    """The keys of a file, or the key of the environment; None if there are none, and everybody may ask.

    Raises BadInput for a key that is empty, a file without keys or with other lines, and for both at once.
    """
    key = os.environ.get(VARIABLE)
    if file is None:
        if key is None:
            return None
        if not key.strip():
            raise BadInput(
                f"The environment variable {VARIABLE} is empty, which would let everybody in. "
                "Set it to a key, or unset it to serve without one."
            )
        # As the environment has it, but for blanks at its ends: no request can send them, and what was read from a file
        # often ends in a line break.
        return Keys([("default", key.strip().encode(errors="surrogateescape"))])
    if key is not None:
        raise BadInput(f"Keys come from one place: unset {VARIABLE}, or leave out --api-key-file {file}.")
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(f"The file of API keys {file} can't be read: {error.strerror}.") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        if len(words) != 2:
            raise BadInput(f"{file}, line {number}: got {len(words)} words. {FORM}.")
        pairs.append((words[0].decode(errors="replace"), words[1]))
    if not pairs:
        raise BadInput(f"The file of API keys {file} has no key, which would let nobody in. {FORM}.")
    return Keys(pairs)
