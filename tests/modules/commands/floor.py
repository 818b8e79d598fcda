"""A service with stations that can be asked, two eMSPs, and their sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from sqlmodel import col, select

import modules.locations.own
import modules.sessions.own
from modules.commands.reservations import Reservation
from modules.locations.parts import Place
from ocpi.app import create_app
from ocpi.database import Database
from ocpi.errands import Errand
from ocpi.gateway import Demand, Wish
from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.testing import samples
from tests.house import (
    OURS,
    THEIRS,
    TOKEN,
    Service,
    add_partner,
    calling,
    open_service,
    present,
)

Document = dict[str, Any]

OTHER = Party("FR", "OTH")
OTHER_TOKEN = "other-token_0123456789"
ANSWERS = "https://msp.example/ocpi/emsp/answers?id=%2F1"
VERSIONS = "https://versions.msp.example/ocpi/versions"
EVERYTHING = (
    "REMOTE_START_STOP_CAPABLE",
    "RESERVABLE",
    "UNLOCK_CAPABLE",
    "CHARGING_PROFILE_CAPABLE",
)


class FakeGateway:
    """Says what it supports; nobody may ask it, for that is the runner's work."""

    def __init__(self, supported: Collection[Wish]) -> None:
        self.supported = supported

    async def ask(self, demand: Demand) -> Document | None:
        raise AssertionError(f"the answer waits for a station: {demand}")

    def supports(self, wish: Wish) -> bool:
        return wish in self.supported

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Floor:
    """The service, and its two eMSPs."""

    service: Service
    emsp: httpx.AsyncClient
    other: httpx.AsyncClient

    @property
    def database(self) -> Database:
        return self.service.database

    async def errands(self) -> Sequence[Errand]:
        async with self.database.read() as db:
            found = await db.exec(select(Errand).order_by(col(Errand.created_at)))
            return found.all()

    async def errand(self) -> Errand:
        [errand] = await self.errands()
        return errand

    async def reservations(self) -> Sequence[Reservation]:
        async with self.database.read() as db:
            return (await db.exec(select(Reservation).order_by(col(Reservation.id)))).all()


@asynccontextmanager
async def open_floor(
    database_url: str,
    *,
    supported: Collection[Wish] = tuple(Wish),
    ours: Party = OURS,
    **over: Any,
) -> AsyncIterator[Floor]:
    async with open_service(database_url, parties=(ours,), **over) as opened:
        context = replace(opened.context, gateway=FakeGateway(supported))
        service = replace(opened, context=context, app=create_app(context, worker=False))
        await add_partner(context.database, "Other eMSP", OTHER_TOKEN, OTHER)
        await add_endpoints(context.database, "Example eMSP", "https://msp.example")
        await add_endpoints(context.database, "Other eMSP", "https://other.example")
        await build(context.database, ours)
        async with (
            calling(service.app, present(TOKEN)) as emsp,
            calling(service.app, present(OTHER_TOKEN)) as other,
        ):
            yield Floor(service, emsp, other)


async def add_endpoints(database: Database, name: str, origin: str) -> None:
    """Add the addresses that the partner has registered."""
    async with database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == name))).one()
        partner.versions_url = VERSIONS if origin == "https://msp.example" else origin
        for module in ("commands", "chargingprofiles"):
            db.add(
                PartnerEndpoint(
                    partner_id=partner.key,
                    identifier=module,
                    role="SENDER",
                    url=f"{origin}/ocpi/emsp/{module}",
                )
            )


async def build(database: Database, ours: Party) -> None:
    """Build a Location with EVSEs of every kind, and have sessions going on there."""
    codes = {"country_code": ours.country_code, "party_id": ours.party_id}
    evses = [
        samples.evse(1, capabilities=list(EVERYTHING)),
        samples.evse(2, capabilities=["RFID_READER"]),
        samples.evse(3, status="REMOVED", capabilities=list(EVERYTHING)),
        samples.evse(4, capabilities=[]),
        samples.evse(5, capabilities=[*EVERYTHING, "START_SESSION_CONNECTOR_REQUIRED"]),
    ]
    async with database.write() as db:
        location = samples.location(**codes, evses=evses)
        await modules.locations.own.put_own(db, ours, Place("LOC-1"), location)
        second = samples.location(**codes, id="LOC-2", evses=evses[:1])
        await modules.locations.own.put_own(db, ours, Place("LOC-2"), second)
    for session in (
        samples.session(**codes),
        samples.session(**codes, id="ENDED", status="COMPLETED"),
        samples.session(**codes, id="UNABLE", evse_uid="EVSE-2"),
        samples.session(**codes, id="GONE", location_id="NOWHERE"),
        samples.session(**codes, id="FOREIGN", cdr_token=samples.cdr_token(**codes_of(OTHER))),
    ):
        await modules.sessions.own.put_own(database, ours, session["id"], session)


def codes_of(party: Party) -> Document:
    return {"country_code": party.country_code, "party_id": party.party_id}


def token(party: Party = THEIRS, **over: Any) -> Document:
    return samples.token(**{**codes_of(party), **over})


def start(**over: Any) -> Document:
    asked = {"response_url": ANSWERS, "token": token(), "location_id": "LOC-1"}
    return {**asked, "evse_uid": "EVSE-1", **over}


def reserve(**over: Any) -> Document:
    asked = {"reservation_id": "Res-1", "expiry_date": "2099-01-01T00:00:00Z"}
    return {**start(), **asked, **over}


def stop(session_id: str = "SESSION-1", **over: Any) -> Document:
    return {"response_url": ANSWERS, "session_id": session_id, **over}


def cancel(reservation_id: str = "Res-1", **over: Any) -> Document:
    return {"response_url": ANSWERS, "reservation_id": reservation_id, **over}


def unlock(**over: Any) -> Document:
    asked = {"location_id": "LOC-1", "evse_uid": "EVSE-1", "connector_id": "1"}
    return {"response_url": ANSWERS, **asked, **over}
