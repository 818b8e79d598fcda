"""The hub in a minute: CPOs and eMSPs that register, roam through it, go away and return."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import cycle

from ocpi.demo.roaming import Member, Roaming
from ocpi.demo.stage import OWNER, Say, Stage, a_stage, register, until_signalled
from ocpi.parties import PlatformID
from ocpi.testing.cpo import MockCPO, Party, PeerFailed
from ocpi.testing.emsp import MockEMSP

HUB = ("NL", "HUB")
PAUSE = 3.0
TELL_EVERY = 4

_CPOS = (Party("FR", "SRC", "Seine Recharge", "CPO"), Party("BE", "DIJ", "Dijle Laden", "CPO"))
_EMSPS = (Party("DE", "RHM", "Rhein Mobil"), Party("GB", "SVD", "Severn Drive"))


async def run_hub_demo(say: Say, port: int, partner_port: int) -> None:
    """Run until SIGINT or SIGTERM, telling what happens."""
    stopped = until_signalled()
    started = time.monotonic()
    cpos, emsps = [MockCPO((party,)) for party in _CPOS], [MockEMSP((party,)) for party in _EMSPS]
    members = [
        Member(mock.parties[0].name.split()[0].lower(), mock, partner_port + number)
        for number, mock in enumerate((*cpos, *emsps))
    ]
    settings = {"hub_country_code": HUB[0], "hub_party_id": HUB[1], "hub_name": "Demo hub"}
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_stage(say, port, **settings))
        for member in members:
            stack.push_async_callback(member.leave)
            await member.arrive()
            await register(stage.context, member.mock, member.name, PlatformID.HUB, say)
        stack.push_async_callback(stage.simulator.close)
        ours = (OWNER.country_code, OWNER.party_id)
        roaming = Roaming(cpos, emsps, ours, say)
        _tell_what_to_try(stage, members, say)
        say(f"All are registered after {time.monotonic() - started:.1f} s. Ctrl-C stops it.\n")
        await _play(_show(roaming, members, say), stopped)
    say("Stopped.")


def _tell_what_to_try(stage: Stage, members: list[Member], say: Say) -> None:
    settings, peer = stage.context.settings, members[-1].mock.peer
    assert peer is not None
    assert settings.admin_token is not None
    base = f"{settings.base_url}/ocpi/hub/2.2.1/sender"
    curl = f"curl -H 'Authorization: Token {peer.token_out}'"
    pages = "".join(
        f"  open {each.page}/ in a browser: what {each.name} knows\n" for each in members
    )
    say(
        f"\nTry, what curl asks of OCPI as {members[-1].name}:\n{stage.console}{pages}"
        f"  {curl} '{base}/hubclientinfo'\n"
        f"  {curl} {_to(HUB)} '{base}/locations?limit=1'\n"
        f"  {curl} {_to(members[0].mock.own_party())} '{base}/locations?limit=1'\n"
        f"  curl -H 'Authorization: Bearer {settings.admin_token.get_secret_value()}' "
        f"{settings.base_url}/admin/partners\n"
    )


def _to(party: tuple[str, str]) -> str:
    return f"-H 'OCPI-to-country-code: {party[0]}' -H 'OCPI-to-party-id: {party[1]}'"


async def _play(show: Awaitable[None], stopped: asyncio.Event) -> None:
    """Have it go on until stopped."""
    playing, stop = asyncio.ensure_future(show), asyncio.create_task(stopped.wait())
    await asyncio.wait({playing, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if playing.done():
        await playing
    playing.cancel()
    await asyncio.wait({playing})


async def _show(roaming: Roaming, members: list[Member], say: Say) -> None:
    """Each scene once, then some of them again and again."""
    first = roaming.cpos[0].own_party()
    scenes: list[Callable[[], Awaitable[None]]] = [
        roaming.introduce,
        roaming.publish,
        lambda: roaming.charge(first),
        lambda: roaming.charge(first, named=False),
        lambda: roaming.charge(roaming.ours),
        roaming.ask_for_driver,
        roaming.list_all,
        lambda: roaming.miss(members[-1]),
    ]
    for scene in scenes:
        await _perform(scene, roaming, say)
    say(f"{_standing(roaming)}\nThat was everything once; it goes on.\n")
    again = cycle((roaming.change_status, roaming.charge, roaming.ask_for_driver, roaming.list_all))
    for number, scene in enumerate(again, 1):
        await asyncio.sleep(PAUSE)
        await _perform(scene, roaming, say)
        if number % TELL_EVERY == 0:
            say(_standing(roaming))


async def _perform(scene: Callable[[], Awaitable[None]], roaming: Roaming, say: Say) -> None:
    try:
        await scene()
    except (PeerFailed, TimeoutError) as failure:
        roaming.done["failures"] += 1
        say(f"Failed: {failure or 'nothing came in time'}")


def _standing(roaming: Roaming) -> str:
    """What happened so far, and what the parties object to."""
    done = ", ".join(f"{count} {what}" for what, count in sorted(roaming.done.items()))
    held = " and ".join(
        f"{sum(len(emsp.objects[module]) for emsp in roaming.emsps)} {module}"
        for module in ("sessions", "cdrs")
    )
    messages = sum(mock.message_count for mock in roaming.mocks)
    complaints = [sentence for mock in roaming.mocks for sentence in mock.violations]
    newest = f" The newest: {complaints[-1]}" if complaints else ""
    return (
        f"So far: {done}. The eMSPs hold {held}. {messages} messages, "
        f"{len(complaints)} complaints.{newest}"
    )
