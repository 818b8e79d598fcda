"""The whole product in a minute: service, mock eMSP, real stations, and drivers who charge."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from modules.cdrs.store import cdrs
from modules.locations.store import locations
from modules.sessions.store import sessions
from modules.tariffs.store import tariffs
from ocpi.context import Context
from ocpi.demo.drivers import Drivers
from ocpi.demo.stage import OWNER, Say, Stage, a_stage, free_port, register, until_signalled
from ocpi.editing import Document
from ocpi.pagination import Paging
from ocpi.parties import PlatformID
from ocpi.spec.document import decode
from ocpi.store import Store
from ocpi.testing.emsp import MockEMSP, running
from ocpi.testing.emsp import Party as MockParty

# Where the drivers go: few enough places to meet them on the eMSP's page.
PLACES = 40
TELL_EVERY = 5.0

_STORES: Mapping[str, Store[Any]] = {
    "locations": locations,
    "tariffs": tariffs,
    "sessions": sessions,
    "cdrs": cdrs,
}


async def run_demo(say: Say, port: int, emsp_port: int) -> None:
    """Run until SIGINT or SIGTERM, telling what happens."""
    stopped = until_signalled()
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_stage(say, port))
        context, simulator = stage.context, stage.simulator
        emsp = MockEMSP((MockParty("DE", "MSP", "Demo eMSP"),))
        page = await stack.enter_async_context(running(emsp, port=free_port(emsp_port)))
        await register(context, emsp, "demo-emsp", PlatformID.CPO, say)
        drivers = Drivers(context, simulator, emsp, OWNER)
        await drivers.issue_tokens()
        _tell_what_to_try(stage, emsp, page, say)
        say(f"Ready after {time.monotonic() - started:.1f} s. Ctrl-C stops it.\n")
        await _live(context, emsp, drivers, stopped, say)
        await simulator.close()
    say("Stopped.")


def _tell_what_to_try(stage: Stage, emsp: MockEMSP, page: str, say: Say) -> None:
    settings = stage.context.settings
    assert emsp.peer is not None
    base = f"{settings.base_url}/ocpi/cpo/2.2.1/sender"
    assert settings.admin_token is not None
    say(
        f"\nTry:\n{stage.console}"
        f"  open {page}/ in a browser: what the eMSP knows\n"
        f"  curl -H 'Authorization: Token {emsp.peer.token_out}' '{base}/locations?limit=1'\n"
        f"  curl -H 'Authorization: Token {emsp.peer.token_out}' '{base}/cdrs?limit=1'\n"
        f"  curl -H 'Authorization: Bearer {settings.admin_token.get_secret_value()}' "
        f"{settings.base_url}/admin/partners\n"
    )


async def _live(
    context: Context, emsp: MockEMSP, drivers: Drivers, stopped: asyncio.Event, say: Say
) -> None:
    """Drivers charge, and the eMSP's view follows."""
    ours = await _documents(context, locations)
    places = [(each["id"], evse["uid"]) for each in ours for evse in each["evses"]][:PLACES]
    driving = asyncio.create_task(drivers.run(places, stopped))
    while not stopped.is_set():
        try:
            await asyncio.wait_for(stopped.wait(), TELL_EVERY)
        except TimeoutError:
            say(await _view(context, emsp, drivers))
    await driving


async def _documents(context: Context, store: Store[Any]) -> list[Document]:
    page = await store.page(context.database, Paging(0, 100_000), (OWNER,))
    return [decode(body) for body in page.bodies]


async def _view(context: Context, emsp: MockEMSP, drivers: Drivers) -> str:
    """What happened so far, and whether the eMSP holds what we do."""
    parts = []
    for name, store in _STORES.items():
        ours = await _documents(context, store)
        theirs = {key[2].lower(): value for key, value in emsp.objects[name].items()}
        same = sum(theirs.get(each["id"].lower()) == each for each in ours)
        parts.append(f"{same} of {len(ours)} {name}")
    running_now = sum(each["status"] == "ACTIVE" for each in emsp.documents("sessions"))
    done = ", ".join(f"{count} x {what}" for what, count in sorted(drivers.done.items()))
    return (
        f"{running_now} sessions are charging. The eMSP holds, equal to ours: {', '.join(parts)}; "
        f"{len(emsp.violations)} complaints. Drivers so far: {done or 'none'}."
    )
