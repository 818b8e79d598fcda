"""Drivers of the mock eMSP: they come, charge by card or by app, reserve, and leave."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from modules.stations.gateways.simulator import Simulator
from modules.stations.reports.applying import Station
from modules.tokens.authorizing import authorize
from modules.tokens.questions import Question
from ocpi.context import Context
from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.spec.moments import format_moment
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP

DRIVERS = 24
AT_ONCE = 8
# Seconds after which a driver in a hurry ends what another would let run on.
PATIENCE = (20, 60)
_WHITELISTS = ("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER")


class Drivers:
    """The show: `run` it beside the service."""

    def __init__(
        self, context: Context, simulator: Simulator, emsp: MockEMSP, owner: Party, seed: int = 7
    ) -> None:
        self._context = context
        self._simulator = simulator
        self._emsp = emsp
        self._owner = owner
        self._chance = random.Random(seed)  # noqa: S311 - a show, the same each time.
        self._cards: list[Document] = []
        self.done: Counter[str] = Counter()
        """How often what was done, by words for people."""

    async def issue_tokens(self) -> None:
        """Every driver has a card, and an app; the eMSP pushes the cards."""
        party = self._emsp.parties[0]
        owner = {"country_code": party.country_code, "party_id": party.party_id}
        for number in range(DRIVERS):
            contract = f"{party.country_code}-{party.party_id}-C{number:08}-X"
            card = samples.token(
                **owner,
                uid=f"04{number:012X}",
                contract_id=contract,
                visual_number=f"Card {number}",
                whitelist=_WHITELISTS[number % len(_WHITELISTS)],
            )
            self._cards.append(card)
            await self._emsp.push_token(card)

    async def run(self, places: Sequence[tuple[str, str]], stopped: asyncio.Event) -> None:
        """Have drivers charge at these Locations and EVSEs until stopped."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._come_again(places, stopped))

    async def _come_again(self, places: Sequence[tuple[str, str]], stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            await _wait(stopped, self._chance.uniform(1, 6))
            if not stopped.is_set():
                way = self._chance.choice((self._by_card, self._by_app, self._by_reservation))
                await way(*self._chance.choice(places), stopped)

    async def _by_card(self, location_id: str, evse_uid: str, stopped: asyncio.Event) -> None:
        """A card is held to the station, which asks whether it may charge."""
        card = self._chance.choice(self._cards)
        question = Question(uid=card["uid"], location_id=location_id, evse_uid=evse_uid)
        decision = await authorize(self._context, self._owner, question)
        self.done[f"cards {decision.allowed.lower()}"] += 1
        station = Station(self._owner, location_id)
        if decision.granted and await self._simulator.plug_in(station, evse_uid, card):
            await _wait(stopped, self._chance.uniform(*PATIENCE))
            self._simulator.leave(station, evse_uid)

    async def _by_app(self, location_id: str, evse_uid: str, stopped: asyncio.Event) -> None:
        """The app starts a session and, after a while, stops it."""
        app = self._app_token()
        body = {"token": app, "location_id": location_id, "evse_uid": evse_uid}
        if await self._command("START_SESSION", body) == "ACCEPTED":
            await _wait(stopped, self._chance.uniform(*PATIENCE))
            await self._stop(app, stopped)

    async def _by_reservation(
        self, location_id: str, evse_uid: str, stopped: asyncio.Event
    ) -> None:
        """The app keeps an EVSE free; its driver comes, or cancels."""
        app = self._app_token()
        reservation_id = f"R{self._chance.randrange(10**9)}"
        expiry = format_moment(datetime.now(UTC) + timedelta(minutes=5))
        place = {"token": app, "location_id": location_id, "evse_uid": evse_uid}
        about = {"reservation_id": reservation_id, "expiry_date": expiry}
        if await self._command("RESERVE_NOW", {**place, **about}) != "ACCEPTED":
            return
        await _wait(stopped, self._chance.uniform(3, 10))
        if self._chance.random() < 0.3:
            await self._command("CANCEL_RESERVATION", {"reservation_id": reservation_id})
        elif await self._command("START_SESSION", place) == "ACCEPTED":
            await _wait(stopped, self._chance.uniform(*PATIENCE))
            await self._stop(app, stopped)

    async def _stop(self, app: Document, stopped: asyncio.Event) -> None:
        """Stop the session that the eMSP knows of this token, if it still runs."""
        for session in self._emsp.documents("sessions"):
            if session["cdr_token"]["uid"] == app["uid"] and session["status"] == "ACTIVE":
                if not stopped.is_set():
                    await self._command("STOP_SESSION", {"session_id": session["id"]})
                return

    async def _command(self, name: str, body: Document) -> str:
        """Send a command, and give what came of it."""
        command = await self._emsp.command(name, body)
        answer = command.response["result"] if command.response else "no answer"
        if answer == "ACCEPTED":
            result = await self._emsp.result_of(command, timeout=60)
            answer = result["result"]
        self.done[f"{name} {answer}"] += 1
        return str(answer)

    def _app_token(self) -> Document:
        """A token that was never pushed: it is known from its commands alone (CM-17)."""
        party = self._emsp.parties[0]
        uid = f"APP-{self._chance.randrange(10**12):012}"
        about: dict[str, Any] = {"uid": uid, "type": "APP_USER", "whitelist": "NEVER"}
        owner = {"country_code": party.country_code, "party_id": party.party_id}
        return samples.token(**owner, **about)


async def _wait(stopped: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return
