"""Messages that name nobody: the hub finds the one party that they are for, or says 4001."""

from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import update

from ocpi.catalogue import mounted
from ocpi.context import Context
from ocpi.gateway import Wish
from ocpi.headers import Party
from ocpi.hub.memory import KEPT, CarriedObject, forget_old
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, data_of
from tests.modules.commands.floor import FakeGateway
from tests.ocpi.hub.test_relay import routing_of, swapped
from tests.ocpi.hub.town import (
    CPO1,
    CPO2,
    CPO_SIDE,
    EMSP1,
    EMSP2,
    EMSP_SIDE,
    Member,
    Peer,
    Town,
    open_town,
    success,
)

BEC = {"country_code": "BE", "party_id": "BEC"}
OF_MSP = samples.cdr_token(country_code="DE", party_id="MSP")
LOCATION = samples.location(**BEC, id="LOC1")
TOKEN = samples.token(country_code="DE", party_id="MSP", uid="T/1")
SESSION = samples.session(**BEC, id="S1", cdr_token=OF_MSP)
CALLBACK = {"response_url": "https://emsp1.example/r"}


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        await opened.cpo1.send("PUT", "receiver/locations/BE/BEC/LOC1", LOCATION, to=HUB)
        await opened.emsp1.send("PUT", "receiver/tokens/DE/MSP/T%2F1", TOKEN, to=HUB)
        await opened.cpo1.send("PUT", "receiver/sessions/BE/BEC/S1", SESSION, to=EMSP1.party)
        reserve = {**CALLBACK, "reservation_id": "R1", "location_id": "LOC1"}
        opened.cpo1.answer = lambda _: success({"result": "ACCEPTED", "timeout": 30})
        await opened.emsp1.send("POST", "receiver/commands/RESERVE_NOW", reserve, to=CPO1.party)
        for peer in opened.peers.values():
            peer.seen.clear()
            peer.answer = lambda _: success()
        yield opened


FOUND: list[tuple[str, str, str, Any, str]] = [
    ("emsp1", "GET", "sender/locations/LOC1", None, "cpo1"),
    ("emsp1", "GET", "sender/locations/LOC1/EVSE-1", None, "cpo1"),
    ("cpo2", "POST", "sender/tokens/T%2F1/authorize", {"location_id": "X"}, "emsp1"),
    ("cpo2", "POST", "sender/tokens/t%2f1/authorize?type=RFID", None, "emsp1"),
    ("cpo1", "PUT", "receiver/sessions/BE/BEC/S2", {**SESSION, "id": "S2"}, "emsp1"),
    ("cpo1", "PATCH", "receiver/sessions/BE/BEC/S1", {"kwh": 2}, "emsp1"),
    ("cpo1", "GET", "receiver/sessions/BE/BEC/S1", None, "emsp1"),
    ("cpo1", "POST", "receiver/cdrs", samples.cdr(**BEC, cdr_token=OF_MSP), "emsp1"),
    (
        "emsp1",
        "POST",
        "receiver/commands/START_SESSION",
        {**CALLBACK, "location_id": "LOC1"},
        "cpo1",
    ),
    ("emsp1", "POST", "receiver/commands/STOP_SESSION", {**CALLBACK, "session_id": "S1"}, "cpo1"),
    (
        *("emsp1", "POST", "receiver/commands/CANCEL_RESERVATION"),
        {**CALLBACK, "reservation_id": "R1"},
        "cpo1",
    ),
    ("emsp1", "PUT", "receiver/chargingprofiles/S1", CALLBACK, "cpo1"),
    ("emsp1", "DELETE", "receiver/chargingprofiles/S1", None, "cpo1"),
    ("emsp1", "PUT", "sender/sessions/S1/charging_preferences", {}, "cpo1"),
    ("cpo1", "PUT", "sender/chargingprofiles/S1", {}, "emsp1"),
]


