"""Two services of ours: a hub that sends commands, and a CPO whose stations they are for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlmodel import select

from ocpi.app import create_app
from ocpi.catalogue import OFFERS, Offers
from ocpi.client import Client
from ocpi.context import Interface
from ocpi.database import Database
from ocpi.errands import Errand
from ocpi.headers import routing_headers
from ocpi.parties import Partner, PartnerEndpoint, PlatformID
from ocpi.spec.document import encode
from tests.credentials.network import Network
from tests.house import (
    ADMIN_TOKEN,
    CPO,
    CPO_TOKEN,
    HUB,
    Service,
    add_partner,
    calling,
    open_service,
    present,
)
from tests.modules.commands.floor import Floor, open_floor

HUB_TOKEN = "hub-token_0123456789"
HUB_URL = "https://hub.example"
CPO_URL = "https://cpo.example"
MODULES = ("commands", "chargingprofiles")
SENDING: Offers = {
    **OFFERS,
    PlatformID.HUB: [Interface(module, "SENDER") for module in MODULES],
}


@dataclass(frozen=True)
class Pair:
    """Both services, and those who call the hub."""

    hub: Service
    floor: Floor
    network: Network
    admin: httpx.AsyncClient
    cpo: httpx.AsyncClient
    """Presents the CPO's token to the hub."""

    async def send(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        """Ask the hub's admin API to ask the CPO."""
        return await self.admin.request(
            method,
            f"/admin/partners/Example%20CPO/{path}",
            params=query,
            content=None if body is None else encode(body),
        )

    async def shown(self, uid: str) -> dict[str, Any]:
        answer = await self.admin.get(f"/admin/commands/{uid}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def tell(self, errand: Errand, result: Mapping[str, Any]) -> httpx.Response:
        """Tell the hub what came of an errand, as the CPO would."""
        url = urlsplit(errand.response_url)
        return await self.cpo.post(
            url.path,
            content=encode(result),
            headers=routing_headers(errand.asker, errand.owner),
        )


@asynccontextmanager
async def open_pair(hub_url: str, cpo_url: str, *, offers: Offers = SENDING) -> AsyncIterator[Pair]:
    network = Network()
    async with (
        open_floor(cpo_url, ours=CPO, base_url=CPO_URL) as floor,
        open_service(hub_url, offers=SENDING, base_url=HUB_URL) as opened,
    ):
        client = Client(allow_private=True, transport=network)
        context = replace(opened.context, client=client, interfaces=offers)
        app = create_app(context, worker=False, offers=offers)
        hub = replace(opened, context=context, app=app)
        network.hosts["cpo.example"] = httpx.ASGITransport(floor.service.app)
        await add_partner(floor.database, "The hub", HUB_TOKEN, HUB, role="HUB")
        await meet(floor.database, "The hub", "SENDER", f"{HUB_URL}/ocpi/hub/2.2.1/sender")
        sealed = context.seal.close(HUB_TOKEN)
        await meet(
            hub.database, "Example CPO", "RECEIVER", f"{CPO_URL}/ocpi/cpo/2.2.1/receiver", sealed
        )
        async with (
            calling(app, {"Authorization": f"Bearer {ADMIN_TOKEN}"}) as admin,
            calling(app, present(CPO_TOKEN)) as cpo,
        ):
            yield Pair(hub, floor, network, admin, cpo)
        await client.close()


async def meet(
    database: Database, name: str, role: str, url: str, sealed: str | None = None
) -> None:
    """Store what a handshake would have brought."""
    async with database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == name))).one()
        partner.token_out = sealed
        for module in MODULES:
            db.add(
                PartnerEndpoint(
                    partner_id=partner.key, identifier=module, role=role, url=f"{url}/{module}"
                )
            )
