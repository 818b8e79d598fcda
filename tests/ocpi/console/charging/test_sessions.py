"""The pages of sessions: the search, and one of them whole."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlmodel import select

from ocpi.parties import Partner, PartnerEndpoint
from ocpi.push.lanes import ParkedObject, PartnerLane, open_lane
from ocpi.testing import samples
from tests.house import OCPI, OURS, codes_of
from tests.ocpi.console.charging.browsing import Console
from tests.ocpi.console.charging.objects import (
    MARKUP,
    store_cdr,
    store_location,
    store_session,
    store_tariff,
)

ONE = "/console/sessions/NL/TNM/SESSION-1"
UID = samples.token()["uid"]


async def test_without_sessions_the_list_says_so(console: Console) -> None:
    assert "There are no sessions here." in await console.viewer.text("/console/sessions")


async def test_sessions_are_found_by_each_field(console: Console) -> None:
    await store_session(console.database)
    token = samples.cdr_token(uid="OTHER_1")
    await store_session(
        console.database,
        id="S-2",
        location_id="LOC-2",
        status="COMPLETED",
        end_date_time="2026-02-01T10:00:00Z",
        last_updated="2026-02-01T10:00:00Z",
        cdr_token=token,
    )
    for query, found in (
        ("", ["SESSION-1", "S-2"]),
        ("session=session", ["SESSION-1"]),
        (f"token={UID.lower()}", ["SESSION-1"]),
        (f"token={UID[:-1]}", []),
        ("token=OTHER_1", ["S-2"]),
        ("token=OTHERx1", []),
        ("location=loc-2", ["S-2"]),
        ("location=LOC", []),
        ("status=COMPLETED", ["S-2"]),
        ("since=2026-01-16", ["S-2"]),
        ("until=2026-01-15", ["SESSION-1"]),
        ("since=2026-01-15&until=2026-02-01", ["SESSION-1", "S-2"]),
        ("since=2026-01-16&status=ACTIVE", []),
    ):
        page = await console.operator.page(f"/console/sessions?{query}")
        ids = [each for each in ("SESSION-1", "S-2") if f"/console/sessions/NL/TNM/{each}" in page]
        assert ids == found, query


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            "status=GONE",
            "status: 'GONE' is none of ACTIVE, COMPLETED, INVALID, PENDING, RESERVATION.",
        ),
        ("since=2026-02-30", "since: '2026-02-30' is no day such as 2026-01-31."),
        ("until=9999-12-31", "until: '9999-12-31' is no day such as 2026-01-31."),
    ],
)
async def test_what_cannot_be_looked_for_is_said_and_kept(
    console: Console, query: str, sentence: str
) -> None:
    page = await console.viewer.page(f"/console/sessions?session=kept&{query}", 400)
    assert sentence in unescape(page)
    assert 'value="kept"' in page


async def test_a_session_shows_its_cost_its_timeline_its_cdr_and_its_curve(
    console: Console,
) -> None:
    periods = [
        samples.charging_period(),
        samples.charging_period("2026-01-15T09:15:00Z", kwh=5),
    ]
    await store_session(console.database, charging_periods=periods)
    await store_cdr(console.database)
    page = await console.operator.page(ONE)
    words = await console.operator.text(ONE)
    assert "Cost so far EUR 5.25 without VAT" in words
    assert "Charging period 1: 10.5 kWh, 0.5 h charging, by the tariff TARIFF-1." in words
    assert "CDR-1 : EUR 5.25 without VAT, accepted by nobody yet." in words
    curve = re.search(r"data-curve='([^']*)'", page)
    assert curve is not None
    assert curve[1] == (
        "[[1768467600, 1768468500, 1768469400], [42.0, 20.0, 20.0], [0.0, 10.5, 15.5]]"
    )


async def test_a_viewer_sees_the_end_of_a_token_and_an_operator_all_of_it(
    console: Console,
) -> None:
    await store_session(console.database)
    await store_location(console.database)
    contract = samples.token()["contract_id"]
    for path in ("/console/sessions", ONE, "/console/stations/NL/TNM/LOC-1"):
        hidden = await console.viewer.page(path)
        assert f"••••{UID[-4:]}" in hidden
        assert UID not in hidden
        assert contract not in hidden
        assert UID in await console.operator.page(path)


async def test_a_session_tells_who_was_told_of_it(console: Console) -> None:
    await store_session(console.database)
    assert "Example eMSP unregistered" in await console.viewer.text(ONE)
    async with console.database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "Example eMSP"))).one()
        await open_lane(db, partner.key)
    assert "Example eMSP no endpoint It has none that receives sessions." in (
        await console.viewer.text(ONE)
    )
    async with console.database.write() as db:
        endpoint = {"identifier": "sessions", "role": "RECEIVER", "url": "https://emsp.example"}
        db.add(PartnerEndpoint(partner_id=partner.key, **endpoint))
    assert "Example eMSP waiting It waits for its turn." in await console.viewer.text(ONE)
    async with console.database.write() as db:
        lane = (await db.exec(select(PartnerLane))).one()
        lane.cursors = {"money": 1}
    assert "Example eMSP told" in await console.viewer.text(ONE)
    async with console.database.write() as db:
        db.add(
            ParkedObject(
                partner_id=partner.key,
                object_key=f"sessions/{OURS.key}*session-1",
                seq=1,
                kind="rejected",
                attempts=2,
                error="It says <no>.",
                first_failed_at=0,
            )
        )
    words = await console.viewer.text(ONE)
    assert "Example eMSP parked 2 tries (rejected). It says <no>." in words


async def test_what_a_station_reported_makes_the_curve_and_the_notes(console: Console) -> None:
    await store_location(console.database)
    await store_tariff(console.database)
    put = f"{OCPI}/receiver/tokens/DE/MSP/{UID}"
    assert codes_of(await console.service.partner.put(put, json=samples.token()))[1] == 1000
    about = {"transaction_id": "7"}
    token = {"uid": UID, "type": "RFID"}
    where = {"evse_uid": "EVSE-1", "connector_id": "1"}
    start = {"at": "2026-03-01T10:00:00Z", **where, "token": token, "kwh": 100}
    reports = [
        {"type": "start", **about, **start},
        {"type": "meter", **about, "at": "2026-03-01T10:30:00Z", "kwh": 111},
        {"type": "meter", **about, "at": "2026-03-01T10:15:00Z", "kwh": 90},
    ]
    answer = await console.service.admin.post("/admin/stations/LOC-1/reports", json=reports)
    session_id = answer.json()["results"][0]["session_id"]
    path = f"/console/sessions/NL/TNM/{session_id}"
    page = await console.viewer.page(path)
    assert "data-curve='[[1772359200, 1772361000], [22.0, 22.0], [0.0, 11.0]]'" in page
    words = await console.viewer.text(path)
    assert "The station reported the start." in words
    assert "The meter fell to 90 kWh at 2026-03-01T10:15:00Z: not used." in words


async def test_an_unknown_session_is_named(console: Console) -> None:
    words = await console.viewer.text("/console/sessions/NL/TNM/NONE", 404)
    assert "There is no Session NONE of NL*TNM." in words


async def test_what_a_partner_writes_is_never_markup(console: Console) -> None:
    tokens = samples.cdr_token(contract_id=MARKUP[:36])
    await store_session(console.database, cdr_token=tokens, authorization_reference="'><b>x</b>")
    page = await console.operator.page(ONE)
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page
