"""Real charging sessions played again: as reports of stations, through the service, to an eMSP."""

from __future__ import annotations

import asyncio
import gzip
import os
import secrets
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import as_file, files
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from ocpi.testing.mock.outgoing import Asking, endpoint, first_party, known_peer

Say = Callable[[str], None]
Document = dict[str, Any]

OWNER = {"country_code": "FR", "party_id": "RPL"}
DRIVERS = 1000
AT_ONCE = 8
# Reports of so much real time are sent before those of the next, so that order holds everywhere.
WINDOW_MS = 24 * 3600 * 1000
MOST_REPORTS = 500
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TARIFF = {
    **OWNER,
    "id": "REPLAY",
    "currency": "EUR",
    "last_updated": "2024-01-01T00:00:00Z",
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 0.29, "step_size": 1}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00"},
        },
        {"price_components": [{"type": "ENERGY", "price": 0.45, "step_size": 1}]},
    ],
}


@dataclass(frozen=True)
class Row:
    """One session of the data."""

    evse_uid: str
    start: int
    """Milliseconds since 1970."""
    end: int
    kwh: Any

    @property
    def transaction_id(self) -> str:
        """Rows that repeat another have its id too."""
        digits, number = "", self.start
        while number:
            number, digit = divmod(number, 36)
            digits = _DIGITS[digit] + digits
        return f"{self.evse_uid}-{digits}"


@dataclass
class Tally:
    """What became of the rows."""

    rows: int = 0
    sessions: set[str] = field(default_factory=set)
    cdrs: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    """A sentence for each row that made no session of its own."""
    seconds: dict[str, float] = field(default_factory=dict)

    def admit(self, row: Row, places: Mapping[str, Any], unfit: Mapping[str, str]) -> bool:
        """Count a row, and whether its EVSE is known; if not, `unfit` says why."""
        self.rows += 1
        if row.evse_uid not in places:
            why = unfit.get(row.evse_uid, "it is not in the register")
            self.refused.append(f"{row.transaction_id}: no EVSE {row.evse_uid}: {why}")
        return row.evse_uid in places

    def take(self, row: Row, kind: str, outcome: Document) -> None:
        """Count what a report came to."""
        if outcome["result"] != "taken":
            why = outcome.get("note") or f"the {kind} is known already"
            self.refused.append(f"{row.transaction_id}, {kind}: {outcome['result']}: {why}")
        if outcome.get("session_id"):
            self.sessions.add(outcome["session_id"])
        if outcome.get("cdr_id"):
            self.cdrs.add(outcome["cdr_id"])


