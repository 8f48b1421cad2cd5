"""The commands, put together."""

import sys
from typing import Annotated

import typer

from hiersrec import __version__
from hiersrec.api import processes
from hiersrec.cli import (
    add_items,
    check,
    compare,
    demo,
    describe,
    evaluate,
    export,
    listing,
    prepare,
    printing,
    recommend,
    reproduce,
    serve,
    similar,
    train,
    tune,
    verify,
)
from hiersrec.errors import HiersrecError, MachineError, named_extras
from hiersrec.machine import machine_errors

app = typer.Typer(
    help="Session-based recommendation: next categories, then the next item, with reasons.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        sys.stdout.write(f"hiersrec {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Version.")] = False,
) -> None:
    del version


app.command("check")(check.command)
app.command("prepare")(prepare.command)
app.command("describe")(describe.command)
app.command("train")(train.command)
app.command("tune")(tune.command)
app.command("add-items")(add_items.command)
app.command("evaluate")(evaluate.command)
app.command("compare")(compare.command)
app.command("recommend")(recommend.command)
app.command("similar")(similar.command)
app.command("export")(export.command)
app.command("serve")(serve.command)
app.command("verify")(verify.command)
app.command("list")(listing.command)
app.command("reproduce")(reproduce.command)
app.command("demo")(demo.command)


def main() -> None:
    """Run the command line; exits with 0, 2 for a user's mistake, 1 for a failure of the machine, or 130 for Ctrl-C."""
    printing.allow_any_encoding()
    try:
        _run()
    except SystemExit as end:
        if processes.by_torchrun():
            processes.exit_process(int(end.code or 0))
        raise


def _run() -> None:
    try:
        with named_extras(), machine_errors():
            try:
                app(prog_name="hiersrec")
            finally:
                printing.flush()
    except HiersrecError as error:
        printing.say(f"Error: {error}")
        sys.exit(1 if isinstance(error, MachineError) else 2)
