"""The first page: how things stand, at a glance."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ocpi.console.access import Viewer
from ocpi.console.frame import page
from ocpi.push.status import lane_status
from ocpi.request import Here

router = APIRouter()


@router.get("")
async def show_overview(request: Request, context: Here, _person: Viewer) -> Response:
    """Live counts, and how far partners are up to date."""
    async with context.database.read() as db:
        lanes = await lane_status(db, require_check=context.settings.require_check)
    return page(request, "overview.html", lanes=lanes)