@pytest.mark.req("RT-33", "RT-34")
@pytest.mark.parametrize(
    ("sender", "method", "path", "body", "receiver"),
    FOUND,
    ids=[f"{row[1]} {row[2]}" for row in FOUND],
)
async def test_the_receiver_is_found_by_what_the_message_says(
    town: Town, sender: str, method: str, path: str, body: Any, receiver: str
) -> None:
    caller, target = town.peers[sender], town.peers[receiver]
    answer = await caller.send(method, path, body)
    assert codes_of(answer) == (200, 1000), answer.text
    (seen,) = target.seen
    assert seen.routing == (target.member.party, caller.member.party)
    assert routing_of(answer) == swapped(caller.member.party, target.member.party)
    assert not [peer for peer in _others(town, sender, receiver) if peer.seen]


def _others(town: Town, *names: str) -> list[Peer]:
    return [peer for name, peer in town.peers.items() if name not in names]


@pytest.mark.req("RT-35")
@pytest.mark.parametrize(
    ("sender", "method", "path", "body"),
    [
        ("emsp1", "GET", "sender/locations/ELSEWHERE", None),
        ("emsp1", "GET", "sender/tariffs/T1", None),
        ("cpo1", "POST", "sender/tokens/UNKNOWN/authorize", None),
        ("cpo1", "PATCH", "receiver/sessions/BE/BEC/S9", {"kwh": 1}),
        ("cpo1", "POST", "receiver/cdrs", {}),
        ("cpo1", "POST", "receiver/cdrs", {"cdr_token": "odd"}),
        ("emsp2", "POST", "receiver/commands/STOP_SESSION", {**CALLBACK, "session_id": "S1"}),
        ("emsp2", "PUT", "receiver/chargingprofiles/S1", {}),
        ("emsp1", "POST", "receiver/commands/START_SESSION", {**CALLBACK, "location_id": "NO"}),
        ("emsp1", "POST", "receiver/commands/UNLOCK_CONNECTOR", {}),
        ("emsp1", "GET", "sender/custom/1", None),
        ("cpo1", "GET", "receiver/locations/BE/BEC/LOC1", None),
    ],
)
async def test_where_nothing_tells_one_party_it_is_4001(
    town: Town, sender: str, method: str, path: str, body: Any
) -> None:
    answer = await town.peers[sender].send(method, path, body)
    assert codes_of(answer) == (200, 4001)
    assert not [peer for peer in town.peers.values() if peer.seen]


@pytest.mark.req("RT-33")
@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs", "tokens"])
async def test_a_list_of_nobody_in_particular_is_refused(town: Town, module: str) -> None:
    assert codes_of(await town.emsp1.send("GET", f"sender/{module}")) == (200, 2001)


async def test_an_id_that_two_owners_use_tells_nobody(town: Town) -> None:
    twin = {**LOCATION, "country_code": "FR", "party_id": "FRC"}
    await town.cpo2.send("PUT", "receiver/locations/FR/FRC/LOC1", twin, to=HUB)
    assert codes_of(await town.emsp1.send("GET", "sender/locations/LOC1")) == (200, 4001)


@pytest.mark.req("RT-33", "RT-34", "HC-12")
async def test_who_has_left_stands_in_nobodys_way_with_what_it_shared(town: Town) -> None:
    """Its stations have gone to another CPO, say, with their ids."""
    for codes, peer in ((BEC, town.cpo1), ({"country_code": "FR", "party_id": "FRC"}, town.cpo2)):
        place = f"{codes['country_code']}/{codes['party_id']}"
        for module, document in (
            ("locations", {**LOCATION, **codes}),
            ("tariffs", samples.tariff(**codes, id="T1")),
        ):
            at = f"receiver/{module}/{place}/{document['id']}"
            assert codes_of(await peer.send("PUT", at, document, to=HUB))[1] == 1000
    start = {**CALLBACK, "location_id": "LOC1", "token": TOKEN}
    asked = (
        ("GET", "sender/locations/LOC1", None),
        ("GET", "sender/tariffs/T1", None),
        ("POST", "receiver/commands/START_SESSION", start),
    )
    for suspended, code in ((False, 4001), (True, 1000)):
        await town.set_partner("cpo2", suspended=suspended)
        for message in asked:
            assert codes_of(await town.emsp1.send(*message)) == (200, code)
    assert (len(town.cpo1.seen), town.cpo2.seen) == (len(asked), [])


