"""The command line, one file a verb: each parses, calls one function of the library, and prints.

Results go to standard output, the rest to standard error. A user's mistake is one line "Error: ..." and exit code 2.
"""

import csv
import io


def split_list(text: str, separator: str = ",") -> tuple[str, ...]:
    """The parts of 'a, b,"c, d"' between the commas, trimmed; empty ones are left out. Quotes keep commas in a part.

    Line breaks separate too, as in --deny "$(cat ids.txt)".
    """
    lines = csv.reader(io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True)
    return tuple(part.strip() for line in lines for part in line if part.strip())
