"""Requests of each kind against a FastAPI route with constant bytes, an ORM, and peers."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr
from sqlalchemy import update

from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner, PlatformID
from ocpi.settings import Settings
from ocpi.testing import samples
from tests.benchmarks.peers import serving_peers
from tests.benchmarks.processor import Contender, compare
from tests.benchmarks.programs import serving
from tests.flows.process import ADMIN_TOKEN, SECRET, Installation
from tests.house import add_partner

HUB = {"OCPI_HUB_COUNTRY_CODE": "NL", "OCPI_HUB_PARTY_ID": "HUB"}
CPO, EMSP = "token-of-the-cpo-0123456789", "token-of-the-emsp-0123456789"
RECEIVER = "/ocpi/hub/2.2.1/receiver"
OWNER = {"country_code": "BE", "party_id": "BEC"}
FROM_CPO = {"OCPI-from-country-code": "BE", "OCPI-from-party-id": "BEC"}
TO_HUB = {**FROM_CPO, "OCPI-to-country-code": "NL", "OCPI-to-party-id": "HUB"}
# Each request of a kind differs: the same again would change nothing, and cost nothing.
SCRIPT = """
wrk.method = "%(method)s"
wrk.headers["Content-Type"] = "application/json"
math.randomseed(os.time())
local run = math.random(1000000, 9999999)
local number = 0
request = function()
  number = number + 1
  local n = tostring(number)
  local object = tostring(number %% 200)
  local body = string.gsub('%(body)s', "@N", run .. "x" .. n)
  body = string.gsub(body, "@E", object)
  body = string.gsub(body, "@S", number %% 2 == 0 and "AVAILABLE" or "CHARGING")
  body = string.gsub(body, "@T", os.date("!%%Y-%%m-%%dT%%H:%%M:%%S", os.time())
    .. string.format(".%%03dZ", number %% 1000))
  return wrk.format(nil, string.gsub("%(path)s", "@E", object), nil, body)
end
"""


@dataclass(frozen=True)
class Kind:
    """One kind of request."""

    name: str
    path: str
    token: str
    method: str = "GET"
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    orm: bool = False
    bare: bool = False
    peers: str | None = None
    """What peers are asked for instead."""

    @property
    def authorization(self) -> str:
        """What it presents."""
        if self.token == ADMIN_TOKEN:
            return f"Bearer {ADMIN_TOKEN}"
        return f"Token {b64encode(self.token.encode()).decode()}"

    def options(self, folder: Path, path: str | None = None) -> list[str]:
        """What wrk is told of it; with `path`, for another server."""
        words = ["-H", "X-Request-ID: r-1", "-H", "X-Correlation-ID: c-1"]
        for name, value in self.headers.items():
            words += ["-H", f"{name}: {value}"]
        if self.method == "GET":
            return words
        script = folder / f"{quote(path or self.path, safe='')}.lua"
        body = json.dumps(self.body)
        values = {"method": self.method, "body": body, "path": path or self.path}
        script.write_text(SCRIPT % values)
        return [*words, "-s", str(script)]


def _kinds(location_id: str) -> list[Kind]:
    # What is a driver's is told by our stations' backend: the hub carries others' to their eMSPs.
    ours = {"country_code": "DE", "party_id": "CPO"}
    session = {**samples.session(), **ours, "id": "S@E", "meter_id": "@N"}
    del session["last_updated"]
    cdr = {**samples.cdr(), **ours, "id": "C@N", "session_id": "S@N"}
    sender = "/ocpi/cpo/2.2.1/sender/locations"
    changes = {"status": "@S", "last_updated": "@T"}
    return [
        Kind("page of 50", f"{sender}?limit=50", EMSP, bare=True, peers="?limit=50"),
        Kind("page, gzip", f"{sender}?limit=50", EMSP, headers={"Accept-Encoding": "gzip"}),
        Kind("one Location", f"{sender}/{location_id}", EMSP, peers=location_id),
        Kind(
            "PATCH status",
            f"{RECEIVER}/locations/BE/BEC/L@E/L@E",
            CPO,
            "PATCH",
            changes,
            TO_HUB,
            orm=True,
        ),
        Kind("PUT session", "/admin/sessions/DE/CPO/S@E", ADMIN_TOKEN, "PUT", session),
        Kind("POST CDR", "/admin/cdrs", ADMIN_TOKEN, "POST", cdr),
        Kind("authorize", "/admin/authorize", ADMIN_TOKEN, "POST", {"uid": "T1"}),
    ]


def _catalogue() -> list[dict[str, Any]]:
    """As many Locations as a page of any size needs, each of 3 EVSEs with 2 Connectors: 2.4 kB."""
    plain = samples.location()
    evse = plain["evses"][0]
    connector = evse["connectors"][0]
    locations = []
    for number in range(300):
        evses = [
            {
                **evse,
                "uid": f"{number}-{each}",
                "evse_id": f"NL*TNM*E{number}*{each}",
                "connectors": [{**connector, "id": "1"}, {**connector, "id": "2"}],
            }
            for each in range(3)
        ]
        locations.append({**plain, "id": f"LOC{number}", "evses": evses})
    return locations


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Requests per CPU-second, the database's included, and how they compare."""
    installation = Installation(database_url, folder, settings=HUB)
    catalogue = folder / "locations.json"
    catalogue.write_text(json.dumps(_catalogue()))
    await installation.run("station", "import", str(catalogue))
    await _join(database_url)
    found: dict[str, Any] = {}
    async with installation.serving("--no-worker") as served:
        ours = installation.base_url, served.process.pid
        location_id = await _fill(installation)
        kinds = _kinds(location_id)
        page = folder / "page.json"
        await asyncio.to_thread(page.write_bytes, await _answer_to(kinds[0], ours[0]))
        for kind in kinds:
            rates = await _measure_kind(kind, folder, database_url, *ours)
            print(kind.name, rates, flush=True)
            found |= {f"{kind.name}: {name}": value for name, value in rates.items()}
    return found


