"""A CDR that a partner may have taken, though no answer said so.

A repeated POST that is answered 409 and no more is its receipt only where it may have arrived.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlmodel import func, select

from ocpi.push.lanes import Receipt, rewind_lane
from tests.ocpi.push.faults import always, end_process, parked, until_parked, until_state
from tests.ocpi.push.simulated import envelope
from tests.ocpi.push.world import OWNER, QUICK, World, until, until_found

if TYPE_CHECKING:
    from tests.ocpi.push.simulated import Answerer, Simulated

# What was refused waits for longer than any test does.
PACE = replace(QUICK, exchange=5, lease=20, retries=(3600,))
CONFLICT = envelope(2000, 409, "Conflict")


def losing_answers(partner: Simulated, then: httpx.Response | None) -> Answerer:
    """Take each CDR and answer something else, or not at all."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and json.loads(request.content) not in partner.cdrs:
            partner.cdrs.append(json.loads(request.content))
        if then is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return then

    return answer


def knowing(partner: Simulated) -> Answerer:
    """Say of a CDR that is there already that it conflicts with something."""

    async def answer(request: httpx.Request) -> httpx.Response | None:
        known = request.method == "POST" and json.loads(request.content) in partner.cdrs
        return CONFLICT if known else None

    return answer


async def receipts(world: World) -> int:
    async with world.database.read() as db:
        return (await db.exec(select(func.count()).select_from(Receipt))).one()


@pytest.mark.parametrize("then", [None, httpx.Response(503, headers={"Retry-After": "1"})])
async def test_that_a_cdr_may_have_arrived_outlives_a_restart(
    world: World, then: httpx.Response | None
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = losing_answers(partner, then)
    for number in range(12):
        await world.post_cdr(f"c{number}")
    worker = world.add_worker(pace=PACE)
    await until(lambda: len(partner.cdrs) >= 8)
    if then is None:
        await until_state(world, "stopped")
    await worker.stop()
    partner.misbehave = knowing(partner)
    world.add_worker(pace=PACE)

    async def proved() -> bool:
        return await receipts(world) == 12

    await until_found(proved)
    await world.until_told()
    assert await parked(world) == {}


async def test_that_a_cdr_may_have_arrived_outlives_that_all_is_told_again(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = losing_answers(partner, envelope(3000, 500))
    world.add_worker(pace=PACE)
    await world.post_cdr("c1")
    row = await until_parked(world, f"cdrs/{OWNER}*c1", "transient")
    assert row.doubtful
    partner.misbehave = knowing(partner)
    async with world.database.write() as db:
        await rewind_lane(db, world.ids["msp"], hopeful=False)

    async def proved() -> bool:
        return await receipts(world) == 1

    await until_found(proved)
    assert await parked(world) == {}


async def test_what_a_dead_process_may_have_sent_is_shown_to_staff_on_a_mere_conflict(
    world: World,
) -> None:
    """Nobody knows whether it was: a bill that counts as told and is not would be lost."""
    partner = await world.add_partner("msp")
    await end_process(world, world.add_worker(pace=PACE))
    await world.post_cdr("c1")
    partner.misbehave = always(CONFLICT)  # type: ignore[assignment]
    world.add_worker(pace=PACE)
    row = await until_parked(world, f"cdrs/{OWNER}*c1", "rejected")
    assert (row.http_status, row.doubtful, await receipts(world)) == (409, False, 0)
