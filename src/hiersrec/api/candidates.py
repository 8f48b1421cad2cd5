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

    if not isinstance(candidates, Candidates):
        TEXT.check(candidates=candidates)
    if all(value is None for value in (share, keep, promise)):
        if not isinstance(candidates, Candidates):
            candidates = Candidates(policy=candidates, top=top, mass=mass)
        return candidates, None
    for name, value in (("top", top), ("mass", mass)):
        if value is not None:
            raise BadInput(
                f"--share, --keep and --promise choose the candidates, got --{name} {value} as well. Give only one of "
                "them."
            )
    policy = candidates.policy if isinstance(candidates, Candidates) else candidates
    return Candidates(), CandidateGoal(policy=policy, share=share, keep=keep, promise=promise)
