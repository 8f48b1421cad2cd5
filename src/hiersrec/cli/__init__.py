"""The command line, one file a verb: each parses, calls one function of the library, and prints.

Results go to standard output, the rest to standard error. A user's mistake is one line "Error: ..." and exit code 2.
"""

DEFAULT_RECIPE = "best"
"""The recipe where none is named: the one that wins on validation sessions (RESULTS.md)."""