async def run_replay(say: Say, database_url: str | None, most: int | None) -> bool:
    """Play the sessions, or the first of them, and compare; whether all is equal at the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpi-replay-")))
        emsp = MockEMSP((Party("DE", "MSP", "Replay eMSP"),))
        await stack.enter_async_context(running(emsp))
        service = _Service(folder, database_url)
        unfit = await _prepare(service, folder, say)
        await stack.enter_async_context(service.serving())
        admin = await stack.enter_async_context(service.admin())
        await _register(admin, emsp, say)
        places = await _places(emsp, say)
        tally = Tally()
        rows = [row for row in read_rows(most) if tally.admit(row, places, unfit)]
        await _feed(admin, rows, places, tally, say)
        await _drain(emsp, tally, say)
        return await _compare(emsp, tally, say)


def read_rows(most: int | None = None) -> list[Row]:
    """The sessions in the order of their start."""
    with (
        as_file(files("ocpi.testing") / "data" / "irve-sessions.json.gz") as path,
        gzip.open(path) as lines,
    ):
        rows = [_row(decode(line)) for line in lines]
    return sorted(rows, key=lambda row: (row.start, row.end))[:most]


def _row(line: Document) -> Row:
    return Row(line["id_pdc_itinerance"], line["start"], line["end"], line["energy"])


class _Service:
    """The service as its operator runs it: `ocpi serve` and `ocpi worker`, each a process."""

    def __init__(self, folder: Path, database_url: str | None) -> None:
        self._folder = folder
        self._port = _free_port()
        self._token = secrets.token_urlsafe(24)
        self._environment = {
            **os.environ,
            "OCPI_BASE_URL": self._base_url,
            "OCPI_DATABASE_URL": database_url or f"sqlite+aiosqlite:///{folder / 'ocpi.sqlite'}",
            "OCPI_SECRET_KEY": secrets.token_urlsafe(32),
            "OCPI_ADMIN_TOKEN": self._token,
            "OCPI_COUNTRY_CODE": OWNER["country_code"],
            "OCPI_PARTY_ID": OWNER["party_id"],
            "OCPI_ALLOW_PRIVATE_NETWORKS": "true",
            "OCPI_PAGE_LIMIT": "1000",
            "OCPI_LOG_LEVEL": "WARNING",
        }

    @property
    def _base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def run(self, *words: str, codes: Collection[int] = (0,)) -> str:
        """Run a command to its end; RuntimeError when it ends with another code than these."""
        process = await self._start(*words, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        if process.returncode not in codes:
            raise RuntimeError(f"ocpi {' '.join(words)} failed: {out.decode()}")
        return out.decode()

    async def _start(self, *words: str, **streams: Any) -> asyncio.subprocess.Process:
        program = "from ocpi.cli import main; main()"
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *words, env=self._environment, **streams
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        processes = [
            await self._start("serve", "--no-worker", "--port", str(self._port)),
            await self._start("worker"),
        ]
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                while not await _is_ready(client, self._base_url):
                    if processes[0].returncode is not None:
                        raise RuntimeError("ocpi serve ended; its log says why")
                    await asyncio.sleep(0.2)
            yield
        finally:
            for process in processes:
                if process.returncode is None:
                    process.terminate()
                await process.wait()

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(
            base_url=f"{self._base_url}/admin",
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=120,
            trust_env=False,
        ) as client:
            yield client


async def _is_ready(client: httpx.AsyncClient, base_url: str) -> bool:
    try:
        return (await client.get(f"{base_url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _prepare(service: _Service, folder: Path, say: Say) -> Mapping[str, str]:
    """Import the register of charging points; gives why points of it were refused, by their id.

    They get a Tariff of ours, since the register has none.
    """
    tariff = folder / "tariff.json"
    tariff.write_text(encode(_TARIFF))
    await service.run("tariff", "import", str(tariff))
    started = time.monotonic()
    with as_file(files("ocpi.testing") / "data" / "irve-statique.json.gz") as path:
        words = ("station", "import", str(path), "--tariff", "REPLAY", "--json")
        # With 1 where it has refused some of it.
        told = await service.run(*words, codes=(0, 1))
    report = msgspec.json.decode(told)
    say(
        f"Imported {report['new']} Locations from the register in "
        f"{time.monotonic() - started:.1f} s; {len(report['refused'])} records were refused."
    )
    refused = report["refused"]
    return {each["record"].rpartition("/")[2]: each["reason"] for each in refused}


async def _register(admin: httpx.AsyncClient, emsp: MockEMSP, say: Say) -> None:
    role = {"role": "EMSP", "country_code": "DE", "party_id": "MSP"}
    offered = await admin.post("/partners", json={"name": "emsp", "roles": [role]})
    offered.raise_for_status()
    await emsp.register(offered.json()["versions_url"], offered.json()["token"])
    for number in range(DRIVERS):
        await emsp.push_token(samples.token(uid=_uid(number), whitelist="ALWAYS"))
    say(f"The eMSP registered, and pushed the Tokens of {DRIVERS} drivers.")


def _uid(number: int) -> str:
    return f"04{number % DRIVERS:012X}"


async def _places(emsp: MockEMSP, say: Say) -> Mapping[str, tuple[str, str]]:
    """Location and Connector of every EVSE, as the eMSP was told."""
    before, held = -1, 0
    while held != before or not held:
        before = held
        await asyncio.sleep(3)
        held = len(emsp.objects["locations"])
    say(f"The eMSP was told {held} Locations.")
    return {
        evse["uid"]: (location["id"], evse["connectors"][0]["id"])
        for location in emsp.documents("locations")
        for evse in location.get("evses", [])
    }


def _events(
    rows: Sequence[Row], places: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[int, str, Row, Document]]:
    """Moment, Location, row and report of everything that happened, in that order."""
    events = []
    for number, row in enumerate(rows):
        place = places[row.evse_uid]
        about = {"transaction_id": row.transaction_id}
        where = {"evse_uid": row.evse_uid, "connector_id": place[1]}
        token = {"token": {"uid": _uid(number)}, "kwh": 0}
        start = {"type": "start", **about, **where, **token, "at": _moment(row.start)}
        stop = {"type": "stop", **about, "at": _moment(row.end), "kwh": row.kwh}
        events.append((row.start, number, 0, place[0], row, start))
        events.append((row.end, number, 1, place[0], row, stop))
    for at, _, _, location_id, row, report in sorted(events, key=lambda each: each[:3]):
        yield at, location_id, row, report


def _moment(milliseconds: int) -> str:
    return format_moment(datetime.fromtimestamp(milliseconds / 1000, UTC))


async def _feed(
    admin: httpx.AsyncClient,
    rows: Sequence[Row],
    places: Mapping[str, tuple[str, str]],
    tally: Tally,
    say: Say,
) -> None:
    """Report window after window, each station's reports in their order."""
    started, sent = time.monotonic(), 0
    turn = asyncio.Semaphore(AT_ONCE)

    async def post(location_id: str, events: Sequence[tuple[Row, Document]]) -> None:
        async with turn:
            for begin in range(0, len(events), MOST_REPORTS):
                part = events[begin : begin + MOST_REPORTS]
                url = f"/stations/{location_id}/reports"
                answer = await admin.post(url, content=encode([each for _, each in part]))
                answer.raise_for_status()
                for (row, report), outcome in zip(part, answer.json()["results"], strict=True):
                    tally.take(row, report["type"], outcome)

    for window, events in groupby(_events(rows, places), key=lambda event: event[0] // WINDOW_MS):
        stations: dict[str, list[tuple[Row, Document]]] = defaultdict(list)
        for _, location_id, row, report in events:
            stations[location_id].append((row, report))
            sent += 1
        async with asyncio.TaskGroup() as group:
            for location_id, reports in stations.items():
                group.create_task(post(location_id, reports))
        day = datetime.fromtimestamp(window * WINDOW_MS / 1000, UTC)
        rate = sent / (time.monotonic() - started)
        say(f"{day:%Y-%m-%d}: {sent} reports, {len(tally.cdrs)} CDRs, {rate:.0f} reports/s")
    tally.seconds["feed"] = time.monotonic() - started


async def _drain(emsp: MockEMSP, tally: Tally, say: Say) -> None:
    """Wait until the eMSP was told all, as long as it goes on."""
    started, before, still = time.monotonic(), -1, 0
    while len(emsp.objects["cdrs"]) < len(tally.cdrs) or _charging(emsp):
        held = emsp.message_count
        still = still + 1 if held == before else 0
        if still > 30:
            say("Nothing arrives at the eMSP any more.")
            break
        before = held
        await asyncio.sleep(1)
    tally.seconds["drain"] = time.monotonic() - started


def _charging(emsp: MockEMSP) -> int:
    return sum(each["status"] == "ACTIVE" for each in emsp.documents("sessions"))


async def _compare(emsp: MockEMSP, tally: Tally, say: Say) -> bool:
    """Crawl what the service has, and compare each object with the one that was pushed."""
    counts: Counter[str] = Counter()
    for module in ("sessions", "cdrs"):
        held = {key[2]: document for key, document in emsp.objects[module].items()}
        peer = known_peer(emsp)
        url = f"{endpoint(peer, module, 'SENDER')}?date_from=2020-01-01T00:00:00Z"
        async with Asking(emsp, peer.token_out) as asking:
            async for reply in asking.crawl(url, first_party(peer)):
                for document in reply.data:
                    counts[module] += 1
                    counts[f"equal {module}"] += held.get(document["id"].upper()) == document
    return _report(emsp, tally, counts, say)


def _report(emsp: MockEMSP, tally: Tally, counts: Counter[str], say: Say) -> bool:
    for sentence in tally.refused:
        say(f"  not taken: {sentence}")
    feed, drain = tally.seconds["feed"], tally.seconds["drain"]
    total = feed + drain
    received = {module: len(emsp.objects[module]) for module in ("sessions", "cdrs")}
    say(
        f"{tally.rows} rows: {len(tally.sessions)} Sessions and {len(tally.cdrs)} CDRs were made, "
        f"{len(tally.refused)} reports not taken.\n"
        f"The service lists {counts['sessions']} Sessions and {counts['cdrs']} CDRs; the eMSP "
        f"received {received['sessions']} and {received['cdrs']}, of which "
        f"{counts['equal sessions']} and {counts['equal cdrs']} are equal to the service's; "
        f"{len(emsp.violations)} complaints.\n"
        f"{feed:.0f} s of reports ({tally.rows / feed:.0f} sessions/s), {drain:.0f} s more until "
        f"the eMSP had all ({tally.rows / total:.0f} sessions/s through everything)."
    )
    same = {len(tally.sessions), counts["sessions"], counts["equal sessions"], received["sessions"]}
    bills = {len(tally.cdrs), counts["cdrs"], counts["equal cdrs"], received["cdrs"]}
    return len(same) == 1 and len(bills) == 1 and not emsp.violations
