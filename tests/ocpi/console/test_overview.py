"""The overview counts what is there, cheaply."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select

import ocpi.console.glance
from modules.cdrs.own import credit_of
from modules.cdrs.store import CDRRow, cdrs, erasable
from modules.locations.own import patch_own, put_own
from modules.locations.parts import Place
from modules.locations.store import LocationRow, locations
from modules.sessions.own import put_own as put_session
from ocpi.alarms.alarm import Alarm
from ocpi.console.glance import Glances
from ocpi.database import clock
from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.spec.document import decode, encode, whole
from ocpi.spec.moments import format_moment, moment_of
from ocpi.testing import samples
from tests.house import OURS, OWNER, Service
from tests.modules.stations.reports.yard import Yard, furnish, start
from tests.ocpi.console.desk import desk_of


def exact(document: dict[str, Any]) -> Document:
    read: Document = decode(encode(document))
    return read


async def publish(service: Service, *statuses: str, number: int = 1) -> None:
    evses = [samples.evse(1) | {"uid": f"E{n}", "status": each} for n, each in enumerate(statuses)]
    location = samples.location(**OWNER, id=f"LOC{number}", evses=evses)
    async with service.database.write() as db:
        await put_own(db, OURS, Place(location["id"]), exact(location))


async def bill(service: Service, number: int, **over: Any) -> Document:
    async with service.database.write() as db:
        now = format_moment(moment_of(await clock(db)))
        cdr = exact(samples.cdr(**OWNER, id=f"CDR{number}", **{"last_updated": now, **over}))
        await cdrs.put(db, OURS, cdr["id"], cdr)
    return cdr


async def test_evses_are_counted_by_status(any_service: Service) -> None:
    await publish(any_service, "AVAILABLE", "AVAILABLE", "CHARGING", "REMOVED")
    await publish(any_service, "AVAILABLE", "INOPERATIVE", number=2)
    async with any_service.database.write() as db:
        theirs = exact(samples.location(country_code="DE", party_id="XYZ"))
        await locations.put(db, Party("DE", "XYZ"), theirs["id"], theirs)
    glance = await Glances(any_service.context).get()
    assert glance.evses == {"AVAILABLE": 3, "CHARGING": 1, "INOPERATIVE": 1}
    assert glance.others == 3


async def test_counts_follow_each_change(any_service: Service) -> None:
    await publish(any_service, "AVAILABLE", "AVAILABLE")
    async with any_service.database.write() as db:
        await patch_own(db, OURS, Place("LOC1", "E0"), {"status": "CHARGING"})
    assert (await Glances(any_service.context).get()).evses == {"AVAILABLE": 1, "CHARGING": 1}
    async with any_service.database.read() as db:
        assert (await db.exec(select(LocationRow.statuses))).one() == '{"AVAILABLE":1,"CHARGING":1}'


async def test_only_sessions_that_run_are_counted_with_their_energy(any_service: Service) -> None:
    for number, status in enumerate(("ACTIVE", "ACTIVE", "COMPLETED", "PENDING")):
        session = samples.session(**OWNER, id=f"S{number}", status=status, kwh=1.25)
        await put_session(any_service.database, OURS, session["id"], exact(session))
    glance = await Glances(any_service.context).get()
    assert (glance.charging, glance.charging_kwh) == (2, Decimal("2.5"))


async def test_sessions_that_could_not_be_billed_are_shown_with_what_lists_them(
    any_service: Service,
) -> None:
    assert (await Glances(any_service.context).get()).troubled == 0
    await furnish(any_service.database)
    yard = Yard(any_service)
    await yard.report(start("known"), start("unknown", token={"uid": "NEW"}))
    assert (await Glances(any_service.context).get()).troubled == 1
    async with desk_of(any_service) as desk:
        page = " ".join((await desk.browser.get("/console")).text.split())
    assert '<span class="figure">1</span> could not be told or billed' in page
    assert "<code>ocpi station charges --trouble</code>" in page


async def test_the_bills_of_today_are_summed_up_by_currency(any_service: Service) -> None:
    first = await bill(any_service, 1, total_cost={"excl_vat": 1.0001})
    await bill(any_service, 2, total_cost={"excl_vat": 2.5, "incl_vat": 3})
    await bill(any_service, 3, currency="GBP")
    await bill(any_service, 4, last_updated="2020-01-01T00:00:00Z")
    bills = (await Glances(any_service.context).get()).bills
    assert (bills.count, bills.kwh) == (3, Decimal("31.5"))
    assert bills.costs == {"EUR": Decimal("3.5001"), "GBP": Decimal("5.25")}
    credit = credit_of(first, "CREDIT") | {"last_updated": first["last_updated"]}
    async with any_service.database.write() as db:
        await cdrs.put(db, OURS, "CREDIT", credit)
    bills = (await Glances(any_service.context).get()).bills
    assert (bills.count, bills.kwh, bills.costs["EUR"]) == (4, Decimal(21), Decimal("2.5"))


async def test_bills_of_others_are_not_ours(any_service: Service) -> None:
    await bill(any_service, 1)
    async with any_service.database.write() as db, erasable(db):
        row = (await db.exec(select(CDRRow))).one()
        row.owner = "de*xyz"
    assert (await Glances(any_service.context).get()).bills.count == 0


@pytest.mark.parametrize(
    ("number", "parts", "count"),
    [
        (Decimal("1.2345"), 1000, 1234),
        (3, 1000, 3000),
        (Decimal("-0.5"), 10_000, -5000),
        (Decimal("1E30"), 1000, 10**12),
        (-(10**31), 1000, -(10**12)),
        (None, 1000, 0),
        ("7", 1000, 0),
    ],
)
def test_numbers_fit_into_a_column(number: object, parts: int, count: int) -> None:
    assert whole(number, parts) == count


async def test_counting_reads_no_document(service: Service) -> None:
    """A million documents could not be read each second; indexes hold all that is needed."""
    queries = (
        "SELECT owner, statuses, count(*) FROM location GROUP BY owner, statuses",
        """SELECT currency, count(*), sum(wh), sum(cost) FROM cdr
            WHERE owner IN ('nl*tnm') AND last_updated >= 1 GROUP BY currency""",
    )
    for query in queries:
        rows = await service.database.fetch(query, text(f"EXPLAIN QUERY PLAN {query}"), {})
        assert "USING COVERING INDEX" in str([tuple(row) for row in rows])


@pytest.mark.parametrize(
    ("kind", "subject", "url"),
    [
        ("partner_down", "Example eMSP", "/console/partners/Example%20eMSP"),
        ("cdr_without_receipt", "", "/console/deliveries?audit=1"),
        ("auth_failures", "", "/console/messages"),
    ],
)
async def test_an_alarm_is_shown_with_the_page_on_which_it_is_seen_to(
    any_service: Service, kind: str, subject: str, url: str
) -> None:
    async with any_service.database.write() as db:
        times = {"raised_at": 1, "seen_at": 1}
        db.add(Alarm(kind=kind, subject=subject, sentence="<b>no</b> answer", **times))
        db.add(Alarm(kind="database", subject="", sentence="over", cleared_at=2, **times))
    (alarm,) = (await Glances(any_service.context).get()).alarms
    assert (alarm.sentence, alarm.url) == ("<b>no</b> answer", url)
    async with desk_of(any_service) as desk:
        page = (await desk.browser.get("/console")).text
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "<b>no" not in page


async def test_the_page_shows_the_counts(service: Service) -> None:
    await publish(service, *["AVAILABLE"] * 1200)
    await bill(service, 1, total_cost={"excl_vat": 1234.5})
    async with desk_of(service) as desk:
        page = " ".join((await desk.browser.get("/console")).text.split())
    assert '<span class="figure">1,200</span> <span class="badge available">AVAILABLE' in page
    assert '<span class="figure">1,234.50 EUR</span>' in page
    assert "No partner has registered yet." in page


async def test_all_who_ask_share_a_look_until_something_changes(service: Service) -> None:
    glances = Glances(service.context)
    shared = await asyncio.gather(*(glances.get() for _ in range(20)))
    assert all(each is shared[0] for each in shared)
    await publish(service, "AVAILABLE")
    newer = await asyncio.gather(*(glances.get() for _ in range(20)))
    assert all(each is newer[0] for each in newer)
    assert newer[0].evses == {"AVAILABLE": 1}


async def test_what_no_change_tells_of_is_looked_at_now_and_then(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.console.glance, "STALE", 0.0)
    glances = Glances(service.context)
    assert await glances.get() is not await glances.get()


async def test_a_look_that_failed_is_taken_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_given: Any, **_named: Any) -> None:
        raise OSError("away")

    glances = Glances(service.context)
    with monkeypatch.context() as patch:
        patch.setattr(ocpi.console.glance, "lane_status", fail)
        with pytest.raises(OSError, match="away"):
            await glances.get()
    assert (await glances.get()).evses == {}
