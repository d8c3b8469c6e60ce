"""What pages load: our style sheet, script and icon, and plotly from its wheel; a name never changes its content."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

FOLDER: Final = Path(__file__).parent / "static"
OWN: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
FOR_EVER: Final = "public, max-age=31536000, immutable"
SLOWER: Final = 6  # of gzip's levels, the one that costs a third of a second for plotly, once

_SHEET = re.compile(rb'document\.getElementById\("([0-9a-f]{64})"\)')

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and what browsers are told of it."""

    media_type: str
    plain: bytes
    zipped: bytes


@router.get("/static/{name}")
async def asset(name: str, request: Request) -> Response:
    """A file of the console; anyone may have it, as it says nothing of anybody."""
    found = await run_in_threadpool(_asset, name) if name in names() else None
    if found is None:
        raise HTTPException(404, "file: found no such one; allowed those the console's pages name")
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.zipped, media_type=found.media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.plain, media_type=found.media_type, headers=headers)


@cache
def asset_url(file: str) -> str:
    """Where browsers find one of our files: its content is part of the name."""
    stem, _, ending = file.partition(".")
    digest = sha256((FOLDER / file).read_bytes()).hexdigest()[:12]
    return f"/console/static/{stem}-{digest}.{ending}"


@cache
def plotly_url() -> str:
    """Where browsers find plotly."""
    return f"/console/static/plotly-{version('plotly')}.min.js"


@cache
def plotly_sheet() -> str:
    """The id of the style sheet of maps that plotly writes into a page unless something there has it; or nothing.

    Browsers refuse a sheet that is written into a page, and say so; nothing here draws a map.
    """
    script = names().get(plotly_url().rpartition("/")[2])
    found = None if script is None else _SHEET.search(script[0].read_bytes())
    return "" if found is None else found[1].decode("ascii")


@cache
def names() -> dict[str, tuple[Path, str]]:
    """Files by the name they are asked for."""
    found = {asset_url(file).rpartition("/")[2]: (FOLDER / file, kind) for file, kind in OWN.items()}
    spec = find_spec("plotly")  # without importing it: drawing is done elsewhere
    if spec is not None and spec.origin is not None:
        script = Path(spec.origin).parent / "package_data" / "plotly.min.js"
        found[plotly_url().rpartition("/")[2]] = (script, OWN["console.js"])
    return found


@cache
def _asset(name: str) -> Asset:
    path, media_type = names()[name]
    plain = path.read_bytes()
    return Asset(media_type, plain, gzip.compress(plain, SLOWER, mtime=0))
