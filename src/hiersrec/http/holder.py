"""What a running worker has, and may change at any time: its model, its keys, whether it is stopping."""

from dataclasses import dataclass, field

from hiersrec.http.availability import Availability
from hiersrec.http.keys import Keys
from hiersrec.http.metrics import Metrics
from hiersrec.http.model import Model


@dataclass
class Holder:
    """The current state of a worker. Without `keys` everybody may ask."""

    model: Model
    keys: Keys | None = None
    availability: Availability | None = None
    """None: all items may be listed, and there are no endpoints to change that."""
    stopping: bool = False
    last_reload: str | None = None
    """"ok" or "failed"."""
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.metrics.model(self.model.version)

    def swap(self, model: Model) -> None:
        """Use another model from the next request on."""
        previous, self.model = self.model, model
        self.metrics.model(model.version, previous.version)

    def reloaded(self, result: str) -> None:
        """Note the result of a reload, "ok" or "failed"."""
        self.last_reload = result
        self.metrics.reload(result)
