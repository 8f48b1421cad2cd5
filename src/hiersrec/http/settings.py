"""The operator's settings of the service."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of the operator; of the limits of connections and requests there are none, see docs/do/operate.md."""

    queue: int = 256
    """Most waiting requests; the next gets 503."""
    timeout: float = 2.0
    """Seconds after which a waiting request gets 503."""
    key_file: Path | None = None
    """File of API keys; else the environment may name one key."""
    availability_file: Path | None = None
    """Where the list of available items is kept; None: next to the bundle."""
    hosts: tuple[str, ...] = ()
    """Names in the Host header that are answered; none stands for all."""
    origins: tuple[str, ...] = ()
    """Web sites whose scripts may call the service."""
    root_path: str = ""
    """Path under which a proxy publishes the service, such as /rec."""
    log_format: str = "text"
    """"text", or "json": a line for each request too."""

    def to_json(self) -> dict[str, Any]:
        """For a worker's command line."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "ServiceSettings":
        """What `to_json` returned."""
        lists = {name: tuple(document[name]) for name in ("hosts", "origins")}
        files = {name: document[name] and Path(document[name]) for name in ("key_file", "availability_file")}
        return cls(**{**document, **lists, **files})
