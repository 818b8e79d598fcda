"""Our service, and partners in its network whose lists it pulls."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from sqlmodel import col, select

from modules.tokens.store import tokens
from ocpi.app import create_app
from ocpi.catalogue import PULLABLES
from ocpi.client import Client
from ocpi.context import Context
from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID
from ocpi.pull.asking import Pulled
from ocpi.pull.pulling import sync_partner
from ocpi.pull.syncs import PartnerSync
from ocpi.spec.document import encode
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP
from ocpi.testing.emsp import Party as MockParty
from ocpi.testing.emsp import create_app as create_emsp
from ocpi.testing.mock.state import Peer, Standing
from tests.credentials.network import Network
from tests.house import ADMIN_TOKEN, add_partner, calling, open_service

ABC = Party("DE", "ABC")
PRESENTED = "what-we-present-to-the-emsp"

Document = dict[str, Any]


def owned(party: Party) -> Document:
    return {"country_code": party.country_code, "party_id": party.party_id}


def token(party: Party = ABC, **over: Any) -> Document:
    return samples.token(**{**owned(party), **over})


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
        """Add a confirmed partner of our CPO, which is at home at http://NAME.test."""
        codes = [MockParty(party.country_code, party.party_id) for party in parties]
        emsp = MockEMSP(codes, base_url=f"http://{name}.test")
        us = samples.credentials_role(country_code="NL", party_id="TNM")
        emsp.peer = Peer("token-of-theirs", "https://cpo.example/versions", [us], [])
        emsp.tokens_in = {PRESENTED: Standing.CURRENT}
        self.network.hosts[f"{name}.test"] = httpx.ASGITransport(create_emsp(emsp))
        lists = {"tokens": emsp.url("sender", "tokens")} if sender else {}
        await self.connect(name, [("EMSP", party) for party in parties], lists, **options)
        return emsp

    async def connect(
        self,
        name: str,
        roles: Sequence[tuple[str, Party]],
        lists: Mapping[str, str],
        *,
        platform: PlatformID = PlatformID.CPO,
        **options: Any,
    ) -> None:
        """Add a confirmed partner that offers these lists, by module."""
        role, party = roles[0]
        partner_id = await add_partner(
            self.context.database, name, f"in-{name}", party, role=role, platform=platform
        )
        async with self.context.database.write() as db:
            partner = await db.get_one(Partner, partner_id)
            partner.token_out = self.context.seal.close(PRESENTED)
            partner.options = options
            for module, url in lists.items():
                row = {"identifier": module, "role": "SENDER", "url": url}
                db.add(PartnerEndpoint(partner_id=partner_id, **row))
            for role, party in roles[1:]:
                db.add(
                    PartnerRole(
                        partner_id=partner_id,
                        platform=platform.value,
                        role=role,
                        party=party.key,
                        **owned(party),
                    )
                )

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
        """Store Tokens as if they had been pushed."""
        async with self.context.database.write() as db:
            for each in documents:
                owner = Party(each["country_code"], each["party_id"])
                await tokens.put(db, owner, tokens.identify(each), each)

    async def pull(self, name: str = "acme", *, full: bool = False) -> list[Pulled]:
        """Pull every list of a partner."""
        return await sync_partner(self.context, PULLABLES, name, full=full)

    async def sync(self, name: str = "acme", module: str = "tokens") -> PartnerSync | None:
        async with self.context.database.read() as db:
            query = (
                select(PartnerSync)
                .join(Partner, col(Partner.id) == PartnerSync.partner_id)
                .where(Partner.name == name, PartnerSync.module == module)
            )
            return (await db.exec(query)).one_or_none()


@asynccontextmanager
async def open_world(database_url: str, **over: Any) -> AsyncIterator[World]:
    network = Network()
    async with open_service(database_url, **over) as service:
        context = replace(service.context, client=Client(allow_private=True, transport=network))
        app = create_app(context, worker=False)
        async with calling(app, {"Authorization": f"Bearer {ADMIN_TOKEN}"}) as admin:
            yield World(context, admin, network)


def presented(request: httpx.Request) -> str:
    """Give the token that a request presents."""
    return base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode()
