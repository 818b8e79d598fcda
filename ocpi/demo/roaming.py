"""The scenes of the hub's demo: what parties do with each other through it, told in sentences."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from modules.stations.gateways.plugs import USABLE
from ocpi.demo.stage import Say, free_port
from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO
from ocpi.testing.emsp import OPEN, Address, MockEMSP, running
from ocpi.testing.mock.errands import Command
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.wire import Document, now

LOCATIONS = 3
CARDS = 3
PATIENCE = 60.0
_STATUSES = ("AVAILABLE", "BLOCKED", "CHARGING", "RESERVED")


@dataclass
class Member:
    """A party of the hub: a mock platform that can go away and come back."""

    name: str
    mock: MockPlatform
    port: int
    page: str = ""
    _door: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def arrive(self) -> None:
        """Answer, at the same address as before."""
        self.port = self.port if self.page else free_port(self.port)
        self.page = await self._door.enter_async_context(running(self.mock, port=self.port))

    async def leave(self) -> None:
        """Answer no more."""
        await self._door.aclose()


class Roaming:
    """Two CPOs, two eMSPs and our own CPO party, `ours`, at one hub."""

    def __init__(
        self,
        cpos: Sequence[MockCPO],
        emsps: Sequence[MockEMSP],
        ours: Address,
        say: Say,
        seed: int = 7,
    ) -> None:
        self.cpos = cpos
        self.emsps = emsps
        self.ours = ours
        self._say = say
        self._chance = random.Random(seed)  # noqa: S311 - a show, the same each time.
        self.done: Counter[str] = Counter()
        """How often what was done, by words for people."""

    @property
    def mocks(self) -> list[MockPlatform]:
        return [*self.cpos, *self.emsps]

    async def introduce(self) -> None:
        """The hub tells each party of all others."""
        others = len(self.mocks)
        took = await _until(lambda: all(len(each.introduced) == others for each in self.mocks))
        self._say(f"HubClientInfo: each of them knew of the {others} others {took}.")

    async def publish(self) -> None:
        """What is for everybody is told to the hub itself."""
        for cpo in self.cpos:
            for number in range(1, LOCATIONS + 1):
                # Where two had the same id, an open request could not tell which is meant.
                place = f"{cpo.own_party()[1]}-{number}"
                await cpo.put_location(samples.location(**_owner(cpo), id=place))
            await cpo.put_tariff(samples.tariff(**_owner(cpo)))
        for emsp in self.emsps:
            for number in range(1, CARDS + 1):
                uid = f"04{emsp.own_party()[1]}{number:08}"
                await emsp.push_token(samples.token(**_owner(emsp), uid=uid))
        took = await _until(self._all_is_held)
        emsp, cpo = self.emsps[0], self.cpos[0]
        self._say(
            f"Broadcast: both eMSPs held {len(emsp.objects['locations'])} Locations and "
            f"{len(emsp.objects['tariffs'])} Tariffs, those of our own {_named(self.ours)} among "
            f"them, and both CPOs {len(cpo.objects['tokens'])} Tokens, {took}."
        )

    def _all_is_held(self) -> bool:
        everything = [document for cpo in self.cpos for document in cpo.documents("locations")]
        cards = [document for emsp in self.emsps for document in emsp.documents("tokens")]
        return all(
            all(document in emsp.documents("locations") for document in everything)
            for emsp in self.emsps
        ) and all(all(card in cpo.documents("tokens") for card in cards) for cpo in self.cpos)

    async def list_all(self) -> None:
        """One asks the hub for what all have broadcast."""
        emsp = self._chance.choice(self.emsps)
        counts = await emsp.pull()
        self.done["GET ALL"] += 1
        told = ", ".join(f"{counts[name]} {name}" for name in ("locations", "tariffs"))
        self._say(f"GET ALL: {_of(emsp)} listed what all share, page by page: {told}.")

    async def ask_for_driver(self) -> None:
        """A CPO asks the eMSP of a card whether it may charge."""
        cpo, emsp = self._chance.choice(self.cpos), self._chance.choice(self.emsps)
        card = self._chance.choice(emsp.documents("tokens"))
        reply = await cpo.authorize(card["uid"], to=emsp.own_party())
        self.done["authorizations"] += 1
        allowed = reply.data["allowed"]
        self._say(f"Real time: {_of(cpo)} asked {_of(emsp)} about card {card['uid']}: {allowed}.")

    async def change_status(self) -> None:
        """A station's status is told to everybody."""
        cpo = self._chance.choice(self.cpos)
        location = self._chance.choice(cpo.documents("locations"))
        uid = self._chance.choice(location["evses"])["uid"]
        status = self._chance.choice(_STATUSES)
        await cpo.patch_evse(location, uid, {"status": status, "last_updated": now()})
        took = await _until(self._all_is_held)
        self.done["statuses"] += 1
        self._say(f"Broadcast: {_of(cpo)} {location['id']} {uid} is {status}; all knew {took}.")

    async def charge(self, at: Address | None = None, *, named: bool = True) -> None:
        """A driver charges at another one's station, and the bill follows."""
        emsp = self._chance.choice(self.emsps)
        sellers = [*(cpo.own_party() for cpo in self.cpos), self.ours]
        seller = at or self._chance.choice(sellers)
        token = self._app_token(emsp)
        body = {"token": token, **self._place(emsp, seller)}
        start = await emsp.command("START_SESSION", body, to=seller if named else OPEN)
        result = await _result(emsp, start)
        self._say(
            f"{'Direct' if named else 'Open routing'}: {_of(emsp)} had {_named(seller)} start a "
            f"session at {body['location_id']}; the result, {result}, came by the hub."
        )
        if result == "ACCEPTED":
            session = await self._session_of(emsp, token)
            await self._finish(emsp, seller, session)

    async def _finish(self, emsp: MockEMSP, seller: Address, session: Document) -> None:
        cpo = next((each for each in self.cpos if each.own_party() == seller), None)
        if cpo is not None:
            await cpo.patch_session(session, {"kwh": 7.5, "last_updated": now()})
        stop = await emsp.command("STOP_SESSION", {"session_id": session["id"]}, to=seller)
        await _result(emsp, stop)
        await _until(lambda: _held(emsp, "sessions", session)["status"] == "COMPLETED")
        self.done["sessions"] += 1
        if cpo is not None:
            await self._bill(cpo, _held(emsp, "sessions", session))
            return
        took = await _until(lambda: any(_bills(each, session) for each in emsp.documents("cdrs")))
        self._say(f"Billing: the CDR of our own {_named(seller)} was with {_of(emsp)} {took}.")

    async def _bill(self, cpo: MockCPO, session: Document) -> None:
        place = samples.cdr()["cdr_location"]
        cdr = samples.cdr(
            **_owner(cpo),
            id=session["id"],
            session_id=session["id"],
            start_date_time=session["start_date_time"],
            end_date_time=session["end_date_time"],
            charging_periods=[samples.charging_period(session["start_date_time"])],
            cdr_token=session["cdr_token"],
            cdr_location={**place, "id": session["location_id"]},
        )
        posted = await cpo.post_cdr(cdr)
        read = await cpo.fetch_cdr(cdr)
        self._say(
            f"Billing: {_of(cpo)} posted the CDR. For it that lies at {posted.headers['location']}"
            f"; what it read there was {'the same' if read.data == cdr else 'something else'}."
        )

    async def miss(self, member: Member) -> None:
        """A party goes away, the others are told, and when it is back it hears what it missed."""
        away, other = member.mock, self.emsps[0]
        await member.leave()
        self._say(f"Absence: {_of(away)} is gone.")
        for cpo in self.cpos:
            for location in cpo.documents("locations"):
                change = {"status": "CHARGING", "last_updated": now()}
                await cpo.patch_evse(location, location["evses"][0]["uid"], change)
        reply = await self.cpos[0].authorize("ANY", to=away.own_party())
        took = await _until(lambda: _status(other, away) == "OFFLINE")
        self._say(
            f"Absence: a message for it was answered {reply.status_code}; "
            f"{_of(other)} knew that it is OFFLINE {took}."
        )
        await member.arrive()
        took = await _until(self._all_is_held)
        self._say(f"Absence: it is back, and held all that had changed meanwhile {took}.")
        took = await _until(lambda: _status(other, away) == "CONNECTED")
        self._say(f"Absence: {_of(other)} knew that it is CONNECTED {took}.")

    def _place(self, emsp: MockEMSP, seller: Address) -> Document:
        """An EVSE of a CPO's that is free, as far as the eMSP knows."""
        free = [
            {"location_id": location["id"], "evse_uid": evse["uid"]}
            for location in emsp.documents("locations")
            if (location["country_code"], location["party_id"]) == seller
            for evse in location["evses"]
            if evse["status"] in USABLE
        ]
        return self._chance.choice(free)

    def _app_token(self, emsp: MockEMSP) -> Document:
        """A token that was never told: it is known from its commands alone (CM-17)."""
        uid = f"APP-{self._chance.randrange(10**12):012}"
        return samples.token(**_owner(emsp), uid=uid, type="APP_USER", whitelist="NEVER")

    async def _session_of(self, emsp: MockEMSP, token: Document) -> Document:
        def found() -> list[Document]:
            sessions = emsp.documents("sessions")
            return [each for each in sessions if each["cdr_token"]["uid"] == token["uid"]]

        await _until(lambda: bool(found()))
        return found()[0]


