"""The command line, one file a verb: each parses, calls one function of the library, and prints.

Results go to standard output, the rest to standard error. A user's mistake is one line "Error: ..." and exit code 2.
"""
