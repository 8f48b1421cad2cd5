"""The command line, one file a verb: each parses, calls one function of the library, and prints.

Results go to standard output, the rest to standard error. A user's mistake is one line "Error: ..." and exit code 2.
"""

import sys

from hiersrec.cli.app import app
from hiersrec.cli.printing import say
from hiersrec.errors import HiersrecError


def main() -> None:
    """Run the command line; exits with 0, 2 for a user's mistake, or 130 for Ctrl-C."""
    try:
        app(prog_name="hiersrec")
    except HiersrecError as error:
        say(f"Error: {error}")
        sys.exit(2)
