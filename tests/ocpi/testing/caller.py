"""A conformant CPO's way of asking the mock, from which single tests depart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, create_app
from ocpi.testing.mock.state import Peer, Standing, State
from ocpi.testing.mock.wire import authorization, message_ids

CPO = Party("DE", "CPO", "Lindenhof Charging", "CPO")
TOKEN = "token-c-of-the-tests"


@dataclass
class Caller:
    mock: MockEMSP
    http: httpx.AsyncClient
    token: str = TOKEN

    def headers(self) -> dict[str, str]:
        return {"authorization": authorization(self.token), **message_ids()}

    async def ask(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        content: str | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> httpx.Response:
        """Ask below `/ocpi/2.2.1/`; a header that is None is left out."""
        wanted: dict[str, str | None] = {**self.headers(), **(headers or {})}
        if content is not None:
            wanted = {"content-type": "application/json", **wanted}
        return await self.http.request(
            method,
            f"/ocpi/2.2.1/{path}",
            json=document,
            content=content,
            headers={name: value for name, value in wanted.items() if value is not None},
        )

    async def put(self, path: str, document: Any) -> httpx.Response:
        return await self.ask("PUT", f"receiver/{path}", document)

    async def patch(self, path: str, document: Any) -> httpx.Response:
        return await self.ask("PATCH", f"receiver/{path}", document)

    async def read(self, path: str) -> Any:
        """The data at a receiver's path, which has to be there."""
        response = await self.ask("GET", f"receiver/{path}")
        assert (response.status_code, response.json()["status_code"]) == (200, 1000)
        return response.json()["data"]


def codes(response: httpx.Response) -> tuple[int, int]:
    """HTTP's and OCPI's status code."""
    return response.status_code, response.json()["status_code"]


def introduce(mock: MockEMSP, roles: list[dict[str, Any]] | None = None) -> None:
    """Make the mock believe that a CPO has registered."""
    peer_roles = roles or [samples.credentials_role()]
    mock.peer = Peer("token-b", "https://cpo.example/versions", peer_roles, [])
    mock.tokens_in = {TOKEN: Standing.CURRENT}


def connect(mock: State) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(mock))
    return httpx.AsyncClient(transport=transport, base_url=mock.base_url)


def two_platforms() -> tuple[MockEMSP, MockEMSP]:
    """An eMSP and a CPO that reach each other in-process."""
    emsp = MockEMSP()
    cpo = MockEMSP((CPO,), base_url="http://cpo.test")
    emsp.transport = httpx.ASGITransport(create_app(cpo))
    cpo.transport = httpx.ASGITransport(create_app(emsp))
    return emsp, cpo
