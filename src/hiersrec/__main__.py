"""`python -m hiersrec` is the command `hiersrec`."""

from hiersrec.cli import main

main()
