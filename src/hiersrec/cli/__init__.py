"""The command line, one file a verb: each parses, calls one function of the library, and prints.

Results go to standard output, the rest to standard error. A user's mistake is one line "Error: ..." and exit code 2.
"""


def split_list(text: str) -> tuple[str, ...]:
    """The parts of "a, b,c" between the commas, trimmed; empty ones are left out."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