@pytest.mark.req("RT-33", "RT-34", "RT-38")
async def test_what_is_found_is_also_a_party_of_the_senders_codes_on_another_connection(
    database_url: str,
) -> None:
    """What is listed to an eMSP of our CPO's codes, or of another one's, can be asked for so."""
    both = (*CPO_SIDE, *EMSP_SIDE)
    members = (
        CPO1,
        Member("emsp_of_cpo1", (("EMSP", CPO1.party),), both),
        Member("emsp_of_ours", (("EMSP", OURS),), both),
    )
    async with open_town(database_url, members) as town:
        own = samples.location(country_code="NL", party_id="TNM", id="OURS")
        stored = await town.admin.put("/admin/locations/NL/TNM/OURS", content=encode(own))
        assert stored.status_code == 201, stored.text
        await town.cpo1.send("PUT", "receiver/locations/BE/BEC/LOC1", LOCATION, to=HUB)
        token = samples.token(**BEC, uid="T1")
        await town.emsp_of_cpo1.send("PUT", "receiver/tokens/BE/BEC/T1", token, to=HUB)
        asked = (
            ("emsp_of_cpo1", "GET", "sender/locations/LOC1"),
            ("emsp_of_ours", "GET", "sender/locations/OURS"),
            ("cpo1", "POST", "sender/tokens/T1/authorize"),
        )
        for name, method, path in asked:
            answer = await town.peers[name].send(method, path)
            assert codes_of(answer) == (200, 1000), answer.text
        # On its own connection nobody is asked for what it has itself.
        answer = await town.cpo1.send("GET", "sender/locations/LOC1")
        assert codes_of(answer) == (200, 4001)


async def test_a_session_of_ours_leads_to_us(town: Town) -> None:
    own = samples.session(country_code="NL", party_id="TNM", id="OWN", cdr_token=OF_MSP)
    stored = await town.admin.put("/admin/sessions/NL/TNM/OWN", content=encode(own))
    assert stored.status_code == 201, stored.text
    stop = {**CALLBACK, "session_id": "OWN"}
    answer = await town.emsp1.send("POST", "receiver/commands/STOP_SESSION", stop)
    assert routing_of(answer) == swapped(EMSP1.party, OURS)
    assert (
        codes_of(await town.emsp2.send("POST", "receiver/commands/STOP_SESSION", stop))[1] == 4001
    )


async def own_session(town: Town, owner: Party, identifier: str, driver: dict[str, str]) -> None:
    token = samples.cdr_token(**driver)
    codes = {"country_code": owner.country_code, "party_id": owner.party_id}
    document = samples.session(**codes, id=identifier, cdr_token=token)
    at = f"/admin/sessions/{owner.country_code}/{owner.party_id}/{identifier}"
    stored = await town.admin.put(at, content=encode(document))
    assert stored.status_code == 201, stored.text


BY_SESSION = [
    ("POST", "receiver/commands/STOP_SESSION", {**CALLBACK, "session_id": "S1"}),
    ("PUT", "receiver/chargingprofiles/S1", CALLBACK),
    ("PUT", "sender/sessions/S1/charging_preferences", {}),
]


@pytest.mark.req("RT-34", "RT-35")
@pytest.mark.parametrize(("method", "path", "body"), BY_SESSION, ids=[row[1] for row in BY_SESSION])
async def test_a_session_of_ours_of_anothers_driver_does_not_hide_one_that_was_carried(
    town: Town, method: str, path: str, body: Any
) -> None:
    """An id is unique with its CPO alone (AT-40)."""
    await own_session(town, OURS, "S1", {"country_code": "GB", "party_id": "EMS"})
    answer = await town.emsp1.send(method, path, body)
    assert routing_of(answer) == swapped(EMSP1.party, CPO1.party)
    assert len(town.cpo1.seen) == 1


