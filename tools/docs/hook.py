"""Hook of MkDocs (mkdocs.yml): adds pages from outside `docs/`, and fills pages with what the code says of itself.

A page says `<!-- generated: NAME -->` where the text of GENERATED[NAME] goes, and in the next line what those see who
read it in the repository. Nothing generated is committed.
"""

import re
from collections.abc import Callable
from typing import Any

from mkdocs.structure.files import File, Files

from tools.docs import http_page, links, notebooks, reference

HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def log() -> str:
    """All entries of the log, newest first."""
    days = sorted((reference.root() / "docs/log").glob("2*.md"), reverse=True)
    entries = [(day.name, title) for day in days for title in HEADING.findall(day.read_text(encoding="utf-8"))]
    return "\n".join(f"- [{title}]({name}#{links.anchor(title)})" for name, title in entries)


GENERATED: dict[str, Callable[[], str]] = {
    "commands": reference.commands,
    "recipe-keys": reference.recipe_keys,
    "members": reference.members,
    "python": reference.python_names,
    "http": http_page.http_api,
    "log": log,
}
MARK = re.compile(r"^<!-- generated: ([\w-]+) -->\n.*$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """Append the log to the results, newest day first."""
    (results,) = (part["Results"] for part in config.nav if "Results" in part)
    days = sorted((reference.root() / "docs/log").glob("2*.md"), reverse=True)
    results.append({"The log": ["log/index.md", *(f"log/{day.name}" for day in days)]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages whose files lie outside of `docs/`."""
    for file, page in links.PAGES.items():
        if files.get_file_from_path(page) is None:
            path = reference.root() / file
            text = notebooks.notebook(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of a page, and put in what is generated."""
    text = links.rewritten(markdown, page.file.src_uri)
    return MARK.sub(lambda mark: GENERATED[mark[1]](), text)