async def _measure_kind(
    kind: Kind, folder: Path, database_url: str, base_url: str, pid: int
) -> dict[str, float]:
    ours = Contender(
        "ours",
        pid,
        f"{base_url}{kind.path}",
        kind.authorization,
        kind.options(folder),
        database_url,
    )
    body = folder / "body.json"
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(body.write_bytes, await _answer_to(kind, base_url))
        environment = {"BENCH_BODY": str(body), "BENCH_TOKEN": "bench"}
        others = []
        for name in ("limit", "bare") if kind.bare else ("limit",):
            url, process = await stack.enter_async_context(serving(name, environment))
            options = kind.options(folder, "/page")
            page = f"{url}/page"
            others.append(Contender(name, process.pid, page, "Token bench", options))
        if kind.orm:
            database = _beside(database_url)
            environment = {"BENCH_DATABASE": database}
            url, process = await stack.enter_async_context(serving("orm", environment))
            options = kind.options(folder, "/L@E/L@E")
            plain = Contender("orm", process.pid, f"{url}/", "Token bench", options, database)
            others.append(plain)
        if kind.peers is None:
            return await compare(ours, *others)
        served = serving_peers(folder / "page.json", kind.peers)
        peers = await stack.enter_async_context(served)
        rates = await compare(ours, *others, *peers)
        fastest = max((peer.rate for peer in peers), default=None)
        return rates | (
            {"times the fastest peer": round(ours.rate / fastest, 1)} if fastest else {}
        )


def _beside(database_url: str) -> str:
    """A SQLite file of its own; the same PostgreSQL, whose servers serve both in turns."""
    return database_url.replace("ocpi.sqlite", "plain.sqlite")


async def _answer_to(kind: Kind, base_url: str) -> bytes:
    """What ours answers; what it refuses would not be worth measuring."""
    headers = {"Authorization": kind.authorization, **kind.headers}
    body = None
    if kind.body is not None:
        headers["Content-Type"] = "application/json"
        body = _filled(json.dumps(kind.body))
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.request(kind.method, _filled(f"{base_url}{kind.path}"), content=body)
    refused = answer.status_code >= 300 or answer.json().get("status_code", 1000) != 1000
    assert not refused, answer.text
    assert answer.json().get("allowed", "ALLOWED") == "ALLOWED", answer.text
    return answer.content


def _filled(text: str) -> str:
    """A request's words as the script of wrk fills them in."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
    for mark, word in (("@E", "1"), ("@N", "0"), ("@S", "CHARGING"), ("@T", now)):
        text = text.replace(mark, word)
    return text


async def _join(database_url: str) -> None:
    """A CPO at the hub, and an eMSP at the platform of our own CPO."""
    settings = Settings(database_url=database_url, secret_key=SecretStr(SECRET))
    async with open_context(settings) as context:
        cpo, emsp = Party("BE", "BEC"), Party("DE", "MSP")
        hub = PlatformID.HUB
        await add_partner(context.database, "cpo", CPO, cpo, role="CPO", platform=hub)
        await add_partner(context.database, "emsp", EMSP, emsp)
        async with context.database.write() as db:
            # Tokens of a partner that we could not speak to would be as good as unknown.
            await db.exec(update(Partner).values(token_out=context.seal.close("unused")))


async def _fill(installation: Installation) -> str:
    """Push 200 Locations and one Token; gives the id of a Location of ours."""
    token = b64encode(CPO.encode()).decode()
    headers = {"Authorization": f"Token {token}", **TO_HUB}
    async with httpx.AsyncClient(base_url=installation.base_url, timeout=30) as client:
        for number in range(200):
            name = f"L{number}"
            location = {**samples.location(id=name), **OWNER}
            location["evses"] = [{**location["evses"][0], "uid": name}]
            url = f"{RECEIVER}/locations/BE/BEC/{name}"
            answer = await client.put(url, json=location, headers=headers)
            assert answer.status_code == 201, answer.text
        token = b64encode(EMSP.encode()).decode()
        emsp = {"Authorization": f"Token {token}"}
        owner = {"country_code": "DE", "party_id": "MSP"}
        url = "/ocpi/cpo/2.2.1/receiver/tokens/DE/MSP/T1"
        document = {**samples.token(), **owner, "uid": "T1", "whitelist": "ALWAYS", "valid": True}
        answer = await client.put(url, json=document, headers=emsp)
        assert answer.status_code == 201, answer.text
        page = await client.get("/ocpi/cpo/2.2.1/sender/locations?limit=1", headers=emsp)
    identifier: str = page.json()["data"][0]["id"]
    return identifier
