"""Sessions: a search, and one of them whole with its power curve, its bill, and who was told."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from modules.cdrs.finding import cdrs_of_session
from modules.cdrs.receipts import with_receipts
from modules.sessions.finding import Wanted, search_sessions
from modules.sessions.store import SessionRow, sessions
from modules.stations.reported import reported_of_session
from modules.stations.reports.curve import curve_of_periods, curve_of_record
from modules.stations.reports.record import Record
from ocpi.console.access import Viewer
from ocpi.console.frame import page
from ocpi.console.searching import Before, Typed, address, day, one_of, typed
from ocpi.console.shown import raw, shown, told
from ocpi.console.timeline import timeline
from ocpi.editing import object_key
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.push.feed import feed_key
from ocpi.push.hearing import hearings
from ocpi.recent import Found
from ocpi.request import Here
from ocpi.spec.document import decode
from ocpi.spec.sessions import SessionStatus

router = APIRouter(prefix="/sessions")

STATUSES = {each.value: each.value for each in SessionStatus}


@router.get("")
async def show_sessions(  # noqa: PLR0913 - A field of the form each.
    request: Request,
    context: Here,
    person: Viewer,
    *,
    session: Typed = "",
    token: Typed = "",
    location: Typed = "",
    status: Typed = "",
    since: Typed = "",
    until: Typed = "",
    before: Before = None,
) -> Response:
    """The newest first, whosever they are."""
    form = {"session": session, "token": token, "location": location, "status": status}
    form |= {"since": since, "until": until}
    found: Found[SessionRow] = Found((), None)
    problem = None
    try:
        found = await search_sessions(context.database, _wanted(form), before=before)
    except InvalidParameters as error:
        problem = error.message
    return page(
        request,
        "sessions.html",
        400 if problem else 200,
        form=form,
        problem=problem,
        statuses=list(STATUSES),
        sessions=[told(shown(person, decode(row.body))) for row in found.rows],
        older=address("/console/sessions", form, found.older),
        first=before is None,
    )


def _wanted(form: dict[str, str]) -> Wanted:
    return Wanted(
        session_id=typed(form["session"]),
        token_uid=typed(form["token"]),
        location_id=typed(form["location"]),
        status=one_of("status", form["status"], STATUSES),
        since=day("since", form["since"]),
        until=day("until", form["until"], after=1),
    )


@router.get("/{country_code}/{party_id}/{session_id:path}")
async def show_session(
    request: Request,
    context: Here,
    person: Viewer,
    country_code: str,
    party_id: str,
    session_id: str,
) -> Response:
    """One Session as it is stored, and all that belongs to it."""
    owner = Party(country_code, party_id)
    key = object_key(owner, session_id)
    text = await sessions.text_of(context.database, key)
    if text is None:
        raise UnknownObject(f"There is no Session {session_id} of {owner}.")
    session = decode(text)
    record, trouble = await reported_of_session(context.database, owner, session_id) or (None, None)
    found = await cdrs_of_session(context.database, owner, session_id)
    bills = await with_receipts(context.database, found)
    async with context.database.read() as db:
        heard = await hearings(db, feed_key("sessions", key))
    return page(
        request,
        "session.html",
        session=told(shown(person, session)),
        record=record,
        trouble=trouble,
        curve=_curve(session, record),
        steps=timeline(session, record, bills),
        bills=told(bills),
        heard=heard,
        raw=raw(shown(person, session)),
    )


def _curve(session: dict[str, Any], record: Record | None) -> list[list[float | None]]:
    """The columns that the chart draws: seconds since 1970, kW, kWh."""
    points = curve_of_record(record) if record is not None and record.begun else []
    points = points if len(points) > 1 else curve_of_periods(session)
    return [list(column) for column in zip(*points, strict=True)] if len(points) > 1 else []
