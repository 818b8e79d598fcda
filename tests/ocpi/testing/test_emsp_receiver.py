"""What is pushed to the mock is stored as OCPI has it, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi.testing import samples
from ocpi.testing.mock.state import State
from ocpi.testing.mock.wire import Answer, Incoming, ok
from tests.ocpi.testing.caller import Caller, codes

LATER = "2026-02-01T00:00:00Z"
LATEST = "2026-03-01T00:00:00Z"
LOCATION = "locations/DE/CPO/LOC-1"


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (LOCATION, samples.location()),
        ("tariffs/DE/CPO/TARIFF-1", samples.tariff()),
        ("sessions/DE/CPO/SESSION-1", samples.session()),
    ],
)
async def test_an_object_is_created_then_replaced_and_read_back_whole(
    cpo: Caller, path: str, document: dict[str, Any]
) -> None:
    extended = {**document, "x_future": {"kept": [1, "two"]}}
    assert codes(await cpo.put(path, extended)) == (201, 1000)
    assert await cpo.read(path) == extended
    assert codes(await cpo.put(path, document)) == (200, 1000)
    assert await cpo.read(path) == document
    assert cpo.mock.violations == []


async def test_numbers_come_back_as_they_were_sent(cpo: Caller) -> None:
    session = samples.session(kwh="EXACT", id="SESSION-1")
    text = str(session).replace("'EXACT'", "0.10").replace("'", '"')
    await cpo.ask("PUT", "receiver/sessions/DE/CPO/SESSION-1", content=text)
    response = await cpo.ask("GET", "receiver/sessions/DE/CPO/SESSION-1")
    assert '"kwh":0.10,' in response.text


async def test_ids_may_hold_a_slash_and_are_compared_without_case(cpo: Caller) -> None:
    tariff = samples.tariff(id="Night/Day 50%")
    assert codes(await cpo.put("tariffs/de/cpo/night%2Fday%2050%25", tariff)) == (201, 1000)
    assert await cpo.read("tariffs/DE/CPO/NIGHT%2FDAY%2050%25/") == tariff


async def test_evses_and_connectors_are_put_inside_and_move_what_is_around_them(
    cpo: Caller,
) -> None:
    await cpo.put(LOCATION, samples.location())
    new = samples.evse(4, last_updated=LATER)
    assert codes(await cpo.put(f"{LOCATION}/EVSE-4", new)) == (201, 1000)
    plug = samples.connector(1, max_amperage=16, last_updated=LATEST)
    assert codes(await cpo.put(f"{LOCATION}/EVSE-4/1", plug)) == (200, 1000)
    inside = {**new, "connectors": [plug, samples.connector(2)], "last_updated": LATEST}
    evses = [*samples.location()["evses"], inside]
    assert await cpo.read(LOCATION) == samples.location(evses=evses, last_updated=LATEST)
    assert await cpo.read(f"{LOCATION}/evse-4") == inside
    assert await cpo.read(f"{LOCATION}/EVSE-4/1") == plug
    assert cpo.mock.violations == []


async def test_a_patch_changes_what_it_names_at_each_level(cpo: Caller) -> None:
    await cpo.put(LOCATION, samples.location())
    for path, changes in (
        (LOCATION, {"name": "Renamed", "last_updated": LATER}),
        (f"{LOCATION}/EVSE-1", {"status": "CHARGING", "last_updated": LATER}),
        (f"{LOCATION}/EVSE-1/2", {"tariff_ids": [], "last_updated": LATEST}),
    ):
        assert codes(await cpo.patch(path, changes)) == (200, 1000)
    plugs = [samples.connector(1), samples.connector(2, tariff_ids=[], last_updated=LATEST)]
    evse = samples.evse(1, status="CHARGING", connectors=plugs, last_updated=LATEST)
    evses = [evse, samples.evse(2), samples.evse(3)]
    expected = samples.location(name="Renamed", evses=evses, last_updated=LATEST)
    assert await cpo.read(LOCATION) == expected
    assert cpo.mock.violations == []


async def test_an_older_change_inside_does_not_move_the_parents_back(cpo: Caller) -> None:
    await cpo.put(LOCATION, samples.location(last_updated=LATEST))
    await cpo.patch(f"{LOCATION}/EVSE-1", {"status": "CHARGING", "last_updated": LATER})
    assert (await cpo.read(LOCATION))["last_updated"] == LATEST
    assert cpo.mock.violations == []


async def test_a_patch_adds_charging_periods_and_a_put_replaces_them(cpo: Caller) -> None:
    path = "sessions/DE/CPO/SESSION-1"
    await cpo.put(path, samples.session())
    period = samples.charging_period("2026-01-15T09:30:00Z", 2.5)
    changes = {"kwh": 13, "charging_periods": [period], "last_updated": LATER}
    assert codes(await cpo.patch(path, changes)) == (200, 1000)
    periods = [samples.charging_period(), period]
    expected = samples.session(kwh=13, charging_periods=periods, last_updated=LATER)
    assert await cpo.read(path) == expected
    await cpo.patch(path, {"charging_periods": [], "last_updated": LATER})
    assert await cpo.read(path) == expected
    replaced = samples.session(charging_periods=[], last_updated=LATEST)
    await cpo.put(path, replaced)
    assert await cpo.read(path) == replaced


async def test_a_tariff_is_deleted_once(cpo: Caller) -> None:
    await cpo.put("tariffs/DE/CPO/TARIFF-1", samples.tariff())
    answers = [await cpo.ask("DELETE", "receiver/tariffs/DE/CPO/TARIFF-1") for _ in range(2)]
    assert [codes(answer) for answer in answers] == [(200, 1000), (404, 2000)]
    assert cpo.mock.objects["tariffs"] == {}


async def test_a_cdr_is_stored_once_and_found_at_its_location(cpo: Caller) -> None:
    answers = [await cpo.ask("POST", "receiver/cdrs", samples.cdr()) for _ in range(2)]
    other = await cpo.ask("POST", "receiver/cdrs", samples.cdr(total_energy=11))
    assert [codes(answer) for answer in answers] == [(201, 1000), (200, 1000)]
    url = "http://emsp.test/ocpi/2.2.1/receiver/cdrs/DE/CPO/CDR-1"
    assert [answer.headers["location"] for answer in answers] == [url, url]
    assert codes(other) == (200, 2001)
    assert (await cpo.http.get(url, headers=cpo.headers())).json()["data"] == samples.cdr()
    assert len(cpo.mock.violations) == 1


@pytest.mark.parametrize(
    ("method", "path", "document", "status_code"),
    [
        ("GET", LOCATION, None, 2003),
        ("GET", f"{LOCATION}/EVSE-1", None, 2003),
        ("GET", "sessions/DE/CPO/SESSION-1", None, 2000),
        ("GET", "cdrs/DE/CPO/CDR-1", None, 2000),
        ("PUT", f"{LOCATION}/EVSE-1", samples.evse(1), 2003),
        ("PUT", f"{LOCATION}/EVSE-1/1", samples.connector(1), 2003),
        ("PATCH", LOCATION, {"last_updated": LATER}, 2003),
        ("PATCH", "sessions/DE/CPO/SESSION-1", {"last_updated": LATER}, 2000),
        ("GET", "locations/DE/CPO", None, 2000),
        ("GET", "nonsense/DE/CPO/1", None, 2000),
    ],
)
async def test_what_is_not_there_is_404(
    cpo: Caller, method: str, path: str, document: Any, status_code: int
) -> None:
    response = await cpo.ask(method, f"receiver/{path}", document)
    assert codes(response) == (404, status_code)
    assert "data" not in response.json()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"receiver/{LOCATION}"),
        ("DELETE", f"receiver/{LOCATION}"),
        ("POST", "receiver/sessions/DE/CPO/SESSION-1"),
        ("DELETE", "receiver/sessions/DE/CPO/SESSION-1"),
        ("PATCH", "receiver/tariffs/DE/CPO/TARIFF-1"),
        ("POST", "receiver/tariffs/DE/CPO/TARIFF-1"),
        ("PUT", "receiver/cdrs/DE/CPO/CDR-1"),
        ("PATCH", "receiver/cdrs/DE/CPO/CDR-1"),
        ("DELETE", "receiver/cdrs/DE/CPO/CDR-1"),
        ("PUT", "sender/tokens"),
        ("GET", "sender/tokens/04A1B2C3D4E5F6/authorize"),
        ("PATCH", "credentials"),
    ],
)
async def test_a_method_that_the_module_does_not_have_is_405(
    cpo: Caller, method: str, path: str
) -> None:
    assert codes(await cpo.ask(method, path)) == (405, 2000)
    assert len(cpo.mock.violations) == 1


async def test_every_answer_repeats_the_ids_and_turns_the_addresses_round(cpo: Caller) -> None:
    for path in (LOCATION, "nonsense"):
        response = await cpo.ask(
            "GET",
            f"receiver/{path}",
            headers={
                "X-Request-ID": f"request {path}",
                "X-Correlation-ID": "correlation",
                "OCPI-from-country-code": "DE",
                "OCPI-from-party-id": "CPO",
            },
        )
        assert response.headers["x-request-id"] == f"request {path}"
        assert response.headers["x-correlation-id"] == "correlation"
        assert set(response.json()) == {"status_code", "status_message", "timestamp"}
    response = await cpo.ask(
        "GET",
        f"receiver/{LOCATION}",
        headers={"OCPI-from-country-code": "de", "OCPI-from-party-id": "cpo"},
    )
    turned = [response.headers[f"ocpi-{name}"] for name in ("to-party-id", "from-party-id")]
    assert turned == ["CPO", "MSP"]


async def test_a_further_module_is_one_more_entry_of_interfaces(cpo: Caller) -> None:
    async def take_result(_state: State, incoming: Incoming) -> Answer:
        return ok(list(incoming.rest))

    cpo.mock.interfaces = {("sender", "commands"): {("POST", 2): take_result}}
    response = await cpo.ask("POST", "sender/commands/START_SESSION/1", {"result": "ACCEPTED"})
    assert response.json()["data"] == ["START_SESSION", "1"]
