"""What score terms choose when training is over, on validation sessions (score_term.Choice)."""

from collections.abc import Callable, Mapping

from hiersrec.model.hierarchical import HierarchicalModel
from hiersrec.model.score_term import Choice
from hiersrec.model.scorer import scorer_of
from hiersrec.store.dataset import TrainingData
from hiersrec.store.sessions import Prefixes
from hiersrec.training.choice_scores import choice_scores
from hiersrec.training.progress import ProgressReporter, progress_stage

SESSIONS = 5_000
PREFIXES = 50_000
"""Newest validation sessions that are measured on, and about how many prefixes they may have, which bounds memory."""
GAIN = 0.001
"""Share by which a step must raise MRR@20."""
ROUNDS = 3
"""What one number should be depends on the others, so each is looked at again when another has changed."""


def finish_terms(model: HierarchicalModel, data: TrainingData, refit: bool, reporter: ProgressReporter) -> None:
    """Set what is not trained; with `refit` no session is left to choose it on."""
    choices = model.choices
    for choice in choices.values():
        choice.number.fill_(0.0 if choice.setting == "fit" else choice.setting)  # a warm start brought the older run's
    free = {name: choice for name, choice in choices.items() if choice.setting == "fit"}
    if free and not refit:
        sessions = data.valid.newest(SESSIONS / max(1, len(data.valid)))
        sessions = sessions.newest(PREFIXES / max(1, len(Prefixes.of(sessions))))
        with progress_stage(reporter, f"train: choose {', '.join(free)}") as report:
            scores = choice_scores(scorer_of(model.eval()), data.catalog, sessions, [*free.values()], report)
        before, best = _chosen(free, lambda: scores.mrr([choice.number.item() for choice in free.values()]))
        if found := {choice.key: choice.number.item() for choice in free.values() if choice.number}:
            reporter.say(
                f"train: {', '.join(f'{key} is {number:+.1f}' for key, number in found.items())}: MRR@20 of the newest "
                f"validation sessions is {best:.4f}, {before:.4f} without. For a later refit add "
                f"{' '.join(f'--set {key}={number:.1f}' for key, number in found.items())}"
            )
    for name, term in model.pair_terms.items():
        if name in choices and not choices[name].number:
            term.clear()


def _chosen(free: Mapping[str, Choice], measure: Callable[[], float]) -> tuple[float, float]:
    """Set the numbers, from 0 on, and return what is measured with all of them 0 and in the end."""
    before = best = measure()
    moved: str | None = None
    for _ in range(ROUNDS):
        for name, choice in free.items():
            if moved == name:  # nothing has changed since it was looked at
                return before, best
            found = _climb(choice, best, measure)
            if found > best or moved is None:
                moved, best = name, found
    return before, best


def _climb(choice: Choice, best: float, measure: Callable[[], float]) -> float:
    """Take steps while each raises what is measured, in the first direction in which one does; returns it."""
    before, at, most = best, round(choice.number.item() / choice.step), round(choice.most / choice.step)
    for way in (1, -1):
        while (-most if choice.signed else 0) <= at + way <= most:
            choice.number.fill_((at + way) * choice.step)
            found = measure()
            if found < best * (1 + GAIN):
                break
            at, best = at + way, found
        choice.number.fill_(at * choice.step)
        if best > before:
            break
    return best
