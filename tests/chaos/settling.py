"""After the chaos: what we hold, and whether everybody has it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from ocpi.testing.mock.wire import authorization, moment
from tests.chaos.load import OWNER, Load
from tests.chaos.partners import Partners, Watched
from tests.flows.process import offer

Documents = dict[str, Any]
PATIENCE = 180.0


@dataclass
class Ours:
    """What we hold at the end, by path."""

    locations: Documents
    sessions: Documents
    cdrs: Documents
    receipts: Mapping[str, Sequence[Any]]
    """By the path of a CDR."""


def party_of(partner: Watched) -> str:
    return partner.parties[0].party_id


async def register(admin: httpx.AsyncClient, partners: Partners) -> None:
    """Have every partner register by a handshake."""
    for partner in partners.mocks:
        offered = await offer(admin, party_of(partner), party_of(partner))
        await partner.register(offered["versions_url"], offered["token"])


async def read_ours(admin: httpx.AsyncClient, load: Load) -> Ours:
    """Read everything that somebody may have to hold."""
    cdrs: Documents = {}
    receipts = {}
    total = 1
    while len(cdrs) < total:
        page = (await admin.get("cdrs", params={"limit": 100, "offset": len(cdrs)})).json()
        total = page["total"]
        for entry in page["cdrs"]:
            path = f"cdrs/{OWNER}/{entry['cdr']['id']}"
            cdrs[path], receipts[path] = entry["cdr"], entry["receipts"]
    sessions = [path for path in load.audiences if path.startswith("sessions/")]
    return Ours(
        locations=await _read(admin, [f"locations/{OWNER}/LOC{n}" for n in range(load.locations)]),
        sessions=await _read(admin, sessions),
        cdrs=cdrs,
        receipts=receipts,
    )


async def _read(admin: httpx.AsyncClient, paths: Sequence[str]) -> Documents:
    """What is there; a change that nobody acknowledged need not be."""
    found = {}
    for path in paths:
        answer = await admin.get(path)
        if answer.status_code != 404:
            assert answer.is_success, answer.text
            found[path] = answer.json()
    return found


def lacking(ours: Ours, load: Load, partners: Partners) -> list[str]:
    """What partners do not hold, or not as we do, or have given no receipt for."""
    faults = []
    for partner in partners.mocks:
        me = party_of(partner)
        mine = {path: body for path, body in ours.sessions.items() if load.audiences[path] == me}
        bills = {path: body for path, body in ours.cdrs.items() if load.audiences[path] == me}
        for module, expected in (
            ("locations", ours.locations),
            ("sessions", mine),
            ("cdrs", bills),
        ):
            held = {_path(module, each): each for each in partner.documents(module)}
            wrong = [p for p in expected.keys() | held.keys() if expected.get(p) != held.get(p)]
            faults += [f"{me}: {path}" for path in sorted(wrong)]
    faults += [f"{path} has no receipt" for path, given in ours.receipts.items() if len(given) != 1]
    return faults


def _path(module: str, document: Documents) -> str:
    owner = f"{document['country_code']}/{document['party_id']}"
    return f"{module}/{owner}/{document['id']}"


def forgotten(ours: Ours, load: Load) -> list[str]:
    """What was acknowledged, and is not there, or only in an older version."""
    held = {**ours.locations, **ours.sessions, **ours.cdrs}
    for path, location in ours.locations.items():
        held |= {f"{path}/{evse['uid']}": evse for evse in location["evses"]}
    return [
        f"{path}: {version} was acknowledged, {held.get(path)} is there"
        for path, version in load.newest().items()
        if path not in held or moment(held[path]["last_updated"]) < moment(version)
    ]


async def settle(admin: httpx.AsyncClient, load: Load, partners: Partners) -> Ours:
    """Wait until every partner holds what we hold; fails with what is lacking after all."""
    ours, faults = await settled(admin, load, partners)
    assert not faults, faults
    return ours


async def settled(
    admin: httpx.AsyncClient, load: Load, partners: Partners
) -> tuple[Ours, list[str]]:
    """Wait until every partner holds what we hold; gives also what is lacking after all."""
    partners.misbehave(active=False)
    deadline = time.monotonic() + PATIENCE
    while True:
        await _hurry(admin, partners)
        ours = await read_ours(admin, load)
        faults = lacking(ours, load, partners)
        if not faults or time.monotonic() > deadline:
            return ours, faults
        await asyncio.sleep(1)


async def _hurry(admin: httpx.AsyncClient, partners: Partners) -> None:
    """Partners show that they live, and an operator has what is parked tried at once.

    Nothing is read again by that: what the push had lost would stay lost.
    """
    for partner in partners.mocks:
        await show_life(partner)
        await admin.post(f"push/{party_of(partner)}/retry")


async def show_life(partner: Watched) -> None:
    """A partner asks us for something, which one that is away does not."""
    assert partner.peer is not None
    token = {"Authorization": authorization(partner.peer.token_out)}
    async with httpx.AsyncClient(timeout=30) as client:
        await client.get(partner.peer.versions_url, headers=token)
