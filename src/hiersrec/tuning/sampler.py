"""Which settings to try next: Optuna's TPE, given the trials so far. Nothing else names Optuna.

TPE (Bergstra et al., NeurIPS 2011; here over all settings together, as Optuna does for one goal) splits the trials into
good and bad and draws settings that are likely among the good and unlikely among the bad; those up to the tenth are
random. Its random state is made anew from (seed, number of the trial), and its study from the list of trials, so a
search that was interrupted proposes what one that was not would have.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hiersrec.errors import MissingExtra
from hiersrec.tuning.space import Axis, Choices, Settings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

GUIDED, ATTEMPTS = 10, 100
"""Draws in a row that were all tried before: after so many TPE keeps to the settings it has, and random draws follow;
after so many in all, a search has seen as good as all there is."""


def require() -> str:
    """Optuna's version; raises MissingExtra where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtra("optuna", "tune") from error
    return str(optuna.__version__)


def propose(
    axes: Mapping[str, Axis], done: Sequence[tuple[Settings, float | None]], seed: int, number: int
) -> Settings | None:
    """Settings for trial `number`, which no trial so far has had; None if many draws give nothing new.

    done: settings and value (higher is better) of each trial so far, in order; None where it failed.
    """
    import optuna

    tried = [settings for settings, _ in done]
    spoken = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study
    try:
        for attempt in range(ATTEMPTS):
            state = int(np.random.SeedSequence([seed, number, attempt]).generate_state(1)[0])
            found = _draw(axes, done if attempt < GUIDED else [], state)
            if found not in tried:
                return found
    finally:
        optuna.logging.set_verbosity(spoken)
    return None


def _draw(axes: Mapping[str, Axis], done: Sequence[tuple[Settings, float | None]], seed: int) -> Settings:
    import optuna

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    distributions = {place: _distribution(axis) for place, axis in axes.items()}
    for settings, value in done:
        # One that failed counts as worse than all others, so that its like is not tried again and again.
        state = optuna.trial.TrialState.PRUNED if value is None else optuna.trial.TrialState.COMPLETE
        numbers = {place: _to_number(axes[place], one) for place, one in settings.items()}
        study.add_trial(optuna.create_trial(state=state, value=value, params=numbers, distributions=distributions))
    drawn = study.ask(distributions).params
    return {
        place: axis.values[drawn[place]] if isinstance(axis, Choices) else drawn[place] for place, axis in axes.items()
    }


def _distribution(axis: Axis) -> "BaseDistribution":
    from optuna import distributions

    if isinstance(axis, Choices):
        # By place in the list: Optuna takes no lists as choices.
        return distributions.CategoricalDistribution(tuple(range(len(axis.values))))
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return distributions.IntDistribution(axis.low, axis.high, log=axis.log)
    return distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _to_number(axis: Axis, value: object) -> object:
    return axis.values.index(value) if isinstance(axis, Choices) else value
