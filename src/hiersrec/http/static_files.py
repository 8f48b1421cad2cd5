"""The files of the page, all read at the start, so that a name in a request never opens a file."""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from hiersrec.http.errors import Problem

FOLDER = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Files:
    """The files of a folder by name; the start page is index.html."""

    def __init__(self, folder: Path = FOLDER) -> None:
        paths = [path for path in sorted(folder.iterdir()) if path.suffix in TYPES]
        self._files = {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in paths}

    def answer(self, name: str, request: Request) -> Response:
        """A file, or 304 if the client has it. Raises Problem 404 for an unknown name."""
        if name not in self._files:
            raise Problem(404, f"There is no file {name!r}. The page is at /.")
        content, kind = self._files[name]
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}  # revalidate each time, so that an update shows at once
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=kind)
