"""A service with one station, whose backend reports, and what partners then hold of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
from sqlmodel import col, select, update

from modules.cdrs.store import CDRRow
from modules.commands.reservations import Reservation
from modules.locations.own import put_own
from modules.locations.parts import Place
from modules.sessions.store import SessionRow
from modules.stations.charges import Charge
from modules.stations.reports.charging import close_overdue
from modules.tariffs.own import put_own as put_tariff
from modules.tokens.store import tokens
from ocpi.database import Database, clock
from ocpi.errands import Errand, token_key
from ocpi.gateway import Wish
from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.push.feed import SyncObject, read_key
from ocpi.spec.cdrs import CDR
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import defects
from ocpi.spec.sessions import Session
from ocpi.testing import samples
from tests.house import OURS, OWNER, THEIRS, Service, open_service

Document = dict[str, Any]

UID = samples.token()["uid"]
EVSES = ("EVSE-1", "EVSE-2", "EVSE-3")
# Cheaper at night (local time), dearer beyond 10 kWh, and parking costs.
TARIFF = samples.tariff(
    **OWNER,
    elements=[
        {
            "price_components": [{"type": "ENERGY", "price": 0.6, "vat": 19, "step_size": 1}],
            "restrictions": {"min_kwh": 10},
        },
        {
            "price_components": [{"type": "ENERGY", "price": 0.3, "vat": 19, "step_size": 1}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00"},
        },
        {
            "price_components": [
                {"type": "FLAT", "price": 1, "vat": 19, "step_size": 1},
                {"type": "ENERGY", "price": 0.5, "vat": 19, "step_size": 1},
                {"type": "PARKING_TIME", "price": 2, "vat": 19, "step_size": 60},
            ]
        },
    ],
)


def station(**over: Any) -> Document:
    evses = [samples.evse(n, connectors=[samples.connector(1)]) for n in (1, 2)]
    return samples.location(**{**OWNER, "evses": [*evses, samples.evse(3)], **over})


def at(minute: float, second: float = 0) -> str:
    """A moment on the first of March 2026, so many minutes after ten o'clock UTC."""
    whole = int(minute)
    tail = f"{second:06.3f}" if second % 1 else f"{int(second):02d}"
    return f"2026-03-01T{10 + whole // 60:02d}:{whole % 60:02d}:{tail}Z"


def start(name: str = "t1", moment: str | None = at(0), **over: Any) -> Document:
    told = {"type": "start", "transaction_id": name, "evse_uid": "EVSE-1", "at": moment}
    return _given({**told, "token": {"uid": UID}, "kwh": 100, **over})


def meter(name: str = "t1", moment: str | None = at(10), **over: Any) -> Document:
    return _given({"type": "meter", "transaction_id": name, "at": moment, **over})


def stop(name: str = "t1", moment: str | None = at(30), **over: Any) -> Document:
    return _given({"type": "stop", "transaction_id": name, "at": moment, **over})


def _given(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}


