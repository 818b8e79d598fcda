"""A price is negotiated: one partner sees, is pushed and pays another Tariff than all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from ocpi.spec.document import encode
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from tests.flows.process import Installation, offer, until

START = {"type": "start", "evse_uid": "EVSE-1", "connector_id": "1", "kwh": 0}


def tariff(name: str, price: float) -> dict[str, Any]:
    component = {"type": "ENERGY", "price": price, "vat": 20, "step_size": 1}
    return samples.tariff(id=name, elements=[{"price_components": [component]}])


async def publish(admin: httpx.AsyncClient) -> None:
    """One Location with a Tariff, another without, and a Tariff that no Connector names."""
    for name, price in (("LIST", 0.6), ("DEAL", 0.4)):
        await admin.put(f"/tariffs/DE/CPO/{name}", json=tariff(name, price))
    for name, ids in (("LOC-1", ["LIST"]), ("LOC-2", [])):
        evse = samples.evse(1, connectors=[samples.connector(1, tariff_ids=ids)])
        location = samples.location(id=name, evses=[evse])
        answer = await admin.put(f"/locations/DE/CPO/{name}", json=location)
        assert answer.is_success, answer.text


async def join(admin: httpx.AsyncClient, emsp: MockEMSP, **over: str) -> None:
    offered = await offer(admin, **over)
    await emsp.register(offered["versions_url"], offered["token"])


def held_ids(emsp: MockEMSP) -> list[str]:
    """The Tariffs of the one Connector, as the partner was pushed them."""
    (location,) = (each for each in emsp.documents("locations") if each["id"] == "LOC-1")
    ids: list[str] = location["evses"][0]["connectors"][0]["tariff_ids"]
    return ids


def held_tariffs(emsp: MockEMSP) -> set[str]:
    return {each["id"] for each in emsp.documents("tariffs")}


async def charge(admin: httpx.AsyncClient, emsp: MockEMSP, name: str, uid: str) -> dict[str, Any]:
    """Charge 10 kWh with a card; gives the one CDR that the partner is told."""
    known = {each["id"] for each in emsp.documents("cdrs")}
    start = {**START, "transaction_id": name, "token": {"uid": uid}}
    for report in (start, {"type": "stop", "transaction_id": name, "kwh": 10}):
        answer = await admin.post("/stations/LOC-1/reports", json=[report])
        assert answer.is_success, answer.text
    await until(lambda: len(emsp.documents("cdrs")) > len(known))
    (cdr,) = (each for each in emsp.documents("cdrs") if each["id"] not in known)
    return cdr


def priced(cdr: dict[str, Any]) -> tuple[list[str], set[str], Any]:
    """By which Tariffs, in which periods, and how much."""
    periods = {each["tariff_id"] for each in cdr["charging_periods"]}
    return [each["id"] for each in cdr["tariffs"]], periods, cdr["total_cost"]["excl_vat"]


async def open_up(admin: httpx.AsyncClient, emsp: MockEMSP, other: MockEMSP) -> None:
    """Have two partners with a card each, who hold all that there is."""
    await publish(admin)
    await join(admin, emsp)
    await join(admin, other, name="other", party="EMS")
    await emsp.push_token(samples.token(uid="CARD"))
    theirs = {"country_code": "DE", "party_id": "EMS", "contract_id": "DE-EMS-C1"}
    await other.push_token(samples.token(uid="OTHER", **theirs))
    await until(lambda: {len(each.documents("locations")) for each in (emsp, other)} == {2})
    await until(lambda: held_tariffs(emsp) == held_tariffs(other) == {"LIST", "DEAL"})


async def call_off(installation: Installation, emsp: MockEMSP) -> None:
    """Have the partner get the Tariff of all others again, by a later date."""
    dated = {each["id"]: each["last_updated"] for each in emsp.documents("locations")}
    await installation.run_json("partner", "tariff", "remove", "msp", "LIST")
    await until(lambda: held_ids(emsp) == ["LIST"])
    await until(lambda: held_tariffs(emsp) == {"LIST", "DEAL"})
    (back,) = (each for each in emsp.documents("locations") if each["id"] == "LOC-1")
    assert back["last_updated"] > dated["LOC-1"]


@pytest.mark.req("TR-22", "CD-13", "LO-03", "TA-03")
async def test_a_negotiated_price_is_seen_pushed_and_billed_and_nobody_else_sees_a_change(
    database_url: str, tmp_path: Path
) -> None:
    installation = Installation(database_url, tmp_path)
    emsp = MockEMSP((Party("DE", "MSP", "Test eMSP"),))
    other = MockEMSP((Party("DE", "EMS", "Other eMSP"),))
    async with (
        installation.serving(),
        installation.admin() as admin,
        running(emsp),
        running(other),
    ):
        await open_up(admin, emsp, other)
        before = await charge(admin, emsp, "T0", "CARD")
        assert priced(before) == (["LIST"], {"LIST"}, 6)
        # One session begins before the price is negotiated.
        early = {**START, "transaction_id": "T1", "token": {"uid": "CARD"}}
        await admin.post("/stations/LOC-1/reports", json=[early])

        words = ("partner", "tariff", "set", "msp", "LIST", "--instead", "DEAL")
        done = await installation.run_json(*words)
        assert (done["shown"], done["hidden"], done["told"]) == (0, 1, 2)
        await until(lambda: held_ids(emsp) == ["DEAL"] and held_tariffs(emsp) == {"DEAL"})
        reply = await emsp.ask("GET", "SENDER", "locations", "/LOC-1/EVSE-1/1")
        assert reply.data["tariff_ids"] == ["DEAL"]
        reply = await emsp.ask("GET", "SENDER", "tariffs")
        assert [each["id"] for each in reply.data] == ["DEAL"]

        # A change of the Location is told with its price, and so is a preview.
        await admin.patch("/locations/DE/CPO/LOC-1", json={"name": "New"})
        await until(lambda: "New" in {each.get("name") for each in emsp.documents("locations")})
        assert held_ids(emsp) == ["DEAL"]
        seen = await installation.run_json("partner", "preview", "msp", "locations")
        assert "its mapping gives it DEAL instead of LIST" in str(seen["totals"])
        verified = (await admin.post("/push/msp/verify")).json()
        assert verified["findings"] == []

        # What has begun keeps its price; what begins now has the negotiated one.
        await admin.post(
            "/stations/LOC-1/reports", json=[{"type": "stop", "transaction_id": "T1", "kwh": 10}]
        )
        await until(lambda: len(emsp.documents("cdrs")) == 2)
        assert {str(priced(each)) for each in emsp.documents("cdrs")} == {str(priced(before))}
        cdr = await charge(admin, emsp, "T2", "CARD")
        assert priced(cdr) == (["DEAL"], {"DEAL"}, 4)
        sessions = {each["id"]: each for each in emsp.documents("sessions")}
        assert sessions[cdr["session_id"]]["total_cost"]["excl_vat"] == 4
        checked = await installation.run_json("cdr", "check", str(saved(tmp_path, cdr)))
        assert checked["agrees"], checked

        # Nobody else sees or pays anything else.
        assert held_ids(other) == ["LIST"]
        assert held_tariffs(other) == {"LIST", "DEAL"}
        reply = await other.ask("GET", "SENDER", "locations", "/LOC-1/EVSE-1/1")
        assert reply.data["tariff_ids"] == ["LIST"]
        assert priced(await charge(admin, other, "T3", "OTHER")) == (["LIST"], {"LIST"}, 6)

        # The price is called off.
        await call_off(installation, emsp)
        assert priced(await charge(admin, emsp, "T4", "CARD")) == (["LIST"], {"LIST"}, 6)
    assert emsp.violations == []
    assert other.violations == []


def saved(folder: Path, cdr: dict[str, Any]) -> Path:
    path = folder / "cdr.json"
    path.write_text(encode(cdr))
    return path
