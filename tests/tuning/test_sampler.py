import itertools
import math
import sys

import optuna
import pytest

from hiersrec.errors import MissingExtra
from hiersrec.tuning.sampler import propose, require
from hiersrec.tuning.space import Axis, Choices, Range, Settings

pytestmark = pytest.mark.slow

AXES: dict[str, Axis] = {
    "rate": Range(low=1e-4, high=1e-1, log=True),
    "share": Range(low=0.0, high=2.0),
    "layers": Range(low=1, high=4),
    "window": Range(low=1, high=64, log=True),
    "reads": Choices((["category_*"], [], "none")),
}
OWN = {"rate": 1e-3, "share": 0.0, "layers": 2, "window": 20, "reads": []}


def worth(settings: Settings) -> float:
    """Best at rate 1e-2, three layers, and the first choice."""
    return float(
        -abs(math.log10(settings["rate"]) + 2) - abs(settings["layers"] - 3) + (settings["reads"] == ["category_*"])
    )


def search(number: int, seed: int = 0) -> list[tuple[Settings, float | None]]:
    """`number` trials after the unchanged recipe; those with one layer fail."""
    done: list[tuple[Settings, float | None]] = [(OWN, worth(OWN))]
    for trial in range(2, number + 2):
        settings = propose(AXES, done, seed, trial)
        assert settings is not None
        done.append((settings, None if settings["layers"] == 1 else worth(settings)))
    return done


@pytest.fixture(scope="module")
def trials() -> list[tuple[Settings, float | None]]:
    return search(40)


def test_proposals_lie_in_the_space_with_their_types(trials) -> None:
    for settings, _ in trials:
        assert list(settings) == list(AXES)
        assert [type(value) for value in settings.values()][:4] == [float, float, int, int]
        assert 1e-4 <= settings["rate"] <= 1e-1
        assert 0 <= settings["share"] <= 2
        assert 1 <= settings["layers"] <= 4
        assert 1 <= settings["window"] <= 64
        assert settings["reads"] in (["category_*"], [], "none")


def test_a_logarithmic_scale_is_drawn_evenly_by_factors() -> None:
    """Of first draws, a third lies in each decade; on an even scale hardly one would lie below 1e-3."""
    drawn = [propose(AXES, [], seed, 1) for seed in range(90)]

    below = sum(settings is not None and settings["rate"] < 1e-3 for settings in drawn)
    assert 15 <= below <= 45


def test_it_depends_on_trials_seed_and_number_and_on_nothing_else(trials) -> None:
    assert search(12) == trials[:13]
    assert propose(AXES, trials[:5], 0, 6) == trials[5][0]
    assert propose(AXES, trials[:5], 1, 6) != trials[5][0]
    assert propose(AXES, trials[:5], 0, 7) != trials[5][0]
    other = [(settings, None if value is None else -value) for settings, value in trials]
    assert propose(AXES, other, 0, 42) != propose(AXES, trials, 0, 42)


def test_it_learns_from_the_trials(trials) -> None:
    """Later trials are better than the ten random ones, and seldom among those that failed."""
    early, late = trials[1:11], trials[-15:]

    def mean(trials) -> float:
        values = [value for _, value in trials if value is not None]
        return sum(values) / len(values)

    assert mean(late) > mean(early) + 0.5
    assert sum(value is None for _, value in late) <= 2


def test_nothing_is_proposed_twice_and_a_small_space_ends() -> None:
    axes: dict[str, Axis] = {"a": Choices((1, 2)), "b": Range(low=1, high=3)}
    done: list[tuple[Settings, float | None]] = []

    while (settings := propose(axes, done, 0, len(done) + 1)) is not None:
        done.append((settings, float(settings["b"])))

    every = [{"a": a, "b": b} for a, b in itertools.product((1, 2), (1, 2, 3))]
    assert sorted((settings for settings, _ in done), key=str) == sorted(every, key=str)


def test_a_space_with_plenty_left_does_not_end_because_all_is_clear() -> None:
    """One corner is best by far, and TPE alone would propose it again and again."""
    axes: dict[str, Axis] = {"itself": Choices((0.0, 0.01, 0.1, 0.3, 1.0, 3.0)), "window": Range(low=1, high=30)}
    done: list[tuple[Settings, float | None]] = []

    for trial in range(1, 41):
        settings = propose(axes, done, 0, trial)
        assert settings is not None
        done.append((settings, -1.0 * settings["window"] - 5 * settings["itself"]))

    assert ({"itself": 0.0, "window": 1}, -1.0) in done


def test_optuna_keeps_quiet_and_its_own_setting_stays(capfd) -> None:
    optuna.logging.set_verbosity(optuna.logging.DEBUG)
    try:
        propose(AXES, [(OWN, 0.5)], 0, 2)
        assert optuna.logging.get_verbosity() == optuna.logging.DEBUG
    finally:
        optuna.logging.set_verbosity(optuna.logging.INFO)
    assert capfd.readouterr() == ("", "")


def test_without_optuna_the_error_says_what_to_install(monkeypatch) -> None:
    assert require() == optuna.__version__
    monkeypatch.setitem(sys.modules, "optuna", None)

    with pytest.raises(MissingExtra, match=r"needs the package 'optuna', which .*pip install '\.\[tun"):
        require()
