"""The whole service with stations behind a gateway, and a mock eMSP that has registered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
from sqlmodel import SQLModel, col, select, update

import modules.locations.own
import modules.tariffs.own
from modules.cdrs.store import CDRRow
from modules.commands.reservations import Reservation
from modules.locations.parts import Place
from modules.sessions.store import SessionRow
from modules.stations.errandrunner import ErrandRunner
from modules.stations.reports.applying import Station, take_reports
from modules.stations.reports.charging import GRACE
from modules.stations.reports.desk import Outcome
from ocpi.app import create_app
from ocpi.catalogue import SOURCES
from ocpi.client import Client
from ocpi.context import Context
from ocpi.crew import Duty, on_duty
from ocpi.database import Database
from ocpi.errands import Errand
from ocpi.gateway import Demand, Gateway, Wish
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.push.worker import Worker
from ocpi.spec.document import decode
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP
from ocpi.testing.emsp import Party as MockParty
from ocpi.testing.emsp import create_app as create_emsp
from ocpi.testing.mock.errands import Command
from tests.credentials.network import Network
from tests.house import ADMIN_TOKEN, OURS, OWNER, TOKEN_A, calling, open_service

Document = dict[str, Any]
Row = TypeVar("Row", bound=SQLModel)
Answer = Document | None | Exception | Callable[[Demand], Awaitable[Any]]

EMSP = Party("FR", "NEW")
STATION = Station(OURS, "LOC-1")
CAPABLE = (
    "REMOTE_START_STOP_CAPABLE",
    "RESERVABLE",
    "UNLOCK_CAPABLE",
    "CHARGING_PROFILE_CAPABLE",
    "CHARGING_PREFERENCES_CAPABLE",
)
ACCEPTED: Document = {"result": "ACCEPTED"}
PROFILE: Document = {
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 3700}],
}


class Puppet:
    """A gateway that keeps what it is asked, and answers what a test wishes."""

    def __init__(self, answer: Answer = ACCEPTED) -> None:
        self.answer = answer
        self.by_wish: dict[Wish, Answer] = {}
        self.demands: list[Demand] = []

    async def ask(self, demand: Demand) -> Any:
        self.demands.append(demand)
        answer = self.by_wish.get(demand.wish, self.answer)
        if isinstance(answer, Exception):
            raise answer
        return await answer(demand) if callable(answer) else answer

    def supports(self, wish: Wish) -> bool:
        del wish
        return True

    async def close(self) -> None:
        """Nothing is open."""

    def asked(self, wish: Wish) -> list[Demand]:
        return [demand for demand in self.demands if demand.wish == wish]


async def hang(_demand: Demand) -> None:
    await asyncio.sleep(3600)


@dataclass(frozen=True)
class Yard:
    """Our service, NL*TNM, and the eMSP, FR*NEW."""

    context: Context
    emsp: MockEMSP
    network: Network
    admin: httpx.AsyncClient
    token: Document = field(
        default_factory=lambda: samples.token(country_code="FR", party_id="NEW", type="APP_USER")
    )

    @property
    def database(self) -> Database:
        return self.context.database

    async def start(self, **over: Any) -> Command:
        place = {"location_id": "LOC-1", "evse_uid": "EVSE-1", "connector_id": "1"}
        return await self.emsp.command("START_SESSION", {"token": self.token, **place, **over})

    async def reserve(self, seconds: float = 600, **over: Any) -> Command:
        until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        asked = {"reservation_id": "Res-1", "location_id": "LOC-1", "evse_uid": "EVSE-1"}
        body = {"token": self.token, "expiry_date": until, **asked, **over}
        return await self.emsp.command("RESERVE_NOW", body)

    async def cancel(self) -> Command:
        return await self.emsp.command("CANCEL_RESERVATION", {"reservation_id": "res-1"})

    async def result(self, command: Any) -> str:
        """The word of a result, once it has come."""
        return str((await self.emsp.result_of(command))["result"])

    async def report(self, *reports: Document) -> Sequence[Outcome]:
        return await take_reports(self.context, STATION, reports)

    async def rows(self, model: type[Row]) -> Sequence[Row]:
        async with self.database.read() as db:
            return (await db.exec(select(model))).all()

    async def errands(self) -> Sequence[Errand]:
        async with self.database.read() as db:
            return (await db.exec(select(Errand).order_by(col(Errand.created_at)))).all()

    async def reservation(self) -> Reservation:
        [reservation] = await self.rows(Reservation)
        return reservation

    async def sessions(self) -> list[Document]:
        return [decode(row.body) for row in await self.rows(SessionRow)]

    async def session(self) -> Document:
        [session] = await self.sessions()
        return session

    async def cdrs(self) -> list[Document]:
        return [decode(row.body) for row in await self.rows(CDRRow)]

    async def fate(self, wanted: str) -> None:
        """Wait until this has become of the only reservation."""

        async def is_so() -> bool:
            return (await self.reservation()).fate == wanted

        await until(is_so)

    async def pass_grace(self) -> None:
        """Let the time in which a start from before may be reported be over."""
        moments = {name: getattr(Reservation, name) - GRACE for name in ("held_at", "expires_at")}
        async with self.database.write() as db:
            await db.exec(update(Reservation).values(moments))

    async def status(self, wanted: str) -> Document:
        """Wait until the only Session has this status; gives it."""

        async def is_so() -> bool:
            return [each["status"] for each in await self.sessions()] == [wanted]

        await until(is_so)
        return await self.session()


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await check():
                return
            await asyncio.sleep(0.02)


async def build(database: Database, location: Document | None = None) -> None:
    """Build a Location with three EVSEs that can do everything, and its Tariffs."""
    connectors = [samples.connector(1, tariff_ids=["TARIFF-1", "CHEAP"])]
    evses = [
        samples.evse(number, capabilities=list(CAPABLE), connectors=connectors)
        for number in (1, 2, 3)
    ]
    built = location or samples.location(**OWNER, evses=evses)
    cheap = [{"price_components": [{"type": "ENERGY", "price": 0.1, "step_size": 1}]}]
    async with database.write() as db:
        await modules.tariffs.own.put_own(db, OURS, "TARIFF-1", samples.tariff(**OWNER))
        tariff = samples.tariff(**OWNER, id="CHEAP", type="PROFILE_CHEAP", elements=cheap)
        await modules.tariffs.own.put_own(db, OURS, "CHEAP", tariff)
        await modules.locations.own.put_own(db, OURS, Place("LOC-1"), built)


@asynccontextmanager
async def open_yard(
    database_url: str,
    gateway: Gateway,
    *,
    running: bool = True,
    pushing: bool = False,
    database: Database | None = None,
    **over: Any,
) -> AsyncIterator[Yard]:
    """Open it; `running` runs errands, `pushing` has the eMSP told of Sessions and CDRs too."""
    async with open_service(database_url, allow_private_networks=True, **over) as service:
        network = Network()
        client = Client(allow_private=True, transport=network)
        context = replace(
            service.context,
            client=client,
            gateway=gateway,
            database=database or service.context.database,
        )
        await build(context.database)
        app = create_app(context, worker=False)
        network.hosts["cpo.example"] = httpx.ASGITransport(app)
        emsp = MockEMSP(
            (MockParty(EMSP.country_code, EMSP.party_id),),
            base_url="http://emsp.test",
            transport=network,
        )
        network.hosts["emsp.test"] = httpx.ASGITransport(create_emsp(emsp))
        await emsp.register(context.versions_url(PlatformID.CPO), TOKEN_A)
        duties: list[Duty] = [ErrandRunner(context, poll=0.05, last=1)] if running else []
        if pushing:
            duties.append(Worker(context, SOURCES))
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        try:
            async with calling(app, bearer) as admin, on_duty(duties):
                yield Yard(context, emsp, network, admin)
        finally:
            await gateway.close()
            if database is not None:
                await database.close()


@asynccontextmanager
async def running(context: Context, **options: Any) -> AsyncIterator[ErrandRunner]:
    """Run errands, as a process of its own would, while the context is open."""
    runner = ErrandRunner(context, **{"poll": 0.05, "last": 1, **options})
    async with on_duty([runner]):
        yield runner
