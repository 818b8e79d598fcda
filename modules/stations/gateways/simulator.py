"""Simulated stations: vehicles come, charge along a plausible curve, and leave, as reports tell."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from modules.locations.store import locations
from modules.stations.gateways.curve import Vehicle, active_profile, limit_at
from modules.stations.gateways.plugs import (
    FREE,
    USABLE,
    Hold,
    Key,
    Plug,
    Refused,
    any_vehicle,
    connector_of,
    key_of,
    rounded,
    station_of,
    watts,
)
from modules.stations.reports.applying import Station, take_reports
from modules.stations.reports.desk import Outcome
from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS
from ocpi.editing import Document, object_key
from ocpi.gateway import Demand, Wish
from ocpi.messages import log
from ocpi.spec.document import decode
from ocpi.spec.moments import parse_moment

_KILOWATT = Decimal(1000)
# What an update of an active profile covers: a useful horizon (CP-13).
_HORIZON = 900


class Simulator:
    """All stations of one service, as a Gateway; `connect` it before its first use."""

    def __init__(
        self,
        *,
        tick: float = 5.0,
        stays: float = 10.0,
        vehicle: Callable[[Decimal], Vehicle] | None = None,
    ) -> None:
        """Meter values come every `tick` seconds; who is full leaves `stays` seconds later.

        `vehicle` makes a vehicle for a Connector of so many kW.
        """
        self._tick = tick
        self._stays = stays
        self._vehicle = vehicle or any_vehicle
        self._context: Context | None = None
        self._plugs: dict[Key, Plug] = {}
        self._holds: dict[int, Hold] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def connect(self, context: Context) -> None:
        """Report to this service."""
        self._context = context

    async def close(self) -> None:
        """All vehicles leave at once, and no EVSE is kept free any more."""
        for plug in self._plugs.values():
            plug.leaving.set()
        for hold in self._holds.values():
            hold.over.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def supports(self, wish: Wish) -> bool:
        """Everything."""
        del wish
        return True

    async def ask(self, demand: Demand) -> Document | None:
        """Do it at once, as far as the EVSE can."""
        handlers: Mapping[Wish, Callable[[Demand], Any]] = {
            Wish.START_SESSION: self._start,
            Wish.STOP_SESSION: self._stop,
            Wish.RESERVE_NOW: self._reserve,
            Wish.CANCEL_RESERVATION: self._cancel,
            Wish.UNLOCK_CONNECTOR: self._unlock,
            Wish.SET_CHARGING_PROFILE: self._set_profile,
            Wish.GET_CHARGING_PROFILE: self._get_profile,
            Wish.CLEAR_CHARGING_PROFILE: self._clear_profile,
            Wish.SET_CHARGING_PREFERENCES: self._prefer,
        }
        try:
            answer: Document | None = await handlers[demand.wish](demand)
        except Refused as refused:
            return {"result": refused.result}
        return answer

    async def plug_in(
        self, station: Station, evse_uid: str, token: Document, **beginning: Any
    ) -> bool:
        """A driver begins to charge; False where the EVSE is taken, kept or out of order."""
        evse = await self._evse(station, evse_uid)
        if evse is None or evse["status"] not in USABLE:
            return False
        key = key_of(station, evse["uid"])
        number = self._number_at(key)
        if key in self._plugs or (number is not None and not self._is_for(number, token["uid"])):
            return False
        connector = connector_of(evse, beginning.get("connector_id"))
        capacity = (connector.get("max_electric_power") or watts(connector)) / _KILOWATT
        plug = Plug(str(uuid4()), self._vehicle(capacity), connector["id"], capacity)
        self._plugs[key] = plug
        if number is not None:
            self._holds.pop(number).over.set()
            beginning["reservation_id"] = number
        try:
            await self._tell_start(station, evse["uid"], plug, {"token": token, **beginning})
        except BaseException:
            del self._plugs[key]
            raise
        self._begin(self._charge(station, evse["uid"], key, plug))
        return True

    async def _tell_start(
        self, station: Station, evse_uid: str, plug: Plug, beginning: Document
    ) -> None:
        token = beginning["token"]
        start = {
            **beginning,
            "type": "start",
            "transaction_id": plug.transaction_id,
            "evse_uid": evse_uid,
            "connector_id": plug.connector_id,
            "token": {"uid": token["uid"], "type": token.get("type", "RFID")},
            "kwh": 0,
        }
        status = {"type": "status", "evse_uid": evse_uid, "status": "CHARGING"}
        outcomes = await self._report(station, start, status)
        if outcomes[0].session_id is None:
            log.warning("simulated start not taken", evse=evse_uid, note=outcomes[0].note)

    def _number_at(self, key: Key) -> int | None:
        """The reservation for which an EVSE is kept free."""
        return next((number for number, hold in self._holds.items() if hold.key == key), None)

    def _is_for(self, number: int, uid: str) -> bool:
        return self._holds[number].uid.lower() == uid.lower()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - Nobody waits for it, so that it is told here.
            log.exception("a simulated station failed")

    def leave(self, station: Station, evse_uid: str) -> bool:
        """The driver at an EVSE ends the session; False where there is none."""
        plug = self._plugs.get(key_of(station, evse_uid))
        if plug is not None:
            plug.leaving.set()
        return plug is not None

    def charging(self) -> Sequence[tuple[str, str]]:
        """Location and EVSE of every vehicle that is there, in lower case."""
        return [(location, evse) for _, location, evse in self._plugs]

    async def _charge(self, station: Station, evse_uid: str, key: Key, plug: Plug) -> None:
        """Report what flows until the driver leaves."""
        about = {"transaction_id": plug.transaction_id}
        full_since: float | None = None
        try:
            last = plug.begun
            while not plug.leaving.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._tick):
                        await plug.leaving.wait()
                now = time.monotonic()
                limit = limit_at(plug.profile, plug.since, datetime.now(UTC))
                plug.charged, power = plug.vehicle.charge(
                    last - plug.begun, plug.charged, now - last, limit
                )
                last = now
                full = plug.charged >= plug.vehicle.needs_kwh
                meter: Document = {"type": "meter", **about, "kwh": rounded(plug.charged)}
                meter["power_kw"] = Decimal(0) if full else rounded(power)
                if full and full_since is None:
                    full_since, meter["state"] = now, "PARKED"
                if not plug.leaving.is_set():
                    await self._report(station, meter)
                if full_since is not None and now - full_since >= self._stays:
                    plug.leaving.set()
        finally:
            del self._plugs[key]
            stop = {"type": "stop", **about, "kwh": rounded(plug.charged)}
            status = {"type": "status", "evse_uid": evse_uid, "status": "AVAILABLE"}
            await self._report(station, stop, status)

    async def _start(self, demand: Demand) -> Document:
        station, token = station_of(demand), demand.details["token"]
        mine = [number for number in self._holds if self._is_for(number, token["uid"])]
        evse = await self._choose(demand, mine)
        more = {"command_id": demand.id}
        if demand.connector_id is not None:
            more["connector_id"] = demand.connector_id
        begun = await self.plug_in(station, evse["uid"], token, **more)
        return {"result": "ACCEPTED" if begun else "EVSE_OCCUPIED"}

    async def _stop(self, demand: Demand) -> Document:
        found = self._plug_of(demand)
        if found is None:
            return {"result": "REJECTED", "message": "That session is over."}
        found.leaving.set()
        return {"result": "ACCEPTED"}

    async def _reserve(self, demand: Demand) -> Document:
        """Keep an EVSE free; what was kept under the same number is free again (CM-20)."""
        station, number = station_of(demand), demand.details["reservation_id"]
        evse = await self._choose(demand, [number])
        replaced = self._holds.get(number)
        hold = Hold(key_of(station, evse["uid"]), demand.details["token"]["uid"])
        self._holds[number] = hold
        if replaced is not None:
            replaced.over.set()
        await self._set_status(station, evse["uid"], "RESERVED")
        until = parse_moment(demand.details["expiry_date"]) - datetime.now(UTC)
        self._begin(self._keep_free(station, number, hold, until.total_seconds()))
        return {"result": "ACCEPTED", "evse_uid": evse["uid"]}

    async def _keep_free(self, station: Station, number: int, hold: Hold, seconds: float) -> None:
        """An EVSE is free for others once the driver has not come, or need not come any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await hold.over.wait()
        if self._holds.get(number) is hold:
            del self._holds[number]
        if hold.key not in self._plugs and self._number_at(hold.key) is None:
            await self._set_status(station, hold.key[2], "AVAILABLE")

    async def _cancel(self, demand: Demand) -> Document:
        hold = self._holds.pop(demand.details["reservation_id"], None)
        if hold is None:
            return {"result": "UNKNOWN_RESERVATION"}
        hold.over.set()
        return {"result": "ACCEPTED"}

    async def _unlock(self, demand: Demand) -> Document:
        """Whoever charges there is to leave."""
        station, evse_uid = station_of(demand), str(demand.evse_uid)
        evse = await self._evse(station, evse_uid)
        if evse is None or evse["status"] not in USABLE:
            return {"result": "EVSE_INOPERATIVE"}
        self.leave(station, evse_uid)
        return {"result": "ACCEPTED"}

    async def _set_profile(self, demand: Demand) -> Document:
        return await self._change_profile(demand, demand.details["charging_profile"])

    async def _clear_profile(self, demand: Demand) -> Document:
        plug = self._plug_of(demand)
        if plug is not None and plug.profile is None:
            return {"result": "UNKNOWN"}
        return await self._change_profile(demand, None)

    async def _change_profile(self, demand: Demand, profile: Document | None) -> Document:
        plug = self._plug_of(demand)
        if plug is None:
            return {"result": "REJECTED"}
        plug.profile = profile
        self._begin(self._tell_profile(station_of(demand), plug))
        return {"result": "ACCEPTED"}

    async def _tell_profile(self, station: Station, plug: Plug) -> None:
        """Report the active profile, once what was asked of it has been answered."""
        await asyncio.sleep(min(1.0, self._tick))
        about = {"type": "profile", "transaction_id": plug.transaction_id}
        if not plug.leaving.is_set():
            await self._report(station, {**about, "profile": self._active(plug, _HORIZON)})

    async def _get_profile(self, demand: Demand) -> Document:
        plug = self._plug_of(demand)
        if plug is None:
            return {"result": "REJECTED"}
        duration = int(demand.details["duration"])
        return {"result": "ACCEPTED", "profile": self._active(plug, duration)}

    def _active(self, plug: Plug, duration: int) -> Document:
        now = datetime.now(UTC)
        return active_profile(plug.profile, plug.since, now, plug.capacity_kw, duration)

    async def limit(self, station: Station, evse_uid: str, profile: Document | None) -> bool:
        """The station itself limits a session, as for its grid connection, and reports that."""
        plug = self._plugs.get(key_of(station, evse_uid))
        if plug is None:
            return False
        plug.profile = profile
        await self._tell_profile(station, plug)
        return True

    async def _prefer(self, demand: Demand) -> Document:
        wanted = demand.details["preferences"]
        if wanted["profile_type"] in ("CHEAP", "GREEN"):
            for name, word in (
                ("departure_time", "DEPARTURE_REQUIRED"),
                ("energy_need", "ENERGY_NEED_REQUIRED"),
            ):
                if name not in wanted:
                    return {"result": word}
        return {"result": "ACCEPTED" if self._plug_of(demand) else "NOT_POSSIBLE"}

    def _plug_of(self, demand: Demand) -> Plug | None:
        wanted = demand.transaction_id
        return next((p for p in self._plugs.values() if p.transaction_id == wanted), None)

    async def _choose(self, demand: Demand, mine: Collection[int]) -> Document:
        """The EVSE wanted, or the best that is free; raises ``Refused``.

        `mine` are the reservations that may be used or replaced.
        """
        station, wanted = station_of(demand), demand.evse_uid
        kept = {hold.key for number, hold in self._holds.items() if number in mine}
        others = {hold.key for number, hold in self._holds.items() if number not in mine}
        location = await self._location(station)
        evses = location.get("evses", []) if location else []
        free = [
            each
            for each in evses
            if (wanted is None or each["uid"].lower() == wanted.lower())
            and key_of(station, each["uid"]) not in {*self._plugs, *others}
        ]

        def rank(evse: Document) -> tuple[bool, ...]:
            status = evse["status"]
            is_kept = key_of(station, evse["uid"]) in kept
            return (not is_kept, status not in FREE, status not in USABLE)

        best: Document | None = min(free, key=rank, default=None)
        if best is None:
            raise Refused("EVSE_OCCUPIED")
        if best["status"] not in USABLE:
            raise Refused("EVSE_INOPERATIVE")
        return best

    async def _location(self, station: Station) -> Document | None:
        assert self._context is not None
        key = object_key(station.owner, station.location_id)
        text = await locations.text_of(self._context.database, key)
        return None if text is None else decode(text)

    async def _evse(self, station: Station, evse_uid: str) -> Document | None:
        location = await self._location(station)
        evses = location.get("evses", []) if location else []
        return next((e for e in evses if e["uid"].lower() == evse_uid.lower()), None)

    async def _set_status(self, station: Station, evse_uid: str, status: str) -> None:
        await self._report(station, {"type": "status", "evse_uid": evse_uid, "status": status})

    @retry(
        retry=retry_if_exception_type(DATABASE_ERRORS),
        wait=wait_fixed(1),
        stop=stop_after_attempt(10),
        reraise=True,
    )
    async def _report(self, station: Station, *reports: Document) -> list[Outcome]:
        assert self._context is not None
        return await take_reports(self._context, station, reports)