async def _until(so: Callable[[], bool]) -> str:
    """Wait until something is so; gives how long that took. Raises ``TimeoutError``."""
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        while not so():  # noqa: ASYNC110 - It comes about by messages to several mocks.
            await asyncio.sleep(0.02)
    return f"{time.monotonic() - started:.1f} s later"


async def _result(emsp: MockEMSP, command: Command) -> str:
    """What came of a command; raises ``TimeoutError``."""
    answer = command.response["result"] if command.response else f"code {command.status_code}"
    if answer == "ACCEPTED":
        answer = (await emsp.result_of(command, PATIENCE))["result"]
    return str(answer)


def _owner(mock: MockPlatform) -> dict[str, Any]:
    return dict(zip(("country_code", "party_id"), mock.own_party(), strict=True))


def _of(mock: MockPlatform) -> str:
    return _named(mock.own_party())


def _named(party: Address) -> str:
    return "*".join(party)


def _held(mock: MockPlatform, module: str, document: Document) -> Document:
    return next(each for each in mock.documents(module) if each["id"] == document["id"])


def _bills(cdr: Document, session: Document) -> bool:
    return bool(cdr.get("session_id") == session["id"])


def _status(mock: MockPlatform, other: MockPlatform) -> str:
    """How one party stands, as another one was told."""
    return next(
        str(info["status"])
        for key, info in mock.objects["hubclientinfo"].items()
        if key[:2] == other.own_party()
    )
