"""The rules in words, who serves them, and where they do not hold; every version of them and what it changed."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Annotated
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from fastapi import APIRouter, Path, Query, Request, Response

from optimizer.domain.instants import Instant, moment
from optimizer.errors import NotFound
from optimizer.insights.serving_words import Proxy, Served, proxies, served_objectives
from optimizer.insights.strategy_words import Chapter, chapters
from optimizer.services.documents.editions import comparison, edition, editions
from optimizer.services.live import Live
from optimizer.services.oversight.surveying import Violation, violations
from optimizer.storage.store import Ledger
from optimizer.storage.versions import Applied, StrategyVersion
from optimizer.strategy.documents import Strategy
from optimizer.web.console.readings import reading
from optimizer.web.console.shell import PAGE_HEADERS, Viewing, page
from optimizer.web.security import TheDesk

router = APIRouter()
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


@dataclass(frozen=True, slots=True)
class InForce:
    """What the page about the strategy shows; None where no documents are in force."""

    strategy: Strategy | None
    version: int
    chapters: tuple[Chapter, ...]
    objectives: tuple[Served, ...]
    proxies: tuple[Proxy, ...]
    violations: tuple[Violation, ...]
    editions: tuple[Applied, ...]


@router.get("/strategy")
async def strategy_page(request: Request, viewer: Viewing) -> Response:
    """What the strategy says, in words."""
    found = await reading(request, in_force)
    return await page(request, "strategy.html.j2", as_of=found.as_of, viewer=viewer, shown=found.value)


@router.get("/strategy/versions/{version}")
async def version_page(
    request: Request,
    viewer: Viewing,
    desk: TheDesk,
    version: Version,
    against: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> Response:
    """One version's documents, and what it changed."""
    earlier = version - 1 if against is None else against
    compared, listed = await desk.read(lambda ledger, _: (comparison(ledger, version, earlier), editions(ledger)))
    return await page(
        request,
        "strategy_version.html.j2",
        viewer=viewer,
        compared=compared,
        version=compared.after,
        against=earlier,
        editions=listed,
        in_force=listed[0].version,
    )


@router.get("/strategy/versions/{version}/documents.zip")
async def version_documents(_viewer: Viewing, desk: TheDesk, version: Version) -> Response:
    """A version's documents, as their authors wrote them, to unpack into a workspace."""
    found = await desk.read(lambda ledger, _: edition(ledger, version))
    headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="strategy-version-{version}.zip"'}
    return Response(_zipped(found), media_type="application/zip", headers=headers)


@router.get("/strategy/versions/{version}/file")
async def version_document(_viewer: Viewing, desk: TheDesk, version: Version, path: str) -> Response:
    """One document of a version, as its authors wrote it."""
    found = await desk.read(lambda ledger, _: edition(ledger, version))
    if path not in found.files:
        raise NotFound(f"document: found {path!r:.80}; allowed {', '.join(found.files)}")
    headers = {**PAGE_HEADERS, "Content-Disposition": f'attachment; filename="{path.rpartition("/")[2]}"'}
    return Response(found.files[path], media_type="application/yaml", headers=headers)


def in_force(ledger: Ledger, live: Live, now: Instant) -> InForce:
    """The strategy in force, in words, and where it does not hold."""
    loaded = live.at(ledger)
    workspace = loaded.workspace
    applied = tuple(editions(ledger))
    if workspace is None:
        return InForce(None, 0, (), (), (), (), applied)
    return InForce(
        workspace.strategy,
        loaded.version,
        chapters(workspace.strategy),
        served_objectives(workspace),
        proxies(workspace),
        violations(ledger, live, now),
        applied,
    )


def _zipped(version: StrategyVersion) -> bytes:
    """A version's documents in one file, with the time they were put in force."""
    made = BytesIO()
    at = moment(version.applied_at).timetuple()[:6]
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for path, text in version.files.items():
            archive.writestr(ZipInfo(path, at), text)
    return made.getvalue()
