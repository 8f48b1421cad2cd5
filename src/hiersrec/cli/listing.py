"""`hiersrec list`: the names that a recipe can use, hiersrec's own and those of installed distributions."""

from itertools import groupby
from typing import Annotated

import typer

from hiersrec.api.members import KINDS, Member, members
from hiersrec.cli import printing
from hiersrec.writing.tables import Table

HEADINGS = ("name", "from", "description")


def command(
    kind: Annotated[str | None, typer.Argument(help=f"{', '.join(KINDS)}; all if left out.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print kind -> name -> description and from.")] = False,
) -> None:
    """List what a recipe can name, the recipes, and where each comes from."""
    listed = {name: list(group) for name, group in groupby(members(kind), lambda member: member.kind)}
    document = {name: {member.name: _facts(member) for member in group} for name, group in listed.items()}
    printing.result(document, json, *(Table(name, HEADINGS, tuple(map(_row, group))) for name, group in listed.items()))


def _row(member: Member) -> tuple[str, str, str]:
    about = f"{member.description} ({member.problem})" if member.problem else member.description
    return member.name, member.origin, about


def _facts(member: Member) -> dict[str, str]:
    facts = {"description": member.description, "from": member.origin}
    return {**facts, "problem": member.problem} if member.problem else facts
