"""What a station reports becomes Sessions and CDRs, whatever goes wrong, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from modules.locations.own import patch_own, put_own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.stations.reports.examples import EXAMPLES
from ocpi.headers import Party
from ocpi.spec.moments import format_moment, moment_of
from ocpi.testing import samples
from tests.house import (
    OURS,
    SENDER,
    add_party,
    data_of,
)
from tests.modules.stations.reports.yard import (
    TARIFF,
    UID,
    Receiver,
    Yard,
    at,
    energy_of,
    meter,
    open_yard,
    start,
    station,
    stop,
)


@pytest.fixture
async def yard(database_url: str) -> AsyncIterator[Yard]:
    async with open_yard(database_url) as opened:
        yield opened


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url) as opened:
        yield opened


@pytest.mark.req("SE-09", "SE-12", "SE-20", "SE-23", "CD-13")
async def test_a_session_is_put_then_patched_then_put_and_billed(yard: Yard) -> None:
    emsp = Receiver(yard)
    for report in (
        start(),
        meter(moment=at(5), kwh=101),
        meter(moment=at(10), kwh=103, state="PARKED"),
        meter(moment=at(10, 30), power_kw=0),
        meter(moment=at(20), kwh=103, state="CHARGING"),
        stop(kwh=105, moment=at(30)),
    ):
        assert [each["result"] for each in await yard.report(report)] == ["taken"]
        await emsp.listen()
    # The fourth was not told: half a minute after the third nobody waits for it.
    assert emsp.methods == ["PUT", "PATCH", "PATCH", "PATCH", "PUT"]
    session, cdr = await yard.session(), await yard.cdr()
    assert session == data_of(await yard.service.partner.get(LIST))[0]
    assert session["cdr_token"] == cdr["cdr_token"] == samples.cdr_token()
    assert session["kwh"] == energy_of(session) == cdr["total_energy"] == 5
    assert (session["total_cost"], cdr["id"]) == (cdr["total_cost"], session["id"])
    assert data_of(await yard.service.partner.get(f"{SENDER}/cdrs")) == [cdr]


LIST = f"{SENDER}/sessions?date_from=2020-01-01T00:00:00Z"


@pytest.mark.req("CD-13")
async def test_what_the_start_fixed_stays_whatever_is_changed_later(local: Yard) -> None:
    await local.report(start())
    dearer = TARIFF | {
        "elements": [{"price_components": [{"type": "FLAT", "price": 99, "step_size": 1}]}]
    }
    await local.put_tariff(dearer)
    async with local.database.write() as db:
        await patch_own(db, OURS, Place("LOC-1"), {"name": "Renamed"})
    await local.add_token(contract_id="DE-MSP-OTHER")
    await local.report(stop(kwh=105))
    cdr = await local.cdr()
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.50")
    assert cdr["cdr_location"]["name"] == station()["name"]
    assert cdr["cdr_token"] == samples.cdr_token()


@pytest.mark.req("CD-13")
@pytest.mark.parametrize("change", ["changed", "deleted", "others"])
async def test_a_session_that_is_reported_late_costs_what_it_did_when_it_began(
    yard: Yard, change: str
) -> None:
    dearer = {"elements": [{"price_components": [{"type": "FLAT", "price": 99, "step_size": 1}]}]}
    admin, connector = yard.service.admin, "/admin/locations/NL/TNM/LOC-1/EVSE-1/1"
    if change == "changed":
        for price in (dearer, {"tariff_alt_url": "https://example.com"}):
            changed = await admin.patch("/admin/tariffs/NL/TNM/TARIFF-1", json=price)
            assert changed.status_code == 200, changed.text
    else:
        other = await admin.put(
            "/admin/tariffs/NL/TNM/DEAR", json={**TARIFF, **dearer, "id": "DEAR"}
        )
        assert other.status_code == 201, other.text
        for ids in (["DEAR"], []):
            changed = await admin.patch(connector, json={"tariff_ids": ids})
            assert changed.status_code == 200, changed.text
    if change == "deleted":
        place = "/admin/locations/NL/TNM/LOC-1"
        for evse in (await admin.get(place)).json()["evses"]:
            for each in evse["connectors"]:
                await admin.patch(f"{place}/{evse['uid']}/{each['id']}", json={"tariff_ids": []})
        assert (await admin.delete("/admin/tariffs/NL/TNM/TARIFF-1")).status_code == 204
    await yard.report(start(), stop(kwh=105))
    cdr = await yard.cdr()
    assert cdr["total_cost"]["excl_vat"] == Decimal("3.50")
    [listed] = await yard.listed()
    assert listed["notes"] == []
    # Who begins now pays what holds now.
    now = moment_of(await yard.now())
    since, until = format_moment(now), format_moment(now + timedelta(minutes=2))
    await yard.report(start("t2", since), stop("t2", until, kwh=105))
    [_, cdr] = await yard.cdrs()
    assert cdr["total_cost"]["excl_vat"] == (99 if change == "changed" else 0)


@pytest.mark.req("SE-14", "CD-08")
async def test_nothing_that_comes_after_the_bill_changes_it(yard: Yard) -> None:
    await yard.report(start(), meter(kwh=103), stop(kwh=105))
    session, cdr = await yard.session(), await yard.cdr()
    late = (
        (start(), "repeated"),
        (stop(kwh=105), "repeated"),
        (stop(kwh=107), "kept"),
        (meter(moment=at(15), kwh=104), "kept"),
        (meter(moment=at(45), kwh=110), "kept"),
        (stop(moment=at(50), kwh=110), "kept"),
        (start(moment=at(50), evse_uid="EVSE-2"), "kept"),
    )
    for report, result in late:
        [outcome] = await yard.report(report)
        assert outcome["result"] == result, report
    assert (await yard.session(), await yard.cdr()) == (session, cdr)
    [listed] = await yard.listed()
    assert len(listed["notes"]) == 5


async def test_a_session_whose_reports_come_backwards_is_the_same(yard: Yard) -> None:
    reports = [start(), meter(moment=at(10), kwh=102), meter(kwh=104), stop(kwh=105)]
    for report in reversed(reports):
        await yard.report(report)
    cdr = await yard.cdr()
    assert (cdr["total_energy"], (await yard.session())["status"]) == (5, "COMPLETED")
    assert [each["trouble"] for each in await yard.listed()] == [None]


async def test_reports_without_a_start_are_kept_until_it_comes(yard: Yard) -> None:
    outcomes = await yard.report(meter(kwh=103), stop(kwh=105))
    assert [each["result"] for each in outcomes] == ["kept", "kept"]
    assert await yard.sessions() == []
    [listed] = await yard.listed(trouble=True)
    assert listed["trouble"] == "Its start was not reported."
    [outcome] = await yard.report(start())
    assert outcome["cdr_id"] == (await yard.cdr())["id"]
    assert await yard.listed(trouble=True) == []


async def test_a_station_that_was_offline_reports_the_start_with_the_stop(yard: Yard) -> None:
    begun = {"evse_uid": "evse-1", "at": at(0), "token": {"uid": UID.lower()}, "kwh": 100}
    [outcome] = await yard.report(stop(kwh=105, start=begun))
    cdr = await yard.cdr()
    assert (outcome["result"], outcome["cdr_id"]) == ("taken", cdr["id"])
    assert (cdr["total_energy"], cdr["cdr_location"]["evse_uid"]) == (5, "EVSE-1")


async def test_ids_are_compared_without_regard_to_case(yard: Yard) -> None:
    await yard.report(start("Tx-1", evse_uid="evse-1"), stop("TX-1", kwh=105))
    session = await yard.session()
    assert (session["evse_uid"], session["status"]) == ("EVSE-1", "COMPLETED")
    answer = await yard.service.admin.post("/admin/stations/loc-1/reports", json=stop("tX-1"))
    assert answer.json()["results"][0]["result"] == "repeated"


async def test_signed_meter_data_goes_into_the_cdr(local: Yard) -> None:
    signed = {
        "encoding_method": "OCMF",
        "signed_values": [{"nature": "END", "plain_data": "a\nb", "signed_data": "OCMF|{}|{}"}],
    }
    await local.report(start(meter_id="M-1"), stop(kwh=105, signed_data=signed))
    cdr = await local.cdr()
    assert (cdr["signed_data"], cdr["meter_id"]) == (signed, "M-1")


async def test_a_wrong_report_of_a_list_is_refused_alone(yard: Yard) -> None:
    outcomes = await yard.report(
        start("a"),
        {"type": "nonsense"},
        start("b", evse_uid="NOWHERE"),
        start("c", evse_uid="EVSE-3"),
        stop("d", start={"evse_uid": "EVSE-2", "connector_id": "9", "at": at(0)}),
        stop("a", kwh=105),
    )
    assert [each["result"] for each in outcomes] == [
        "taken",
        *["refused"] * 4,
        "taken",
    ]
    assert [each["note"] for each in outcomes[2:5]] == [
        "Location LOC-1 has no EVSE NOWHERE.",
        "connector_id: EVSE EVSE-3 has several: 1, 2",
        "EVSE EVSE-2 has no Connector 9.",
    ]
    assert len(await yard.cdrs()) == 1
    assert len(await yard.charges()) == 1


BAD: list[tuple[Any, int, str]] = [
    ("{", 400, "The body is not JSON"),
    (b"\xff\x00", 400, "The body is not JSON"),
    ('{"type": "start\\u0000"}', 400, "NUL"),
    ("null", 400, "one JSON object"),
    ([{"type": "boot"}] * 1001, 400, "1001 reports are more than 1000"),
    (start(kwh=-1), 400, "kwh: Input should be greater than or equal to 0"),
    (start(at="9999-12-31T23:59:59Z"), 400, "at: 9999-12-31T23:59:59Z is yet to come"),
    (start(evse_uid="NOWHERE"), 400, "has no EVSE NOWHERE"),
    ({"type": "status", "evse_uid": "X", "status": "CHARGING"}, 400, "has no EVSE X"),
    ({"type": "status", "evse_uid": "EVSE-1", "status": "DREAMING"}, 400, "status: "),
    ({"type": "profile", "transaction_id": "x", "profile": {}}, 400, "profile"),
    ({"type": "result", "id": "x", "result": "ACCEPTED"}, 400, "asked nothing under x"),
    ({"type": "reservation_dropped", "reservation_id": 2**31 - 1}, 400, "holds no 2147483647"),
]


@pytest.mark.parametrize(("body", "status", "sentence"), BAD)
async def test_a_single_wrong_report_is_answered_with_400_and_the_reason(
    local: Yard, body: Any, status: int, sentence: str
) -> None:
    answer = await local.post(body)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["error"]
    assert (await local.sessions(), await local.charges()) == ([], [])


async def test_a_station_is_a_location_of_one_of_our_parties(local: Yard) -> None:
    post = local.service.admin.post
    answer = await post("/admin/stations/NOWHERE/reports", json=[])
    assert (answer.status_code, "no station NOWHERE" in answer.json()["error"]) == (404, True)
    other = Party("NL", "TWO")
    await add_party(local.database, other)
    async with local.database.write() as db:
        body = station(party_id="TWO")
        await put_own(db, other, Place("LOC-1"), body)
    answer = await local.post([])
    assert "NL*TNM, NL*TWO have LOC-1" in answer.json()["error"]
    for query in ("?party_id=two", "?country_code=nl&party_id=TNM"):
        answer = await post(f"/admin/stations/LOC-1/reports{query}", json=[])
        assert (answer.status_code, answer.json()) == (200, {"results": []})
    answer = await local.service.stranger.post("/admin/stations/LOC-1/reports", json=[])
    assert answer.status_code == 401


async def test_statuses_are_told_and_late_ones_are_not_applied(yard: Yard) -> None:
    def status(word: str, **over: Any) -> dict[str, Any]:
        return {"type": "status", "evse_uid": "evse-1", "status": word, **over}

    outcomes = await yard.report(
        status("CHARGING"), status("CHARGING"), status("AVAILABLE", at="2020-01-01T00:00:00Z")
    )
    assert [each["result"] for each in outcomes] == ["taken", "repeated", "kept"]
    assert outcomes[2]["note"].startswith("Older than what is known since")
    evse = data_of(await yard.service.partner.get(f"{SENDER}/locations/LOC-1/EVSE-1"))
    assert evse["status"] == "CHARGING"
    soon = format_moment(moment_of(await yard.now()) + timedelta(minutes=1))
    [outcome] = await yard.report(status("AVAILABLE", at=soon))
    assert outcome["result"] == "taken"


async def test_a_status_is_late_by_when_the_status_was_told_and_by_nothing_else(
    yard: Yard,
) -> None:
    url = "/admin/locations/NL/TNM/LOC-1"

    async def status(word: str, minutes: int) -> str:
        moment = moment_of(await yard.now()) - timedelta(minutes=minutes)
        told = {"type": "status", "evse_uid": "EVSE-1", "at": format_moment(moment)}
        [outcome] = await yard.report({**told, "status": word})
        return str(outcome["result"])

    async def edit(place: str, changes: dict[str, Any]) -> None:
        assert (await yard.service.admin.patch(f"{url}{place}", json=changes)).status_code == 200

    await edit("/EVSE-1/1", {"tariff_ids": ["OTHER"]})
    assert await status("OUTOFORDER", 5) == "taken"
    assert (await yard.service.admin.get(f"{url}/EVSE-1")).json()["status"] == "OUTOFORDER"
    await edit("/EVSE-1", {"floor_level": "1"})
    assert await status("CHARGING", 6) == "kept"
    # It came later than the one before; what counts is when it was so.
    assert await status("AVAILABLE", 4) == "taken"
    await edit("/EVSE-1", {"status": "BLOCKED"})
    assert await status("CHARGING", 3) == "kept"


async def test_a_status_is_taken_whatever_date_ahead_is_stored(yard: Yard) -> None:
    ahead = {"last_updated": "2099-01-01T00:00:00Z"}
    async with yard.database.write() as db:
        document = await locations.lock(db, OURS, "LOC-1")
        assert document is not None
        evses = [{**evse, **ahead} for evse in document["evses"]]
        await locations.put(db, OURS, "LOC-1", {**document, **ahead, "evses": evses})
    for word in ("CHARGING", "AVAILABLE"):
        moment = format_moment(moment_of(await yard.now()))
        told = {"type": "status", "evse_uid": "EVSE-1", "status": word, "at": moment}
        [outcome] = await yard.report(told)
        assert outcome["result"] == "taken"


async def test_a_report_without_a_moment_is_dated_now(local: Yard) -> None:
    before = moment_of(await local.now())
    await local.report(start(moment=None), stop(moment=None, kwh=101))
    cdr = await local.cdr()
    assert cdr["start_date_time"] >= format_moment(before.replace(microsecond=0))


@pytest.mark.req("LO-13")
async def test_an_evse_that_is_removed_stays_so_whatever_its_station_says(local: Yard) -> None:
    async with local.database.write() as db:
        await patch_own(db, OURS, Place("LOC-1", "EVSE-1"), {"status": "REMOVED"})
    [outcome] = await local.report({"type": "status", "evse_uid": "EVSE-1", "status": "AVAILABLE"})
    assert (outcome["result"], outcome["note"]) == ("kept", "This EVSE is removed for good.")


ODD: tuple[Any, ...] = (
    *(None, "", "\n", "x" * 20_000, "\u00e9", "#NA", "2026-02-30T00:00:00Z"),
    *(-1, 0, True, 10**19, Decimal("1e-30")),
    *([], {}, [None], {"type": {}}, [{"uid": []}]),
)


async def test_no_odd_value_in_any_field_of_any_report_is_a_crash(local: Yard) -> None:
    documents = [
        {**example, name: value}
        for example in EXAMPLES.values()
        for name in example
        for value in ODD
    ]
    results = await local.report(*documents)
    assert len(results) == len(documents)
    assert {each["result"] for each in results} == {"taken", "repeated", "kept", "refused"}
    assert all(each.get("note") for each in results if each["result"] == "refused")
    await local.sessions()
    await local.cdrs()
