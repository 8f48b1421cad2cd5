"""Propose the settings to try next with Optuna's TPE, given the trials so far. The only module that imports Optuna.

TPE (Bergstra et al., NeurIPS 2011; here multivariate) splits the trials into good and bad and draws settings that are
likely among the good and unlikely among the bad; the first ten are random. Its random state is derived from (seed,
number of the trial) and its study from the list of trials, so a resumed search proposes the same as one without a
stop.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hiersrec.errors import MissingExtra
from hiersrec.tuning.space import Axis, Choices, Settings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

GUIDED, ATTEMPTS = 10, 100
"""Draws in a row that only repeat earlier trials: after GUIDED of them TPE is replaced by random draws, and after
ATTEMPTS the space counts as exhausted."""


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
    """New settings for trial `number`; None if ATTEMPTS draws only repeat earlier trials.

    done: settings and value (higher is better) of each trial so far, in order; the value is None if it failed.
    """
    import optuna

    tried = [tried_settings for tried_settings, _ in done]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it logs every study
    try:
        for attempt in range(ATTEMPTS):
            state = int(np.random.SeedSequence([seed, number, attempt]).generate_state(1)[0])
            settings = _draw(axes, done if attempt < GUIDED else [], state)
            if settings not in tried:
                return settings
    finally:
        optuna.logging.set_verbosity(verbosity)
    return None


def _draw(axes: Mapping[str, Axis], done: Sequence[tuple[Settings, float | None]], seed: int) -> Settings:
    import optuna

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    distributions = {key: _distribution(axis) for key, axis in axes.items()}
    for settings, value in done:
        # A failed trial counts as worse than all others, so that similar settings are avoided.
        state = optuna.trial.TrialState.PRUNED if value is None else optuna.trial.TrialState.COMPLETE
        numbers = {key: _to_number(axes[key], setting) for key, setting in settings.items()}
        study.add_trial(optuna.create_trial(state=state, value=value, params=numbers, distributions=distributions))
    drawn = study.ask(distributions).params
    return {key: axis.values[drawn[key]] if isinstance(axis, Choices) else drawn[key] for key, axis in axes.items()}


def _distribution(axis: Axis) -> "BaseDistribution":
    from optuna import distributions

    if isinstance(axis, Choices):
        # By index: Optuna takes no lists as choices.
        return distributions.CategoricalDistribution(tuple(range(len(axis.values))))
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return distributions.IntDistribution(axis.low, axis.high, log=axis.log)
    return distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _to_number(axis: Axis, value: object) -> object:
    return axis.values.index(value) if isinstance(axis, Choices) else value
