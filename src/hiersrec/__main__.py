"""`python -m hiersrec` is the command `hiersrec`."""

from hiersrec.cli.app import main

main()
