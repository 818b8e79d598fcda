"""Erasing a driver on a running service: nothing of the driver stays, and no partner notices."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocpi.spec.document import encode
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from tests.flows.process import Installation, offer, until
from tests.flows.searching import dump, held, logged

UID, CONTRACT = "CANARY-UID-77X1", "DE-MSP-CANARY0042"
OTHER = "BYSTANDER-UID-1"

Document = dict[str, Any]


@dataclass
class Yard:
    installation: Installation
    emsp: MockEMSP
    admin: httpx.AsyncClient

    async def start(self, uid: str, transaction: str, evse: str) -> None:
        token = {"uid": uid}
        await self._report(
            {"type": "start", "evse_uid": evse, "connector_id": "1", "token": token, "kwh": 1},
            transaction,
        )

    async def stop(self, transaction: str) -> None:
        await self._report({"type": "stop", "kwh": 3}, transaction)

    async def _report(self, report: Document, transaction: str) -> None:
        body = encode([{**report, "transaction_id": transaction}])
        answer = await self.admin.post("/stations/LOC-1/reports", content=body)
        assert answer.status_code == 200, answer.text
        (result,) = answer.json()["results"]
        assert result["result"] == "taken", result

    async def erase(self, **wish: Any) -> Mapping[str, Any]:
        answer = await self.admin.post("/gdpr/erase", json=wish)
        assert answer.is_success, answer.text
        done: Mapping[str, Any] = answer.json()
        return done

    async def bill(self, uid: str, transaction: str, evse: str) -> None:
        """Let a driver charge; the eMSP accepts the bill."""
        count = len(self.emsp.documents("cdrs"))
        await self.start(uid, transaction, evse)
        await until(lambda: self._status(count) == "ACTIVE")
        await self.stop(transaction)
        await until(lambda: len(self.emsp.documents("cdrs")) == count + 1)
        await until(lambda: self._status(count) == "COMPLETED")

    def _status(self, number: int) -> str | None:
        sessions = self.emsp.documents("sessions")
        return sessions[number]["status"] if len(sessions) > number else None


@asynccontextmanager
async def a_yard(database_url: str, folder: Path) -> AsyncIterator[Yard]:
    installation = Installation(database_url, folder)
    emsp = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    async with running(emsp), installation.admin() as admin, installation.serving():
        for path, document in (
            ("/tariffs/DE/CPO/TARIFF-1", samples.tariff()),
            ("/locations/DE/CPO/LOC-1", samples.location()),
        ):
            answer = await admin.put(path, content=encode(document))
            assert answer.status_code == 201, answer.text
        offered = await offer(admin)
        await emsp.register(offered["versions_url"], offered["token"])
        for uid, contract in ((UID, CONTRACT), (OTHER, "DE-MSP-BYSTANDER")):
            await emsp.push_token(samples.token(uid=uid, contract_id=contract))
        yield Yard(installation, emsp, admin)


@pytest.mark.parametrize("by", [{"token": UID.lower()}, {"contract": CONTRACT}])
async def test_an_erased_driver_is_nowhere_and_the_bill_is_still_there(
    database_url: str, tmp_path: Path, by: dict[str, str]
) -> None:
    async with a_yard(database_url, tmp_path) as yard:
        await yard.bill(UID, "T1", "EVSE-1")
        await yard.bill(OTHER, "T2", "EVSE-2")
        told = [*yard.emsp.documents("cdrs"), *yard.emsp.documents("sessions")]
        before = (await yard.admin.get("/cdrs")).json()
        await logged(yard.admin, 3, token=UID)
        found = await yard.erase(**by, dry_run=True)
        assert not found["erased"]
        assert {"token", "session", "cdr", "charge", "message"} <= found["held"].keys()
        assert held(await dump(database_url), [UID, CONTRACT]) == [UID, CONTRACT]
        done: Mapping[str, Any] = {"hindrances": ["not tried"]}
        while done["hindrances"]:
            done = await yard.erase(**by)
        assert done["erased"]
        assert done["remarks"][0].startswith("The Token is its eMSP's, DE*MSP")
        stored = await dump(database_url)
        assert held(stored, [UID, CONTRACT]) == []
        assert held(stored, [OTHER]) == [OTHER]
        assert await logged(yard.admin, 0, token=UID) == []
        await yard.installation.run("push", "rewind", "msp")
        # What is told again comes behind what would have been told before it.
        await yard.admin.put("/tariffs/DE/CPO/TARIFF-9", json=samples.tariff(id="TARIFF-9"))
        await until(lambda: len(yard.emsp.documents("tariffs")) == 2)
        after = (await yard.admin.get("/cdrs")).json()
        again = await yard.erase(**by)
        audit = (await yard.admin.get("/push/audit")).json()
    assert [*yard.emsp.documents("cdrs"), *yard.emsp.documents("sessions")] == told
    assert again["held"] == {}
    assert (audit["overdue"], audit["waiting"]) == (0, 0)
    assert after["total"] == before["total"] == 2
    kept = ("id", "total_cost", "total_energy", "start_date_time", "charging_periods")
    for old, new in zip(before["cdrs"], after["cdrs"], strict=True):
        assert [old["cdr"][name] for name in kept] == [new["cdr"][name] for name in kept]
    assert yard.emsp.violations == []


async def test_who_still_charges_is_not_erased(database_url: str, tmp_path: Path) -> None:
    async with a_yard(database_url, tmp_path) as yard:
        await yard.start(UID, "T1", "EVSE-1")
        await until(lambda: len(yard.emsp.documents("sessions")) == 1)
        done = await yard.erase(token=UID)
        assert not done["erased"]
        assert any("goes on" in each for each in done["hindrances"])
        process = await yard.installation.start("gdpr", "erase", "--token", UID, "--yes")
        out, errors = await process.communicate()
        assert process.returncode == 1
        assert "nothing was erased" in errors.decode()
        assert "is ACTIVE" in out.decode()
        assert held(await dump(database_url, "session"), [UID]) == [UID]
        await yard.stop("T1")
        await until(lambda: len(yard.emsp.documents("cdrs")) == 1)
    (cdr,) = yard.emsp.documents("cdrs")
    assert cdr["cdr_token"]["uid"] == UID


async def test_a_bill_that_was_not_accepted_keeps_its_driver(
    database_url: str, tmp_path: Path
) -> None:
    async with a_yard(database_url, tmp_path) as yard:
        await yard.start(UID, "T1", "EVSE-1")
        await until(lambda: len(yard.emsp.documents("sessions")) == 1)
        answer = await yard.admin.post("/partners/msp/suspend")
        assert answer.is_success, answer.text
        await yard.stop("T1")
        done = await yard.erase(token=UID)
        assert not done["erased"]
        assert any("has not accepted the CDR" in each for each in done["hindrances"])
