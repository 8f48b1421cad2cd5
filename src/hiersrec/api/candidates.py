"""Arguments about candidates -> the candidates, or a goal that they are chosen for on validation sessions."""

from typing import TYPE_CHECKING

from hiersrec.arguments import TEXT
from hiersrec.errors import BadInput
from hiersrec.retrieval.candidates import Candidates

if TYPE_CHECKING:
    from hiersrec.evaluation.choose_candidates import CandidateGoal


def candidates_or_goal(
    candidates: str | Candidates,
    top: int | None,
    mass: float | None,
    share: float | None,
    keep: float | None,
    promise: float | None,
) -> "tuple[Candidates, CandidateGoal | None]":
    """The candidates to rank; with a goal they are replaced by those that are chosen for it."""
    from hiersrec.evaluation.choose_candidates import CandidateGoal

    if isinstance(candidates, Candidates):
        given = {"top": top, "mass": mass, "share": share, "keep": keep, "promise": promise}
        if others := [name for name, value in given.items() if value is not None]:
            raise BadInput(
                f"candidates has all settings in itself, got {others[0]} as well. Leave one of the two out, or give "
                "the name of a policy, such as candidates='category'."
            )
        return candidates, None
    TEXT.check(candidates=candidates)
    if all(value is None for value in (share, keep, promise)):
        return Candidates(policy=candidates, top=top, mass=mass), None
    for name, value in (("top", top), ("mass", mass)):
        if value is not None:
            raise BadInput(
                f"--share, --keep and --promise choose the candidates, got --{name} {value} as well. Give only one of "
                "them."
            )
    return Candidates(), CandidateGoal(policy=candidates, share=share, keep=keep, promise=promise)
