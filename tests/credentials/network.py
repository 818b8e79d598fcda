"""A network in memory: our service and its partners, each under a host name of its own."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI, Request
from pydantic import SecretStr
from sqlmodel import select
from starlette.responses import Response

from credentials.endpoints import credentials_router
from credentials.parties import add_party
from credentials.versions import versions_router
from ocpi.calling import Endpoints
from ocpi.client import Client
from ocpi.context import Context, Interface
from ocpi.database import Database
from ocpi.envelope import failure, ok, unexpected
from ocpi.errors import OCPIError
from ocpi.headers import Party
from ocpi.parties import IssuedToken, Partner, PlatformID
from ocpi.route import Front
from ocpi.sealing import Seal
from ocpi.settings import Settings
from tests.schema import create_schema

SECRET = "a-secret-key-for-tests-of-enough-characters"
TOKEN_B = "token-b"
EMSP = ("EMSP", Party("DE", "MSP"))


class Network(httpx.AsyncBaseTransport):
    """Carries each request to the host that it is for; nobody is at home anywhere else."""

    def __init__(self) -> None:
        self.hosts: dict[str, httpx.AsyncBaseTransport] = {}
        self.requests: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url}")
        host = self.hosts.get(request.url.host)
        if host is None:
            raise httpx.ConnectError("nobody listens", request=request)
        return await host.handle_async_request(request)


@dataclass
class House:
    """Our service at one host of the network."""

    context: Context
    network: Network

    async def request(
        self, method: str, path: str, token: str | None, body: Any = None
    ) -> httpx.Response:
        """Ask as a partner would, below `/ocpi/cpo`."""
        headers = {} if token is None else {"Authorization": authorization(token)}
        async with httpx.AsyncClient(transport=self.network) as client:
            url = f"{self.context.platform_url('cpo')}{path}"
            return await client.request(method, url, headers=headers, json=body)

    async def credentials(self, method: str, token: str | None, body: Any = None) -> httpx.Response:
        return await self.request(method, "/2.2.1/credentials", token, body)

    async def tokens(self) -> list[IssuedToken]:
        async with self.context.database.read() as db:
            found = await db.exec(select(IssuedToken))
            return list(found.all())

    async def token_out(self) -> str:
        """Give the token that our only partner gave us."""
        async with self.context.database.read() as db:
            partner = (await db.exec(select(Partner))).one()
        assert partner.token_out is not None
        return self.context.seal.open(partner.token_out)


def authorization(token: str) -> str:
    return f"Token {base64.b64encode(token.encode()).decode()}"


@asynccontextmanager
async def open_house(
    database_url: str, network: Network, host: str = "cpo.test", party: str = "CPO"
) -> AsyncIterator[House]:
    """Our service with an empty database and one CPO party, in a lab's settings."""
    settings = Settings(
        base_url=f"http://{host}",
        database_url=database_url,
        secret_key=SecretStr(SECRET),
        allow_private_networks=True,
    )
    context = Context(
        settings=settings,
        database=Database(database_url),
        seal=Seal(SECRET),
        client=Client(allow_private=True, transport=network),
        interfaces={"cpo": [Interface("locations", "SENDER"), Interface("tokens", "RECEIVER")]},
    )
    await create_schema(context.database)
    await add_party(context, PlatformID.CPO, Party("NL", party), "Example Charging")
    network.hosts[host] = httpx.ASGITransport(Front(context, _api(), Endpoints({})))
    try:
        yield House(context, network)
    finally:
        await context.close()


def _api() -> FastAPI:
    api = FastAPI(redirect_slashes=False)
    api.include_router(versions_router("cpo"), prefix="/ocpi/cpo")
    api.include_router(credentials_router("cpo"), prefix="/ocpi/cpo")

    @api.get("/ocpi/cpo/2.2.1/sender/locations")
    async def locations() -> Response:
        return ok("[]")

    @api.exception_handler(OCPIError)
    async def known(_request: Request, error: OCPIError) -> Response:
        return failure(error)

    @api.exception_handler(Exception)
    async def crashed(_request: Request, error: Exception) -> Response:
        return unexpected(error)

    return api


def envelope(
    data: Any = None, status_code: int = 1000, message: str | None = None
) -> httpx.Response:
    document = {"status_code": status_code, "timestamp": "2026-01-01T12:00:00Z"}
    document |= {} if data is None else {"data": data}
    document |= {} if message is None else {"status_message": message}
    return httpx.Response(200, json=document)


@dataclass
class Puppet(httpx.AsyncBaseTransport):
    """A partner at emsp.test that answers as it should, but where a test puts another answer.

    `answers` is by method and path, such as `GET /versions`.
    """

    answers: dict[str, httpx.Response | Exception] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """What it was asked, and with which token."""
    bodies: list[Any] = field(default_factory=list)
    correlation_ids: list[str] = field(default_factory=list)
    before: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What happens before such a request is answered."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = f"{request.method} {request.url.path}"
        token = base64.b64decode(request.headers["authorization"].split()[1]).decode()
        self.seen.append((asked, token))
        self.correlation_ids.append(request.headers["x-correlation-id"])
        if request.content:
            self.bodies.append(json.loads(request.content))
        if asked in self.before:
            await self.before[asked]()
        answer = self.answers.get(asked) or self._proper(asked)
        if isinstance(answer, Exception):
            raise answer
        # A response can be read once, so that a prepared one is made anew each time.
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=answer.content, request=request
        )

    def _proper(self, asked: str) -> httpx.Response:
        base = "http://emsp.test"
        match asked:
            case "GET /versions":
                return envelope([{"version": "2.2.1", "url": f"{base}/2.2.1"}])
            case "GET /2.2.1":
                return envelope({"version": "2.2.1", "endpoints": ENDPOINTS})
            case "POST /credentials" | "PUT /credentials":
                return envelope(credentials("theirs"))
            case "DELETE /credentials":
                return envelope()
        return httpx.Response(404)


ENDPOINTS = [
    {"identifier": "credentials", "role": "RECEIVER", "url": "http://emsp.test/credentials"},
    {"identifier": "locations", "role": "RECEIVER", "url": "http://emsp.test/locations"},
]


def credentials(
    token: str = TOKEN_B,
    url: str = "http://emsp.test/versions",
    roles: tuple[tuple[str, Party], ...] = (EMSP,),
) -> dict[str, Any]:
    """A partner's Credentials object."""
    return {
        "token": token,
        "url": url,
        "roles": [
            {
                "role": role,
                "business_details": {"name": "Example Mobility"},
                "party_id": party.party_id,
                "country_code": party.country_code,
            }
            for role, party in roles
        ],
    }
