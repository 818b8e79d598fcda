"""How a case of the corpus is sent to the hub of a town, and what its answer must be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from ocpi.parties import PlatformID
from ocpi.spec import cdrs, locations, sessions, tariffs, tokens
from ocpi.spec.reading import defects
from ocpi.spec.types import OCPIModel
from tests.corpus.fields import OBJECTS, Case, whole
from tests.house import (
    HUB,
    OURS,
    RECEIVING,
    add_partner,
    calling,
    codes_of,
    data_of,
    open_service,
    present,
)
from tests.ocpi.hub.town import CPO1, EMSP1, Town, open_town

# Who sends an object, how, and what is answered when it is taken.
WAYS: dict[str, tuple[str, str, str, tuple[int, int]]] = {
    "location": ("cpo1", "PUT", "receiver/locations/BE/BEC/{id}", (201, 1000)),
    "tariff": ("cpo1", "PUT", "receiver/tariffs/BE/BEC/{id}", (201, 1000)),
    "session": ("cpo1", "PUT", "receiver/sessions/BE/BEC/{id}", (201, 1000)),
    "cdr": ("cpo1", "POST", "receiver/cdrs", (201, 1000)),
    "token": ("emsp1", "PUT", "receiver/tokens/DE/MSP/{id}?type=RFID", (201, 1000)),
    # What it leads to cannot be reached: the credentials were read, and their URL asked.
    "credentials": ("emsp1", "PUT", "credentials", (200, 3001)),
    # No station here can be asked: the command was read and judged.
    "reserve": ("emsp1", "POST", "receiver/commands/RESERVE_NOW", (200, 1000)),
    "start": ("emsp1", "POST", "receiver/commands/START_SESSION", (200, 1000)),
    "stop": ("emsp1", "POST", "receiver/commands/STOP_SESSION", (200, 1000)),
    "unlock": ("emsp1", "POST", "receiver/commands/UNLOCK_CONNECTOR", (200, 1000)),
    "cancel": ("emsp1", "POST", "receiver/commands/CANCEL_RESERVATION", (200, 1000)),
    "profile": ("emsp1", "PUT", "receiver/chargingprofiles/S1", (200, 1000)),
}
REFUSED = {"refused": (200, 2001), "unreadable": (400, 2001), "foreign": (404, 2000)}
STORED: dict[str, type[OCPIModel]] = {
    "location": locations.Location,
    "tariff": tariffs.Tariff,
    "session": sessions.Session,
    "cdr": cdrs.CDR,
    "token": tokens.Token,
}
TAKEN = {"mended", "kept"}


def body_of(case: Case, identifier: str) -> bytes:
    """Give a faultless object with the wrong value in its place, under an id of its own."""
    document = whole(OBJECTS[case["object"]])
    document |= {name: identifier for name in ("id", "uid") if name in document}
    if case["object"] == "token":
        document |= {"country_code": "DE", "party_id": "MSP"}
    if case["object"] == "credentials":
        document["roles"][0] |= {"role": "EMSP", "country_code": "DE", "party_id": "MSP"}
    inner: Any = document
    for step in case["at"][:-1]:
        inner = inner[step]
    last = case["at"][-1]
    if case["json"]:
        inner[last] = "@HERE@"
    else:
        del inner[last]
    return json.dumps(document).replace('"@HERE@"', case["json"]).encode()


@dataclass(frozen=True)
class World:
    """Where objects of a kind are sent."""

    send: Callable[..., Awaitable[httpx.Response]]
    """Takes method, path below the version, and body."""
    stored: Callable[[Collection[str]], Awaitable[dict[str, Any]]]
    """Gives what a partner reads of the objects with these ids, by id."""


@asynccontextmanager
async def open_world(database_url: str, kind: str) -> AsyncIterator[World]:
    """Open a hub that stores what it is sent; it hands Sessions and CDRs on, so a service does."""
    if kind in ("session", "cdr"):
        async with open_service(database_url, offers=RECEIVING) as service:
            token = "token-of-cpo1-0123456789"
            database, hub = service.database, PlatformID.HUB
            await add_partner(database, "cpo1", token, CPO1.party, role="CPO", platform=hub)
            async with calling(service.app, present(token)) as cpo:
                yield _one_by_one(cpo, kind)
        return
    async with open_town(database_url, (CPO1, EMSP1)) as town:
        peer = town.peers[WAYS[kind][0]]
        to = None if kind in STORED else OURS

        async def send(method: str, path: str, body: bytes) -> httpx.Response:
            return await peer.send(method, path, body, to=to)

        async def stored(_: Collection[str]) -> dict[str, Any]:
            return {each.get("id", each.get("uid")): each for each in await list_of(town, kind)}

        yield World(send, stored)


def _one_by_one(cpo: httpx.AsyncClient, kind: str) -> World:
    async def send(method: str, path: str, body: bytes) -> httpx.Response:
        return await cpo.request(method, f"/ocpi/hub/2.2.1/{path}", content=body)

    async def stored(ids: Collection[str]) -> dict[str, Any]:
        at = f"/ocpi/hub/2.2.1/receiver/{kind}s/BE/BEC"
        return {each: data_of(await cpo.get(f"{at}/{each}")) for each in ids}

    return World(send, stored)


async def list_of(town: Town, kind: str) -> list[Any]:
    """Read a list of the hub whole, as its partners do."""
    reader = town.cpo1 if kind == "token" else town.emsp1
    path: str | None = f"sender/{kind}s?date_from=1970-01-01T00:00:00Z"
    found: list[Any] = []
    while path:
        answer = await reader.send("GET", path, to=HUB)
        found += data_of(answer)
        path = answer.links.get("next", {}).get("url")
    return found


async def send_field(world: World, case: Case, identifier: str) -> str | None:
    """Send an object with one wrong field; gives what is not as the case says."""
    _, method, path, taken = WAYS[case["object"]]
    answer = await world.send(method, path.format(id=identifier), body_of(case, identifier))
    expected = REFUSED.get(case["expected"], taken)
    if codes_of(answer) == expected:
        return None
    return f"{case['name']}: {codes_of(answer)}, not {expected}: {answer.text[:300]}"


def is_stored(case: Case) -> bool:
    """Whether the object is stored now under the id that it was sent with."""
    renamed = case["object"] == "cdr" and case["at"] == ["id"]
    return case["expected"] in TAKEN and case["object"] in STORED and not renamed


def judge(case: Case, stored: Any) -> str | None:
    """Give what is not as the case says with an object in its list."""
    if stored is None:
        return f"{case['name']}: is not there"
    found = defects(stored, STORED[case["object"]])
    if bool(found) != (case["expected"] == "kept"):
        return f"{case['name']}: stored with {found or 'no defects'}"
    return None
