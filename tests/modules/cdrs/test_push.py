"""Whom Sessions and CDRs are told to, in which order, and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select

from ocpi.headers import Party
from ocpi.push.lanes import Receipt, rewind_lane
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import OWNER, Service, open_service
from tests.modules.cdrs.receiving import register, told_by, until_nobody_is_behind
from tests.ocpi.push.world import until

ONE, TWO = Party("DE", "ONE"), Party("DE", "TWO")
SESSION = "/admin/sessions/NL/TNM/SESSION-1"
TOLD_SESSION = "sessions/NL/TNM/SESSION-1"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


def driver_of(party: Party, document: dict[str, Any], **over: Any) -> dict[str, Any]:
    token = samples.cdr_token(country_code=party.country_code, party_id=party.party_id)
    return {**document, **OWNER, "cdr_token": token, **over}


def session(party: Party = ONE, **over: Any) -> dict[str, Any]:
    return driver_of(party, samples.session(), **over)


def cdr(party: Party = ONE, **over: Any) -> dict[str, Any]:
    return driver_of(party, samples.cdr(), **over)


async def receipts(service: Service) -> list[Receipt]:
    async with service.database.read() as db:
        return list((await db.exec(select(Receipt).order_by(Receipt.object_key))).all())


@pytest.mark.req("SE-09", "CD-06")
async def test_sessions_and_cdrs_go_to_the_emsp_of_their_token_and_to_nobody_else(
    service: Service,
) -> None:
    for name, party in (("one", ONE), ("two", TWO)):
        await register(service, name, party)
    async with told_by(service) as wire:
        await service.admin.put(SESSION, json=session())
        await service.admin.post("/admin/cdrs", json=cdr(TWO, id="CDR-2", session_id="S-2"))
        await until_nobody_is_behind(service)
    assert wire.to("one.example") == [f"PUT {TOLD_SESSION}"]
    assert wire.to("two.example") == ["POST cdrs"]
    (told,) = [message for message in wire.sent if message.host == "one.example"]
    assert told.body == decode(encode(session()))
    routing = {name: value for name, value in told.headers.items() if name.startswith("ocpi-")}
    assert routing == {
        "ocpi-to-country-code": "DE",
        "ocpi-to-party-id": "ONE",
        "ocpi-from-country-code": "NL",
        "ocpi-from-party-id": "TNM",
    }


@pytest.mark.req("SE-09", "SE-11")
async def test_a_session_is_put_then_patched_with_what_is_new(service: Service) -> None:
    await register(service, "one", ONE)
    period = samples.charging_period("2026-01-15T10:00:00Z", 2.5)
    async with told_by(service) as wire:
        await service.admin.put(SESSION, json=session())
        await until_nobody_is_behind(service)
        await service.admin.patch(SESSION, json={"kwh": 13, "charging_periods": [period]})
        await until_nobody_is_behind(service)
    assert wire.to("one.example") == [f"PUT {TOLD_SESSION}", f"PATCH {TOLD_SESSION}"]
    patch = wire.sent[1].body
    assert patch.pop("last_updated") > session()["last_updated"]
    assert patch == decode(encode({"kwh": 13, "charging_periods": [period]}))


async def test_a_cdr_waits_for_its_party_to_register_and_is_then_told_once(
    service: Service,
) -> None:
    await register(service, "two", TWO)
    async with told_by(service) as wire:
        await service.admin.post("/admin/cdrs", json=cdr())
        await until_nobody_is_behind(service)
        assert wire.sent == []
        partner_id = await register(service, "one", ONE)
        await until_nobody_is_behind(service)
        assert [str(message) for message in wire.sent] == ["POST cdrs"]
        async with service.database.write() as db:
            await rewind_lane(db, partner_id)
        await service.admin.put("/admin/tariffs/NL/TNM/T", json=samples.tariff(**OWNER, id="T"))
        await until(lambda: "PUT tariffs/NL/TNM/T" in wire.to("one.example"))
        await until_nobody_is_behind(service)
    assert wire.to("one.example").count("POST cdrs") == 1
    (receipt,) = await receipts(service)
    assert (receipt.partner, receipt.url) == ("one", "https://one.example/cdrs/CDR-1")


@pytest.mark.pitfall("IP-18")
async def test_a_cdr_is_never_in_flight_together_with_its_session(service: Service) -> None:
    await register(service, "one", ONE)
    async with told_by(service) as wire:
        # One that has answered before is sent more than one at a time.
        for number in range(2):
            await service.admin.put(
                f"/admin/tariffs/NL/TNM/T{number}", json=samples.tariff(**OWNER, id=f"T{number}")
            )
            await until_nobody_is_behind(service)
        for turn in range(3):
            wire.open.clear()
            name = f"S-{turn}"
            url = SESSION.replace("SESSION-1", name)
            await service.admin.put(url, json=session(id=name))
            await until(lambda: len(wire.under_way) == 1)
            end = {"status": "COMPLETED", "end_date_time": "2026-01-15T10:00:00Z"}
            await service.admin.patch(url, json=end)
            body = cdr(id=f"CDR-{turn}", session_id=name)
            await service.admin.post("/admin/cdrs", json=body)
            # Another party's business shows that the lane goes on meanwhile.
            other = f"/admin/tariffs/NL/TNM/T-{turn}"
            await service.admin.put(other, json=samples.tariff(**OWNER, id=f"T-{turn}"))
            await until(lambda: len(wire.under_way) == 2)
            assert not any(message.startswith("POST") for message in wire.under_way)
            wire.open.set()
            await until_nobody_is_behind(service)
    for together in wire.together:
        kinds = {message.partition(" ")[2].partition("/")[0] for message in together}
        assert not kinds >= {"sessions", "cdrs"}
    of_the_first = [
        (message.method, message.body["status"] if message.method != "POST" else None)
        for message in wire.sent
        if message.path == "sessions/NL/TNM/S-0" or (message.body or {}).get("id") == "CDR-0"
    ]
    assert of_the_first[-1] == ("POST", None)
    assert of_the_first[-2][1] == "COMPLETED"


@pytest.mark.req("CD-09")
async def test_a_credit_cdr_does_not_displace_its_original_in_the_feed(service: Service) -> None:
    await service.admin.put(SESSION, json=session())
    await service.admin.post("/admin/cdrs", json=cdr())
    await service.admin.post("/admin/cdrs/NL/TNM/CDR-1/credit")
    async with told_by(service) as wire:
        await register(service, "one", ONE)
        await until_nobody_is_behind(service)
    assert [message.body["id"] for message in wire.sent] == ["SESSION-1", "CDR-1", "CDR-1-C"]
    urls = [receipt.url for receipt in await receipts(service)]
    assert urls == ["https://one.example/cdrs/CDR-1", "https://one.example/cdrs/CDR-1-C"]
    (second, first) = (await service.admin.get("/admin/cdrs")).json()["cdrs"]
    assert [each["receipts"][0]["partner"] for each in (first, second)] == ["one", "one"]
