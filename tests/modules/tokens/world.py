"""Our service, and eMSPs in its network that issue Tokens."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
from sqlmodel import col, select

from modules.tokens.authorizations import Authorization
from modules.tokens.authorizing import authorize
from modules.tokens.deciding import Decision
from modules.tokens.questions import Question
from modules.tokens.store import tokens
from modules.tokens.syncs import TokenSync
from ocpi.app import create_app
from ocpi.client import Client
from ocpi.context import Context
from ocpi.database import clock
from ocpi.errands import Errand, token_key
from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole
from ocpi.spec.document import encode
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP
from ocpi.testing.emsp import Party as MockParty
from ocpi.testing.emsp import create_app as create_emsp
from ocpi.testing.mock.state import Peer, Standing
from tests.credentials.network import Network
from tests.house import ADMIN_TOKEN, OURS, add_partner, calling, open_service

ABC = Party("DE", "ABC")
UID = "04A1B2C3D4E5F6"
PRESENTED = "what-we-present-to-the-emsp"

Document = dict[str, Any]


def token(party: Party = ABC, **over: Any) -> Document:
    owner = {"country_code": party.country_code, "party_id": party.party_id}
    return samples.token(**{**owner, **over})


@dataclass(frozen=True)
class World:
    """Our service, NL*TNM, and what is around it."""

    context: Context
    admin: httpx.AsyncClient
    network: Network

    async def add_emsp(
        self,
        name: str = "acme",
        parties: Sequence[Party] = (ABC,),
        *,
        sender: bool = True,
        **options: Any,
    ) -> MockEMSP:
        """Add a confirmed partner, which is at home at http://NAME.test."""
        emsp = MockEMSP(
            [MockParty(*_codes(party)) for party in parties], base_url=f"http://{name}.test"
        )
        us = samples.credentials_role(country_code="NL", party_id="TNM")
        emsp.peer = Peer("token-of-theirs", "https://cpo.example/versions", [us], [])
        emsp.tokens_in = {PRESENTED: Standing.CURRENT}
        self.network.hosts[f"{name}.test"] = httpx.ASGITransport(create_emsp(emsp))
        partner_id = await add_partner(self.context.database, name, f"in-{name}", parties[0])
        async with self.context.database.write() as db:
            partner = await db.get_one(Partner, partner_id)
            partner.token_out = self.context.seal.close(PRESENTED)
            partner.options = options
            if sender:
                url = emsp.url("sender", "tokens")
                row = PartnerEndpoint(
                    partner_id=partner_id, identifier="tokens", role="SENDER", url=url
                )
                db.add(row)
            for party in parties[1:]:
                db.add(_role(partner_id, party))
        return emsp

    def serve(self, name: str, answer: Any) -> list[httpx.Request]:
        """Have a partner's host answer with this envelope's data, or bytes; gives what it is asked.

        A function is called with each request instead.
        """
        asked: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            if callable(answer):
                response: httpx.Response = answer(request)
                return response
            if isinstance(answer, bytes):
                return httpx.Response(200, content=answer)
            return httpx.Response(200, content=encode({"status_code": 1000, "data": answer}))

        self.network.hosts[f"{name}.test"] = httpx.MockTransport(handle)
        return asked

    async def store(self, *documents: Document) -> None:
        async with self.context.database.write() as db:
            for each in documents:
                owner = Party(each["country_code"], each["party_id"])
                await tokens.put(db, owner, tokens.identify(each), each)

    async def ask(self, uid: str = UID, *args: Any) -> Decision:
        return await authorize(self.context, OURS, Question(uid, *args))

    async def command(self, document: Document, *, minutes: float = 1, **over: Any) -> None:
        """Store a command of the partner whose the token is, of so many minutes ago."""
        async with self.context.database.write() as db:
            owner = Party(document["country_code"], document["party_id"])
            found = await db.exec(
                select(PartnerRole.partner_id).where(PartnerRole.party == owner.key)
            )
            now = await clock(db)
            given = {
                "id": str(uuid4()),
                "wish": "START_SESSION",
                "partner_id": found.one(),
                "owner_country_code": "NL",
                "owner_party_id": "TNM",
                "asker_country_code": owner.country_code,
                "asker_party_id": owner.party_id,
                "location_id": "LOC-1",
                "token_key": token_key(document["uid"], document["type"]),
                "request": encode({"token": document, "authorization_reference": "BY-COMMAND"}),
                "response_url": "https://emsp.example/1",
                "correlation_id": "1",
                "created_at": now - int(minutes * 60_000_000),
                "deadline": now,
            }
            db.add(Errand(**{**given, **over}))

    async def authorizations(self) -> Sequence[Authorization]:
        async with self.context.database.read() as db:
            return (await db.exec(select(Authorization).order_by(col(Authorization.id)))).all()

    async def sync(self, name: str = "acme") -> TokenSync | None:
        async with self.context.database.read() as db:
            query = select(TokenSync).join(Partner, col(Partner.id) == TokenSync.partner_id)
            return (await db.exec(query.where(Partner.name == name))).one_or_none()


def _codes(party: Party) -> tuple[str, str]:
    return party.country_code, party.party_id


def _role(partner_id: int, party: Party) -> PartnerRole:
    return PartnerRole(
        partner_id=partner_id,
        platform="cpo",
        role="EMSP",
        party=party.key,
        country_code=party.country_code,
        party_id=party.party_id,
    )


@asynccontextmanager
async def open_world(database_url: str, **over: Any) -> AsyncIterator[World]:
    async with open_service(database_url, **over) as service:
        network = Network()
        client = Client(allow_private=True, transport=network)
        context = replace(service.context, client=client)
        app = create_app(context, worker=False)
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with calling(app, bearer) as admin:
            yield World(context, admin, network)


def presented(request: httpx.Request) -> str:
    """Give the token that a request presents."""
    return base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode()
