"""Make tables and figures by name: train and evaluate the runs that are missing, then write the files."""

from collections.abc import Iterator, Sequence

from hiersrec import registry
from hiersrec.errors import BadInput, UnknownName, did_you_mean
from hiersrec.reproduction._bench import Bench
from hiersrec.reproduction._output import Output, with_runs, write
from hiersrec.reproduction._runs import complete
from hiersrec.writing import figures

ALL = "all"


def members(name: str) -> list[str]:
    """The tables and figures that a name stands for; raises UnknownName."""
    known = registry.names("reproduction")
    if name == ALL:
        return known
    if name not in known:
        raise UnknownName(f"There is no table or figure '{name}'. {did_you_mean(name, [*known, ALL])}")
    return [name]


def reproduce(bench: Bench, names: Sequence[str]) -> Iterator[tuple[str, Output, list[str]]]:
    """Yield each table or figure when its files are written: name, output, names of the files in OUT.

    Raises BadInput if the dataset has no categories, MissingExtra without matplotlib, which all but table 2 need, and
    BadFolder if OUT/runs has runs with other settings.
    """
    modules = {name: registry.load("reproduction", name) for name in names}
    needed = list(dict.fromkeys(recipe for module in modules.values() for recipe in module.RECIPES))
    if needed and not bench.dataset.catalog.levels:
        raise BadInput(
            f"The tables of the paper compare models with and without categories, and {bench.dataset.folder} has "
            "none. Prepare it with categories, or with --implicit-categories auto."
        )
    if needed:
        figures.figure(1, 1)  # fail before the trainings if matplotlib is missing
    complete(bench, needed)
    for name, module in modules.items():
        bench.reporter.say(f"reproduce: {name}")
        output: Output = with_runs(bench, module.RECIPES, module.make(bench))
        files = [path.name for path in write(bench, name, module.RECIPES, output)]
        yield name, output, files
