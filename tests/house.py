"""The whole service on a fresh database, with one party of ours and one registered partner."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import event
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.types import ASGIApp

from ocpi.app import create_app
from ocpi.catalogue import OFFERS, Offers, mounted
from ocpi.client import Client
from ocpi.context import Context, Interface
from ocpi.database import Database, clock
from ocpi.headers import Party
from ocpi.journal.notes import Notes
from ocpi.parties import ROLES, IssuedToken, OurParty, Partner, PartnerRole, PlatformID, State
from ocpi.push.feed import FeedHead
from ocpi.sealing import Seal, hash_token
from ocpi.settings import Settings
from ocpi.spec.document import decode
from tests.schema import create_schema

OURS = Party("NL", "TNM")
THEIRS = Party("DE", "MSP")
OWNER = {"country_code": "NL", "party_id": "TNM"}
BASE = "https://cpo.example"
OCPI = "/ocpi/cpo/2.2.1"
SENDER = f"{OCPI}/sender"
TOKEN = "partner-token_0123456789"
HUB = Party("NL", "HUB")
CPO = Party("DE", "CPO")
CPO_TOKEN = "cpo-token_0123456789"
RECEIVER = "/ocpi/hub/2.2.1/receiver"
# What a service offers whose platform "hub" takes what CPOs push, for `open_service`.
RECEIVING: Offers = {
    **OFFERS,
    PlatformID.HUB: [
        Interface(module, "RECEIVER") for module in ("locations", "tariffs", "sessions", "cdrs")
    ],
}
TOKEN_A = "registration-token_0123456789"
ADMIN_TOKEN = "admin-token-of-the-tests"

Document = dict[str, Any]


def present(token: str) -> dict[str, str]:
    """Give the Authorization header that presents a token as OCPI has it."""
    return {"Authorization": f"Token {base64.b64encode(token.encode()).decode()}"}


@dataclass(frozen=True)
class Service:
    """Our service as its callers see it, and what is behind it."""

    context: Context
    app: ASGIApp
    partner: httpx.AsyncClient
    """Presents the token of a confirmed partner, DE*MSP."""
    admin: httpx.AsyncClient
    stranger: httpx.AsyncClient
    """Presents nothing."""
    cpo: httpx.AsyncClient
    """Presents the token of a confirmed partner of the platform hub, DE*CPO, see `RECEIVING`."""

    @property
    def database(self) -> Database:
        return self.context.database


def settings_of(database_url: str, **over: Any) -> Settings:
    wanted = {
        "base_url": BASE,
        "database_url": database_url,
        "secret_key": SecretStr("k" * 32),
        "admin_token": SecretStr(ADMIN_TOKEN),
    }
    return Settings(**{**wanted, **over})


def context_of(settings: Settings, notes: Notes | None = None) -> Context:
    return Context(
        settings=settings,
        database=Database(settings.database_url),
        seal=Seal(settings.secret()),
        client=Client(allow_private=True, notes=notes),
        notes=notes,
    )


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Database]:
    """Give a database with the schema and nothing in it."""
    database = Database(url)
    try:
        await create_schema(database)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_service(
    database_url: str,
    *,
    parties: Sequence[Party] = (OURS,),
    offers: Offers = OFFERS,
    worker: bool = False,
    **over: Any,
) -> AsyncIterator[Service]:
    """Give the whole service, with the platform hub if it is offered.

    With `worker` partners are told what changes, and the message log is kept.
    """
    notes = Notes() if worker else None
    context = mounted(context_of(settings_of(database_url, **over), notes), offers)
    try:
        await create_schema(context.database)
        for party in parties:
            await add_party(context.database, party)
        await add_partner(context.database, "Example eMSP", TOKEN)
        await add_partner(
            context.database,
            "Newcomer",
            TOKEN_A,
            Party("FR", "NEW"),
            state=State.OFFERED,
            registration=True,
        )
        if PlatformID.HUB in offers:
            await add_party(context.database, HUB, PlatformID.HUB)
            await add_partner(
                context.database, "Example CPO", CPO_TOKEN, CPO, role="CPO", platform=PlatformID.HUB
            )
        app = create_app(context, worker=worker, offers=offers)
        async with (
            calling(app, present(TOKEN)) as partner,
            calling(app, {"Authorization": f"Bearer {ADMIN_TOKEN}"}) as admin,
            calling(app, {}) as stranger,
            calling(app, present(CPO_TOKEN)) as cpo,
        ):
            yield Service(context, app, partner, admin, stranger, cpo)
    finally:
        await context.close()


def calling(app: ASGIApp, headers: Mapping[str, str]) -> httpx.AsyncClient:
    """Give a client of the service; what would crash the server comes back as its answer."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=BASE, headers=dict(headers))


async def add_party(database: Database, party: Party, platform: str = PlatformID.CPO) -> None:
    async with database.write() as db:
        db.add(
            OurParty(
                platform=str(platform),
                role=ROLES[PlatformID(platform)],
                party=party.key,
                country_code=party.country_code,
                party_id=party.party_id,
                business_details={"name": str(party)},
            )
        )


async def add_partner(
    database: Database,
    name: str,
    token: str,
    party: Party = THEIRS,
    *,
    role: str = "EMSP",
    platform: PlatformID = PlatformID.CPO,
    state: State = State.CONFIRMED,
    registration: bool = False,
) -> int:
    """Add a partner with one role and one token; gives its id."""
    async with database.write() as db:
        now = await clock(db)
        partner = Partner(name=name, platform=platform.value, state=state, created_at=now)
        db.add(partner)
        await db.flush()
        db.add(
            PartnerRole(
                partner_id=partner.key,
                platform=platform.value,
                role=role,
                party=party.key,
                country_code=party.country_code,
                party_id=party.party_id,
                business_details={"name": name},
            )
        )
        db.add(
            IssuedToken(
                hash=hash_token(token),
                partner_id=partner.key,
                registration=registration,
                created_at=now,
                used_at=None if registration else now,
            )
        )
    return partner.key


def envelope_of(answer: httpx.Response) -> Document:
    """Read the envelope, which every answer wears, strictly (EN-01, EN-02)."""
    assert answer.headers["content-type"] == "application/json", answer.text
    document = decode(answer.content)
    assert set(document) <= {"data", "status_code", "status_message", "timestamp"}
    assert isinstance(document["status_code"], int)
    assert 1000 <= document["status_code"] <= 4999
    assert document["timestamp"].endswith("Z")
    assert len(document["timestamp"]) <= 25
    return dict(document)


def codes_of(answer: httpx.Response) -> tuple[int, int]:
    """Give HTTP status and OCPI status of an answer."""
    return answer.status_code, envelope_of(answer)["status_code"]


def data_of(answer: httpx.Response) -> Any:
    """Give what a successful answer brings."""
    assert codes_of(answer) == (200, 1000), answer.text
    return envelope_of(answer)["data"]


async def head(db: AsyncSession, stream: str) -> int:
    """Give the number of the newest committed change of a stream."""
    found = await db.exec(select(col(FeedHead.seq)).where(col(FeedHead.stream) == stream))
    return found.one()


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Give the statements that the database is asked meanwhile, BEGIN and the like left out."""
    told: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", note)