@pytest.mark.req("RT-35")
@pytest.mark.parametrize(("method", "path", "body"), BY_SESSION, ids=[row[1] for row in BY_SESSION])
async def test_a_session_that_we_and_another_cpo_have_of_one_emsp_tells_nobody(
    town: Town, method: str, path: str, body: Any
) -> None:
    await own_session(town, OURS, "S1", {"country_code": "DE", "party_id": "MSP"})
    answer = await town.emsp1.send(method, path, body)
    assert codes_of(answer) == (200, 4001), answer.text
    assert not town.cpo1.seen


async def test_of_two_parties_of_ours_the_one_with_a_session_of_the_senders_driver_is_meant(
    database_url: str,
) -> None:
    two = Party("NL", "TWO")
    async with open_town(database_url, ours=(OURS, two)) as town:
        await own_session(town, OURS, "S1", {"country_code": "GB", "party_id": "EMS"})
        await own_session(town, two, "S1", {"country_code": "DE", "party_id": "MSP"})
        stop = {**CALLBACK, "session_id": "S1"}
        answer = await town.emsp1.send("POST", "receiver/commands/STOP_SESSION", stop)
        assert routing_of(answer) == swapped(EMSP1.party, two)
        await own_session(town, two, "S2", {"country_code": "DE", "party_id": "MSP"})
        await own_session(town, OURS, "S2", {"country_code": "DE", "party_id": "MSP"})
        answer = await town.emsp1.send(
            "POST", "receiver/commands/STOP_SESSION", {**stop, "session_id": "S2"}
        )
        assert codes_of(answer) == (200, 4001)


HIDING = {"number": 1, "module": "locations", "hide": True}


@pytest.mark.req("RT-35")
async def test_what_rules_hide_is_as_unknown_as_none_and_stands_in_nobodys_way(town: Town) -> None:
    for identifier in ("OURS", "LOC2"):
        own = samples.location(country_code="NL", party_id="TNM", id=identifier, country="NLD")
        stored = await town.admin.put(f"/admin/locations/NL/TNM/{identifier}", content=encode(own))
        assert stored.status_code == 201, stored.text
    theirs = samples.location(**BEC, id="LOC2", country="BEL")
    await town.cpo1.send("PUT", "receiver/locations/BE/BEC/LOC2", theirs, to=HUB)
    await town.set_partner("emsp1", rules=[{**HIDING, "country": "NLD"}])
    town.cpo1.seen.clear()
    start = {**CALLBACK, "token": TOKEN}
    where = "receiver/commands/START_SESSION"
    for identifier, code in (("OURS", 4001), ("NONE", 4001), ("LOC2", 1000)):
        answer = await town.emsp1.send("GET", f"sender/locations/{identifier}")
        assert codes_of(answer) == (200, code)
        answer = await town.emsp1.send("POST", where, {**start, "location_id": identifier})
        assert codes_of(answer) == (200, code)
    assert len(town.cpo1.seen) == 2
    answer = await town.emsp2.send("GET", "sender/locations/OURS")
    assert routing_of(answer) == swapped(EMSP2.party, OURS)


REFUSED: list[dict[str, Any]] = [
    {"data": {"result": "REJECTED", "timeout": 0}},
    {"data": {"result": "NOT_SUPPORTED", "timeout": 0}, "envelope": {"status_code": 1001}},
    {"data": {"result": "ACCEPTED", "timeout": 30}, "envelope": {"status_code": 2003}},
    {"data": ["ACCEPTED"]},
    {},
]


@pytest.mark.req("RT-35")
@pytest.mark.parametrize("refusal", REFUSED)
async def test_a_reservation_that_was_refused_is_nobodys(
    town: Town, refusal: dict[str, Any]
) -> None:
    reserve = {**CALLBACK, "reservation_id": "R2", "location_id": "LOC1"}
    where, away = "receiver/commands/RESERVE_NOW", "receiver/commands/CANCEL_RESERVATION"
    cancel = {**CALLBACK, "reservation_id": "R2"}
    town.cpo1.answer = lambda _: success(**refusal)
    await town.emsp1.send("POST", where, reserve, to=CPO1.party)
    assert codes_of(await town.emsp1.send("POST", away, cancel)) == (200, 4001)
    town.cpo2.answer = lambda _: success({"result": "ACCEPTED", "timeout": 30})
    await town.emsp1.send("POST", where, reserve, to=CPO2.party)
    assert routing_of(await town.emsp1.send("POST", away, cancel)) == swapped(
        EMSP1.party, CPO2.party
    )


