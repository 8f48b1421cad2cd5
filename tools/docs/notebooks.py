"""Notebooks as pages: text, code, and what the code printed or drew."""

import json
import re
from pathlib import Path
from typing import Any

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def notebook(path: Path) -> str:
    """The Markdown of a notebook with its stored outputs."""
    return "\n".join(_cell(cell) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


def _cell(cell: dict[str, Any]) -> str:
    text = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return text + "\n"
    return f"```python\n{text}\n```\n\n" + "".join(map(_output, cell["outputs"]))


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/svg+xml" in data:
        return "".join(data["image/svg+xml"]) + "\n\n"
    if "image/png" in data:
        return f'<img alt="what the cell drew" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">\n\n'
    text = ESCAPES.sub("", "".join(data.get("text/plain", output.get("text", "")))).rstrip()
    return f"```text\n{text}\n```\n\n" if text else ""
