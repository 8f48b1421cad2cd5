"""Type of the next event (view, order, ...): interaction types as auxiliary task (paper, sections 1, 3 and 5)."""

from dataclasses import dataclass

from hiersrec.model.inputs import Inputs
from hiersrec.model.tasks._classes import ClassTask, LinearClasses
from hiersrec.store.catalog import Catalog
from hiersrec.store.labels import EVENT_TYPE


@dataclass(frozen=True, kw_only=True)
class Config:
    """Nothing to set."""


def members(config: Config, catalog: Catalog) -> dict[str, Config]:
    """One task, "event_type"; none on events without types."""
    return {EVENT_TYPE: config} if EVENT_TYPE in catalog.labels else {}


def build(config: Config, catalog: Catalog, width: int, inputs: Inputs) -> ClassTask:
    """The head over the types that training has seen."""
    del config, inputs
    return LinearClasses(width, catalog.labels[EVENT_TYPE])
