"""Partners: who they are, how they do, and what staff may do about it."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from credentials.partners import list_partners
from ocpi.console.access import Viewer
from ocpi.console.frame import page
from ocpi.push.status import lane_status
from ocpi.request import Here

router = APIRouter(prefix="/partners")


@router.get("")
async def show_partners(request: Request, context: Here, _person: Viewer) -> Response:
    """All of them, with how far they are up to date."""
    partners = await list_partners(context)
    async with context.database.read() as db:
        lanes = {lane.partner: lane for lane in await lane_status(db)}
    return page(request, "partners.html", partners=partners, lanes=lanes)
