"""The files that pages are made with: kept by browsers for as long as they are the same."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


VERSION = _version()


def file_url(name: str) -> str:
    """The address of one of the files, which is another one after each change of any."""
    return f"/console/static/{name}?v={VERSION}"


class Files(StaticFiles):
    """Says that a file never changes where its address has our version, else to ask again.

    While processes are replaced, a page of a new one may ask an old one for its files: what that
    gives must not be kept under the new version.
    """

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, *rest: Any) -> Response:
        """The file, and for how long it may be kept."""
        answer = super().file_response(full_path, stat_result, scope, *rest)
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("v")
        kept = "private, max-age=31536000, immutable" if asked == [VERSION] else "no-cache"
        answer.headers["Cache-Control"] = kept
        return answer