@dataclass(frozen=True)
class Yard:
    service: Service

    @property
    def database(self) -> Database:
        return self.service.database

    async def post(self, body: Any) -> httpx.Response:
        content = body if isinstance(body, (str, bytes)) else encode(body)
        return await self.service.admin.post("/admin/stations/LOC-1/reports", content=content)

    async def report(self, *documents: Document) -> list[Document]:
        """Report a list; gives what each came to."""
        answer = await self.post(list(documents))
        assert answer.status_code == 200 or len(documents) == 1, answer.text
        if answer.status_code == 400:
            return [{"result": "refused", "note": answer.json()["error"]}]
        assert answer.status_code == 200, answer.text
        return [
            {name: value for name, value in each.items() if value is not None}
            for each in answer.json()["results"]
        ]

    async def sessions(self) -> list[Document]:
        """All Sessions, each as a strict receiver takes it."""
        found = await self._bodies(SessionRow)
        assert [defects(each, Session) for each in found] == [[]] * len(found)
        return found

    async def session(self) -> Document:
        [session] = await self.sessions()
        return session

    async def cdrs(self) -> list[Document]:
        """All CDRs, each as a strict receiver takes it."""
        found = await self._bodies(CDRRow)
        assert [defects(each, CDR) for each in found] == [[]] * len(found)
        return found

    async def cdr(self) -> Document:
        [cdr] = await self.cdrs()
        return cdr

    async def _bodies(self, table: Any) -> list[Document]:
        async with self.database.read() as db:
            found = await db.exec(select(table.body).order_by(table.position))
            return [decode(body) for body in found.all()]

    async def charges(self) -> Sequence[Charge]:
        async with self.database.read() as db:
            return (await db.exec(select(Charge).order_by(col(Charge.id)))).all()

    async def listed(self, **query: Any) -> list[Document]:
        answer = await self.service.admin.get("/admin/charges", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found: list[Document] = page["charges"]
        assert page["total"] >= len(found)
        return found

    async def bill(self, number: int) -> Document:
        answer = await self.service.admin.post(f"/admin/charges/{number}/bill")
        assert answer.status_code == 200, answer.text
        found: Document = answer.json()
        return found

    async def pass_grace(self) -> int:
        """Let the time that lost sessions wait for their stop be over; gives how many ended."""
        async with self.database.write() as db:
            waiting = col(Charge.closing_at).is_not(None)
            await db.exec(update(Charge).where(waiting).values(closing_at=0))
        async with self.database.write() as db:
            return await close_overdue(db, self.service.context.settings)

    async def add_token(self, **over: Any) -> None:
        await add_token(self.database, **over)

    async def put_tariff(self, document: Document) -> None:
        async with self.database.write() as db:
            await put_tariff(db, OURS, document["id"], document)

    async def add_errand(self, wish: Wish, request: Document, moment: int, **over: Any) -> Errand:
        """Store what a partner asked of the station at a moment in microseconds."""
        token = request["token"]
        async with self.database.write() as db:
            partner = (await db.exec(select(Partner).where(Partner.name == "Example eMSP"))).one()
            errand = Errand(
                **{
                    "id": f"errand-{moment}",
                    "wish": wish.value,
                    "partner_id": partner.key,
                    "owner_country_code": OURS.country_code,
                    "owner_party_id": OURS.party_id,
                    "asker_country_code": THEIRS.country_code,
                    "asker_party_id": THEIRS.party_id,
                    "location_id": "LOC-1",
                    "token_key": token_key(token["uid"], token["type"]),
                    "request": encode(request),
                    "response_url": "https://msp.example/answers",
                    "correlation_id": "c",
                    "created_at": moment,
                    "deadline": moment,
                    "asked_at": moment,
                    **over,
                }
            )
            db.add(errand)
        return errand

    async def reservations(self) -> Sequence[Reservation]:
        async with self.database.read() as db:
            return (await db.exec(select(Reservation).order_by(col(Reservation.id)))).all()

    async def now(self) -> int:
        async with self.database.read() as db:
            return await clock(db)


@asynccontextmanager
async def open_yard(
    database_url: str,
    *,
    tariff: Document | None = TARIFF,
    location: Document | None = None,
    **over: Any,
) -> AsyncIterator[Yard]:
    async with open_service(database_url, **over) as service:
        await furnish(service.database, tariff, location)
        yield Yard(service)


async def furnish(
    database: Database, tariff: Document | None = TARIFF, location: Document | None = None
) -> None:
    """Put up the station, its Tariff and a token."""
    async with database.write() as db:
        if tariff is not None:
            await put_tariff(db, OURS, tariff["id"], tariff)
        await put_own(db, OURS, Place("LOC-1"), location or station())
    await add_token(database)


async def add_token(database: Database, **over: Any) -> None:
    document = samples.token(**over)
    owner = Party(document["country_code"], document["party_id"])
    async with database.write() as db:
        await tokens.put(db, owner, f"{document['uid']}*{document['type']}", document)


@dataclass
class Receiver:
    """An eMSP that hears of Sessions as they are pushed: PUT replaces, PATCH adds periods."""

    yard: Yard
    known: dict[str, Document] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)

    async def listen(self) -> None:
        """Take what is new, and compare with what is stored."""
        newest = max(self.heard.values(), default=0)
        async with self.yard.database.read() as db:
            sessions = (SyncObject.module == "sessions", col(SyncObject.seq) > newest)
            news = (await db.exec(select(SyncObject).where(*sessions))).all()
            keys = [read_key(row.key)[0] for row in news]
            stored = select(SessionRow.key, SessionRow.body).where(col(SessionRow.key).in_(keys))
            bodies = {key: decode(body) for key, body in (await db.exec(stored)).all()}
        for row in news:
            self._take(row, bodies)
        assert {key: self.known[key] for key in keys} == bodies

    def _take(self, row: SyncObject, bodies: dict[str, Document]) -> None:
        key = read_key(row.key)[0]
        if row.patch is None or self.heard.get(row.key) != row.prev_seq:
            self.methods.append("PUT")
            self.known[key] = bodies[key]
        else:
            self.methods.append("PATCH")
            patch = decode(row.patch)
            before = self.known[key].get("charging_periods", [])
            periods = [*before, *patch.pop("charging_periods", [])]
            grown = {"charging_periods": periods} if periods else {}
            self.known[key] = {**self.known[key], **patch, **grown}
        self.heard[row.key] = row.seq


def energy_of(document: Document) -> Decimal:
    """The sum of the ENERGY of the charging periods."""
    return sum(
        (
            Decimal(each["volume"])
            for period in document.get("charging_periods", [])
            for each in period["dimensions"]
            if each["type"] == "ENERGY"
        ),
        Decimal(0),
    )


def starts_of(document: Document) -> list[str]:
    return [period["start_date_time"] for period in document["charging_periods"]]