@pytest.mark.req("RT-35")
async def test_a_session_that_its_receiver_refused_is_nobodys(town: Town) -> None:
    twin = {**SESSION, "country_code": "FR", "party_id": "FRC"}
    town.emsp1.answer = lambda _: success(envelope={"status_code": 2001})
    await town.cpo2.send("PUT", "receiver/sessions/FR/FRC/S1", twin, to=EMSP1.party)
    stop = {**CALLBACK, "session_id": "S1"}
    answer = await town.emsp1.send("POST", "receiver/commands/STOP_SESSION", stop)
    assert routing_of(answer) == swapped(EMSP1.party, CPO1.party)
    town.emsp1.answer = lambda _: success(envelope={"status_code": "1000"})
    await town.cpo2.send("PUT", "receiver/sessions/FR/FRC/S1", twin, to=EMSP1.party)
    answer = await town.emsp1.send("POST", "receiver/commands/STOP_SESSION", stop)
    assert codes_of(answer) == (200, 4001)


async def test_what_is_carried_every_day_is_found_however_long_the_process_runs(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = town.context.database
    stop = {**CALLBACK, "session_id": "S1"}
    later = monotonic() + KEPT / 1_000_000
    monkeypatch.setattr("ocpi.hub.memory.monotonic", lambda: later)
    async with database.write() as db:
        await db.exec(update(CarriedObject).values(seen_at=CarriedObject.seen_at - KEPT - 1))
    await town.cpo1.send("PUT", "receiver/sessions/BE/BEC/S1", SESSION, to=EMSP1.party)
    async with database.write() as db:
        await forget_old(db)
    answer = await town.emsp1.send("POST", "receiver/commands/STOP_SESSION", stop)
    assert routing_of(answer) == swapped(EMSP1.party, CPO1.party)


@pytest.mark.req("RT-34", "RT-35", "CM-22")
async def test_a_reservation_of_ours_is_called_off_with_us_and_not_elsewhere(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.ocpi.hub.town.mounted", with_stations)
    async with open_town(database_url) as town:
        place = samples.location(country_code="NL", party_id="TNM", id="OURS")
        for evse in place["evses"]:
            evse["capabilities"] = ["RESERVABLE"]
        stored = await town.admin.put("/admin/locations/NL/TNM/OURS", content=encode(place))
        assert stored.status_code == 201, stored.text
        reserve = {
            **CALLBACK,
            "token": TOKEN,
            "expiry_date": "2099-01-01T00:00:00Z",
            "reservation_id": "R1",
            "location_id": "OURS",
        }
        where, away = "receiver/commands/RESERVE_NOW", "receiver/commands/CANCEL_RESERVATION"
        accepted = await town.emsp1.send("POST", where, reserve)
        assert data_of(accepted)["result"] == "ACCEPTED", accepted.text
        cancel = {**CALLBACK, "reservation_id": "r1"}
        answer = await town.emsp1.send("POST", away, cancel)
        assert routing_of(answer) == swapped(EMSP1.party, OURS)
        assert codes_of(await town.emsp2.send("POST", away, cancel))[1] == 4001
        town.cpo1.answer = lambda _: success({"result": "ACCEPTED", "timeout": 30})
        await town.emsp1.send("POST", where, reserve, to=CPO1.party)
        town.cpo1.seen.clear()
        assert codes_of(await town.emsp1.send("POST", away, cancel))[1] == 4001
        assert not town.cpo1.seen


def with_stations(context: Context) -> Context:
    """Give the context of a service whose stations can be asked for everything."""
    return mounted(replace(context, gateway=FakeGateway(list(Wish))))
