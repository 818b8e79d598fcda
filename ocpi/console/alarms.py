"""Alarms: those that are raised, and past ones, each with how far it was told."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from ocpi.alarms.alarm import list_alarms
from ocpi.console.access import Viewer
from ocpi.console.frame import page
from ocpi.console.glance import page_of
from ocpi.request import Here

router = APIRouter(prefix="/alarms")

MOST = 200


@router.get("")
async def show_alarms(request: Request, context: Here, _person: Viewer) -> Response:
    """The newest of both; a past one stays for 90 days."""
    raised = await list_alarms(context.database, limit=MOST)
    newest = await list_alarms(context.database, every=True, limit=MOST)
    past = [each for each in newest if each["cleared_at"] is not None]
    return page(request, "alarms.html", raised=raised, past=past, most=MOST, page_of=page_of)
