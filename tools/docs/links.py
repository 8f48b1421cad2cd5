"""Where the files of the repository stand on the site, and links between them, rewritten for it.

In the repository every link is relative to its own file, so that it leads somewhere there too. On the site the pages of
`docs/` keep their places; some files from outside have a page as well; other files are named, without a link.
"""

import os
import posixpath
import re
from pathlib import PurePosixPath

PAGES = {
    "RESULTS.md": "results/index.md",
    "benchmarks/README.md": "results/benchmarks.md",
    "CONTRIBUTING.md": "develop/contributing.md",
    "CHANGELOG.md": "develop/changelog.md",
    "SECURITY.md": "develop/security.md",
    "tests/drills/README.md": "develop/drills.md",
    "examples/hiersrec-example/README.md": "develop/example-package.md",
    "examples/1_first_recommendation.ipynb": "start/first-recommendation.md",
    "examples/2_why_this_item.ipynb": "start/why-this-item.md",
    "examples/3_your_own_parts.ipynb": "start/your-own-parts.md",
}
"""File of the repository -> the page that is made of it."""
SOURCES = {page: file for file, page in PAGES.items()}
INSTEAD = {"README.md": "index.md"}
"""File of the repository -> the page of the site that says the same."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2[ ]*$", re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def source_of(page: str) -> str:
    """The file of the repository that a page is made from."""
    return SOURCES.get(page, f"docs/{page}")


def page_of(file: str) -> str | None:
    """The page, or picture, that a file of the repository has on the site."""
    page = PAGES.get(file) or INSTEAD.get(file)
    return page or (file.removeprefix("docs/") if file.startswith("docs/") else None)


def rewritten(markdown: str, page: str) -> str:
    """The text of a page, its links leading to pages of the site."""
    folder = posixpath.dirname(source_of(page))

    def link(match: "re.Match[str]") -> str:
        picture, text, address = match.groups()
        path, hash_sign, anchor = address.partition("#")
        if "://" in address or address.startswith("mailto:") or not path:
            return match[0]
        file = posixpath.normpath(posixpath.join(folder, path))
        target = page_of(file)
        if target is None:
            return f"`{text}`" if PurePosixPath(text).name == PurePosixPath(file).name else text
        return f"{picture}[{text}]({os.path.relpath(target, posixpath.dirname(page) or '.')}{hash_sign}{anchor})"

    pieces, end = [], 0
    for fence in FENCE.finditer(markdown):
        pieces += [LINK.sub(link, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, LINK.sub(link, markdown[end:])])
