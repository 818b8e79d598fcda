"""Whatever the database fails at, first, second or last: nothing is half done, nothing is lost.

The n-th thing that is asked of it fails, for each n until there are no more: statements, commits,
and the news of a commit that was made all the same. The request is then sent again, as partners do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import httpx
import pytest
from sqlmodel import col, func, select

from ocpi.headers import routing_headers
from ocpi.push.feed import SyncObject
from ocpi.testing import samples
from tests.cutting import Cuts
from tests.house import (
    CPO,
    HUB,
    OCPI,
    OWNER,
    RECEIVER,
    RECEIVING,
    Document,
    Service,
    open_service,
)

CPO_OWNER = {"country_code": "DE", "party_id": "CPO"}
MSP_OWNER = {"country_code": "DE", "party_id": "MSP"}
TO_HUB = routing_headers(HUB, CPO)


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Cuts:
    return Cuts(monkeypatch)


@pytest.fixture
async def service(database_url: str, cuts: Cuts) -> AsyncIterator[Service]:
    async with open_service(
        database_url, offers=RECEIVING, hub_country_code="NL", hub_party_id="HUB"
    ) as opened:
        cuts.watch(opened.database)
        yield opened


@dataclass(frozen=True)
class Wish:
    """A request of which each number is about an object of its own."""

    name: str
    module: str
    method: str
    client: Callable[[Service], httpx.AsyncClient]
    path: str
    body: Callable[[str], Document]
    headers: Mapping[str, str]
    before: str = ""
    """What makes the object that is changed, by its name."""

    async def send(self, service: Service, name: str) -> httpx.Response:
        return await self.client(service).request(
            self.method, self.path.format(name), json=self.body(name), headers=dict(self.headers)
        )


def _admin(service: Service) -> httpx.AsyncClient:
    return service.admin


def _partner(service: Service) -> httpx.AsyncClient:
    return service.partner


def _cpo(service: Service) -> httpx.AsyncClient:
    return service.cpo


def _location(owner: Mapping[str, str]) -> Callable[[str], Document]:
    def make(name: str) -> Document:
        found = samples.location(**owner, id=name)
        return {**found, "evses": [{**found["evses"][0], "uid": name}]}

    return make


def _session(name: str) -> Document:
    session = samples.session(**OWNER, id=name)
    del session["last_updated"]
    return session


def _status(_name: str) -> Document:
    return {"status": "CHARGING", "last_updated": "2027-01-01T00:00:00Z"}


def _token(name: str) -> Document:
    return {**samples.token(), **MSP_OWNER, "uid": name}


WISHES = [
    Wish(
        "put location", "locations", "PUT", _admin, "/admin/locations/NL/TNM/{0}",
        _location(OWNER), {},
    ),
    Wish(
        "patch evse", "locations", "PATCH", _admin, "/admin/locations/NL/TNM/{0}/{0}",
        lambda _name: {"status": "CHARGING"}, {}, before="put location",
    ),
    Wish("put session", "sessions", "PUT", _admin, "/admin/sessions/NL/TNM/{0}", _session, {}),
    Wish(
        "post cdr", "cdrs", "POST", _admin, "/admin/cdrs",
        lambda name: samples.cdr(**OWNER, id=name, session_id=name), {},
    ),
    Wish(
        "put tariff", "tariffs", "PUT", _admin, "/admin/tariffs/NL/TNM/{0}",
        lambda name: samples.tariff(**OWNER, id=name), {},
    ),
    Wish(
        "put token", "tokens", "PUT", _partner, f"{OCPI}/receiver/tokens/DE/MSP/{{0}}", _token, {}
    ),
    Wish(
        "broadcast location", "locations", "PUT", _cpo, f"{RECEIVER}/locations/DE/CPO/{{0}}",
        _location(CPO_OWNER), TO_HUB,
    ),
    Wish(
        "broadcast status", "locations", "PATCH", _cpo, f"{RECEIVER}/locations/DE/CPO/{{0}}/{{0}}",
        _status, TO_HUB, before="broadcast location",
    ),
    Wish(
        "broadcast tariff", "tariffs", "PUT", _cpo, f"{RECEIVER}/tariffs/DE/CPO/{{0}}",
        lambda name: samples.tariff(**CPO_OWNER, id=name), TO_HUB,
    ),
]  # fmt: skip
BY_NAME = {wish.name: wish for wish in WISHES}


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
async def test_a_request_that_fails_anywhere_is_done_once_when_it_comes_again(
    service: Service, cuts: Cuts, wish: Wish
) -> None:
    for number in cuts.numbers():
        name = f"X{number}"
        if wish.before:
            assert (await BY_NAME[wish.before].send(service, name)).is_success
        cuts.arm(number)
        answer = await wish.send(service, name)
        at = cuts.disarm()
        if answer.is_success:
            # What was not asked for must not be taken for done, nor what was done be lost.
            assert not at or "commit" not in at
        else:
            assert answer.status_code == 503, (at, answer.text)
            assert answer.headers["retry-after"] == "5", at
            again = await wish.send(service, name)
            assert again.is_success, (at, again.text)
        assert await told(service, wish, name) == 1, at


async def told(service: Service, wish: Wish, name: str) -> int:
    """How many objects of that name partners are to be told of; Tokens of others they are not."""
    if wish.module == "tokens":
        found = await service.admin.get("/admin/tokens", params={"uid": name})
        return sum(token["uid"] == name for token in found.json())
    async with service.database.read() as db:
        named = col(SyncObject.key).like(f"{wish.module}/%*{name.lower()}")
        part = col(SyncObject.key).like(f"{wish.module}/%*{name.lower()}/%")
        wanted = part if wish.method == "PATCH" else named
        return (await db.exec(select(func.count()).where(wanted))).one()
