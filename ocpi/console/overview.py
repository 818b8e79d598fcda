"""The first page: how things stand, at a glance."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ocpi.console.access import Viewer
from ocpi.console.frame import page
from ocpi.console.glance import Glances

router = APIRouter()


@router.get("")
async def show_overview(request: Request, _person: Viewer) -> Response:
    """Live counts, alarms, and how far partners are up to date."""
    glances: Glances = request.app.state.glances
    glance = await glances.get()
    return page(request, "overview.html", glance=glance, lanes=glance.lanes, alarms=glance.alarms)
