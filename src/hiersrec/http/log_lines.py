"""The log on standard error: lines for people, or a JSON object a line, then with one for each request."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

LOG = logging.getLogger("hiersrec")
FORMATS = ("text", "json")


class JsonLines(logging.Formatter):
    """time (UTC), level and message; the fields of a request; the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document)


def log_to_stderr(log_format: str = "text") -> None:
    """Log our own lines, and warnings of uvicorn."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.WARNING)
    if log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())
    LOG.setLevel(logging.INFO)


def log_request(fields: Mapping[str, object]) -> None:
    """The line of a request."""
    LOG.info("request", extra={"fields": fields})
