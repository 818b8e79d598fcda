"""From a driver's token to the CDR: service, station backend and eMSP over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocpi.spec.document import encode
from ocpi.spec.moments import format_moment
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from ocpi.testing.serving import serving
from tests.flows.process import Installation, offer, until
from tests.modules.stations.gateways.backend import SECRET, Backend

Document = dict[str, Any]


@dataclass
class Yard:
    """A station backend and an eMSP that outlive the service between them."""

    installation: Installation
    backend: Backend
    emsp: MockEMSP
    admin: httpx.AsyncClient
    cards: list[Document] = field(default_factory=list)

    async def begin(self) -> None:
        """Have the stations and the eMSP in place; the service must be running."""
        for path, document in (
            ("/tariffs/DE/CPO/TARIFF-1", samples.tariff()),
            ("/locations/DE/CPO/LOC-1", samples.location()),
        ):
            answer = await self.admin.put(path, content=encode(document))
            assert answer.status_code == 201, answer.text
        offered = await offer(self.admin)
        await self.emsp.register(offered["versions_url"], offered["token"])
        await self.emsp.push_token(samples.token(whitelist="NEVER"))

    async def report(self, *reports: Document) -> list[Document]:
        answer = await self.admin.post("/stations/LOC-1/reports", content=encode(list(reports)))
        assert answer.status_code == 200, answer.text
        results: list[Document] = answer.json()["results"]
        return results

    def held(self, module: str) -> list[Document]:
        return self.emsp.documents(module)

    async def listed(self, module: str) -> list[Document]:
        """What the eMSP reads at the service."""
        reply = await self.emsp.ask(
            "GET", "SENDER", module, "?date_from=2020-01-01T00:00:00Z&limit=100"
        )
        documents: list[Document] = reply.data
        return documents


@asynccontextmanager
async def a_yard(database_url: str, folder: Path) -> AsyncIterator[Yard]:
    installation = Installation(database_url, folder)
    emsp = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(installation.admin())
        reporting = await stack.enter_async_context(installation.admin(""))
        backend = Backend(reporting)
        url = await stack.enter_async_context(serving(backend.app))
        installation.settings = {
            "OCPI_STATION_WEBHOOK_URL": f"{url}/demands",
            "OCPI_STATION_WEBHOOK_SECRET": SECRET,
            "OCPI_SESSION_UPDATE_SECONDS": "1",
        }
        await stack.enter_async_context(running(emsp))
        yield Yard(installation, backend, emsp, admin)


def place(token: Document) -> Document:
    return {"token": token, "location_id": "LOC-1", "evse_uid": "EVSE-1", "connector_id": "1"}


@pytest.mark.req("CM-07", "CM-17", "CM-25", "SE-09", "CD-06", "CD-15", "SE-19", "SE-20", "EN-06")
async def test_an_app_starts_and_stops_a_session_and_its_bill_arrives_once(
    database_url: str, tmp_path: Path
) -> None:
    async with a_yard(database_url, tmp_path) as yard, yard.installation.serving():
        await yard.begin()
        app = samples.token(uid="APP-1", type="APP_USER", whitelist="NEVER")
        body = {**place(app), "authorization_reference": "REF-1"}
        started = await yard.emsp.command("START_SESSION", body)
        assert await yard.emsp.result_of(started, timeout=30) == {"result": "ACCEPTED"}
        await until(lambda: len(yard.held("sessions")) == 1)
        (session,) = yard.held("sessions")
        assert (session["status"], session["auth_method"]) == ("ACTIVE", "COMMAND")
        stopping = await yard.emsp.command("STOP_SESSION", {"session_id": session["id"]})
        assert await yard.emsp.result_of(stopping, timeout=30) == {"result": "ACCEPTED"}
        await until(lambda: len(yard.held("cdrs")) == 1)
        (session,), (cdr,) = yard.held("sessions"), yard.held("cdrs")
        assert await yard.listed("sessions") == [session]
        assert await yard.listed("cdrs") == [cdr]
    assert (session["status"], cdr["total_energy"], session["kwh"]) == ("COMPLETED", 10, 10)
    assert cdr["authorization_reference"] == session["authorization_reference"] == "REF-1"
    assert cdr["total_cost"]["excl_vat"] == 5
    assert cdr["cdr_token"]["uid"] == "APP-1"
    assert yard.emsp.authorizations == []
    assert yard.emsp.violations == []


@pytest.mark.req("TK-17", "TK-20", "CD-15")
async def test_a_card_is_asked_for_in_real_time_and_its_reference_stands_in_the_bill(
    database_url: str, tmp_path: Path
) -> None:
    async with a_yard(database_url, tmp_path) as yard, yard.installation.serving():
        await yard.begin()
        card = samples.token()["uid"]
        question = {"uid": card, "location_id": "LOC-1", "evse_uid": "EVSE-1"}
        decision = (await yard.admin.post("/authorize", json=question)).json()
        assert (decision["allowed"], decision["method"]) == ("ALLOWED", "AUTH_REQUEST")
        start = {"type": "start", "transaction_id": "T1", "evse_uid": "EVSE-1", "kwh": 1}
        await yard.report({**start, "connector_id": "1", "token": {"uid": card}})
        (stopped,) = await yard.report({"type": "stop", "transaction_id": "T1", "kwh": 3})
        assert stopped["result"] == "taken"
        await until(lambda: len(yard.held("cdrs")) == 1)
        (cdr,) = yard.held("cdrs")
    assert cdr["authorization_reference"] == decision["authorization_reference"]
    assert (cdr["auth_method"], cdr["total_energy"]) == ("AUTH_REQUEST", 2)
    assert yard.emsp.violations == []


@pytest.mark.req("SE-14", "CD-05")
async def test_a_kill_between_start_and_stop_loses_no_session_and_bills_once(
    database_url: str, tmp_path: Path
) -> None:
    async with a_yard(database_url, tmp_path) as yard:
        async with yard.installation.serving() as served:
            await yard.begin()
            app = samples.token(uid="APP-1", type="APP_USER")
            started = await yard.emsp.command("START_SESSION", place(app))
            await yard.emsp.result_of(started, timeout=30)
            await until(lambda: len(yard.held("sessions")) == 1)
            (transaction,) = {each["id"] for each in yard.backend.demands}
            await served.kill()
        async with yard.installation.serving() as served:
            now = format_moment(datetime.now(UTC))
            stop = {"type": "stop", "transaction_id": "T1", "kwh": 12, "at": now}
            (stopped,) = await yard.report(stop)
            await served.kill()
        async with yard.installation.serving():
            (repeated,) = await yard.report(stop)
            await until(lambda: len(yard.held("cdrs")) == 1)
            await until(lambda: yard.held("sessions")[0]["status"] == "COMPLETED")
            assert await yard.listed("cdrs") == yard.held("cdrs")
    assert (stopped["result"], repeated["result"]) == ("taken", "repeated")
    assert [each["id"] for each in yard.backend.demands] == [transaction]
    assert len(started.results) == 1
