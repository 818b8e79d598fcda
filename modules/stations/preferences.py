"""What a driver prefers of a running session, put to its station (mod_sessions)."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from modules.locations.parts import Place, find_part
from modules.locations.store import locations
from modules.sessions.store import FINAL, sessions
from modules.stations.charges import Charge
from modules.stations.demands import transaction_of
from modules.stations.reported import reported_of_session
from modules.stations.reports.billing import currency_of
from modules.stations.reports.charging import prefer_tariff
from modules.stations.reports.sites import profiles_of
from modules.tariffs.store import tariffs
from ocpi.admin import takes
from ocpi.context import Context
from ocpi.editing import Document, object_key
from ocpi.envelope import Answer, ok
from ocpi.errors import TooMany, UnknownLocation, UnknownObject
from ocpi.forgiving import read
from ocpi.gateway import Demand, GatewayFailed, Wish
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.request import Addressed, Body, CallerOf, Here, Segment
from ocpi.spec.document import decode, encode
from ocpi.spec.locations import Capability
from ocpi.spec.reading import dump
from ocpi.spec.sessions import ChargingPreferences, ChargingPreferencesResponse
from ocpi.store import audience_of

router = APIRouter()

# The partner waits for the answer meanwhile.
_TIMEOUT = 10.0
MOST_UNDER_WAY = 5
"""Requests of one partner that one process has wait for stations at once."""
_under_way: Counter[int] = Counter()
_Response = ChargingPreferencesResponse


class NotCapable(UnknownObject):
    """The EVSE of this Session does not take charging preferences."""

    status_code = 2001


@router.put(
    "/{session_id}/charging_preferences",
    response_model=Answer[ChargingPreferencesResponse],
    summary="Set the driver's charging preferences",
    openapi_extra=takes(ChargingPreferences),
)
async def put_preferences(
    here: Here,
    party: Addressed,
    caller: CallerOf,
    session_id: Annotated[Segment, Path(description="Session.id")],
    body: Body,
) -> Response:
    """ACCEPTED once the station has taken them; else why not (SE-04, SE-05)."""
    preferences = read(ChargingPreferences, body)
    session = await _session(here, party, {each.key for each in caller.parties}, session_id)
    connector = await _connector(here, party, session)
    ids = caller.sight.mappings.ids(party.key, connector.get("tariff_ids", []))
    refusal = _refusal(session, await _profiles(here, party, session, ids), preferences)
    if refusal is not None:
        return ok(encode(refusal))
    # Who does not say that a vehicle may be discharged does not allow it (SE-07).
    wanted = {"discharge_allowed": False, **dump(preferences)}
    with _one_more(caller.partner_id):
        answer = await _ask(here, party, session, wanted)
    if answer == _Response.ACCEPTED:
        await _apply(here, party, session["id"], str(preferences.profile_type))
    return ok(encode(answer))


@contextmanager
def _one_more(partner_id: int) -> Iterator[None]:
    """A request under way; raises ``TooMany`` where the partner has enough of them."""
    if _under_way[partner_id] >= MOST_UNDER_WAY:
        raise TooMany
    _under_way[partner_id] += 1
    try:
        yield
    finally:
        _under_way[partner_id] -= 1


async def _session(here: Context, party: Party, theirs: set[str], session_id: str) -> Document:
    """A Session of the caller's own drivers; those of others are as unknown as none (SE-02)."""
    text = await sessions.text_of(here.database, object_key(party, session_id))
    session = None if text is None else decode(text)
    if session is None or audience_of(session).key not in theirs:
        raise UnknownObject(f"There is no Session {session_id} of yours.")
    document: Document = session
    return document


async def _connector(here: Context, party: Party, session: Document) -> Document:
    """The Connector; raises ``NotCapable`` unless its EVSE takes preferences (SE-06)."""
    text = await locations.text_of(here.database, object_key(party, session["location_id"]))
    location = {} if text is None else decode(text)
    place = Place(*_place_of(session))
    try:
        evse = find_part(location, Place(place.location_id, place.evse_uid))
        connector = find_part(location, place)
    except UnknownLocation:
        # A reservation may have no EVSE yet, and an old Session one that is gone.
        raise NotCapable from None
    if Capability.CHARGING_PREFERENCES_CAPABLE not in evse.get("capabilities", []):
        raise NotCapable
    return connector


def _place_of(session: Document) -> tuple[str, str, str]:
    """Where a Session is charging."""
    return session["location_id"], session["evse_uid"], session["connector_id"]


async def _profiles(
    here: Context, party: Party, session: Document, tariff_ids: Sequence[str]
) -> set[str]:
    """The profile types that can price the Session, by its Tariffs of the start (CD-13).

    Where no station reports it, they are those of the Connector.
    """
    reported = await reported_of_session(here.database, party, session["id"])
    if reported is not None:
        record = reported[0]
        return profiles_of(record.tariffs, str(record.started_at), currency_of(record))
    texts = [await tariffs.text_of(here.database, object_key(party, each)) for each in tariff_ids]
    documents = [decode(text) for text in texts if text is not None]
    return profiles_of(documents, session["start_date_time"], session["currency"])


def _refusal(session: Document, profiles: set[str], preferences: ChargingPreferences) -> str | None:
    """Why the station need not be asked; None where it is."""
    if session["status"] in FINAL:
        return _Response.NOT_POSSIBLE.value
    if str(preferences.profile_type) not in profiles:
        return _Response.PROFILE_TYPE_NOT_SUPPORTED.value
    return None


async def _ask(here: Context, party: Party, session: Document, preferences: Document) -> str:
    async with here.database.read() as db:
        transaction_id = await transaction_of(db, party.key, session["id"])
    location_id, evse_uid, connector_id = _place_of(session)
    demand = Demand(
        str(uuid4()),
        Wish.SET_CHARGING_PREFERENCES,
        party,
        location_id,
        evse_uid,
        connector_id,
        transaction_id,
        session["id"],
        {"preferences": preferences},
        _TIMEOUT,
    )
    try:
        async with asyncio.timeout(_TIMEOUT):
            given = await here.gateway.ask(demand)
    except (GatewayFailed, TimeoutError) as error:
        log.warning("preferences not put to the station", session=session["id"], reason=str(error))
        given = None
    word = None if given is None else given.get("result")
    known = tuple(ChargingPreferencesResponse)
    return str(word) if word in known else _Response.NOT_POSSIBLE.value


async def _apply(here: Context, party: Party, session_id: str, profile: str) -> None:
    """From now on the Tariff of the profile prices the session, where the station reports it."""
    async with here.database.write() as db:
        charge = await _charge(db, party, session_id)
        if charge is not None:
            await prefer_tariff(db, here.settings, charge, f"PROFILE_{profile}")


async def _charge(db: AsyncSession, party: Party, session_id: str) -> Charge | None:
    found = await db.exec(
        select(Charge)
        .where(Charge.owner == party.key, Charge.session_key == session_id.lower())
        .with_for_update()
    )
    return found.first()
