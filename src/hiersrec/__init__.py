"""Session-based recommendation with a hierarchy of tasks (HierSRec).

    import hiersrec as hr

    dataset = hr.prepare("events.csv", "items.csv", split="last-days:7")  # paths or frames
    run = hr.train(dataset, out="runs/shop")
    run.evaluate()
    run.recommend([["a", "b"]], k=20, explain=True)

Every name is imported when it is first used, so `import hiersrec` is light. The command line calls these functions,
with the same arguments. docs/develop/files.md has the folders of the package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hiersrec.api.check import Check, check
    from hiersrec.api.compare import Comparison, compare
    from hiersrec.api.describe import Description, describe
    from hiersrec.api.diversity_cost import DiversityCost, diversity_cost
    from hiersrec.api.members import Member, members
    from hiersrec.api.prepare import prepare
    from hiersrec.api.recipes import recipe
    from hiersrec.api.recommend import recommend
    from hiersrec.api.report import Report
    from hiersrec.api.reproduce import reproduce
    from hiersrec.api.run import Run
    from hiersrec.api.serve import serve
    from hiersrec.api.train import train
    from hiersrec.api.tune import Search, tune
    from hiersrec.api.verify import Verification, verify
    from hiersrec.demonstration import demo
    from hiersrec.retrieval.candidates import Candidates
    from hiersrec.serving.recommender import Recommender
    from hiersrec.store.dataset import Dataset
    from hiersrec.training.callbacks import Callback

MODULES = {
    "Callback": "training.callbacks",
    "Candidates": "retrieval.candidates",
    "Check": "api.check",
    "Comparison": "api.compare",
    "Dataset": "store.dataset",
    "Description": "api.describe",
    "DiversityCost": "api.diversity_cost",
    "Member": "api.members",
    "Recommender": "serving.recommender",
    "Report": "api.report",
    "Run": "api.run",
    "Search": "api.tune",
    "Verification": "api.verify",
    "check": "api.check",
    "compare": "api.compare",
    "demo": "demonstration",
    "describe": "api.describe",
    "diversity_cost": "api.diversity_cost",
    "members": "api.members",
    "prepare": "api.prepare",
    "recipe": "api.recipes",
    "recommend": "api.recommend",
    "reproduce": "api.reproduce",
    "serve": "api.serve",
    "train": "api.train",
    "tune": "api.tune",
    "verify": "api.verify",
}
"""Public name -> the module that it is imported from when it is first used."""

__all__ = [
    "Callback",
    "Candidates",
    "Check",
    "Comparison",
    "Dataset",
    "Description",
    "DiversityCost",
    "Member",
    "Recommender",
    "Report",
    "Run",
    "Search",
    "Verification",
    "__version__",
    "check",
    "compare",
    "demo",
    "describe",
    "diversity_cost",
    "members",
    "prepare",
    "recipe",
    "recommend",
    "reproduce",
    "serve",
    "train",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module 'hiersrec' has no attribute '{name}'")
    from hiersrec.errors import named_extras

    with named_extras():
        value = getattr(import_module(f"hiersrec.{MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
