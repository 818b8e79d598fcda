"""CDRs that nobody has accepted are found, whatever the push believes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from sqlalchemy import JSON, delete, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.audit import audit
from modules.cdrs.auditing import Auditor, CDRAudit, claim_hour, report
from modules.cdrs.store import CDRRow, erasable
from ocpi.agreements import Agreement
from ocpi.crew import on_duty
from ocpi.database import clock
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import ParkedObject, PartnerLane, Receipt
from ocpi.testing import samples
from tests.house import CPO, OWNER, RECEIVING, Service, open_service
from tests.modules.cdrs.receiving import register, told_by, until_nobody_is_behind
from tests.ocpi.push.world import until

ONE, TWO = Party("DE", "ONE"), Party("DE", "TWO")


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


async def post(service: Service, name: str, party: Party = ONE, **over: Any) -> None:
    token = samples.cdr_token(country_code=party.country_code, party_id=party.party_id)
    body = {**samples.cdr(id=name), **OWNER, "cdr_token": token, **over}
    answer = await service.admin.post("/admin/cdrs", json=body)
    assert answer.status_code == 201, answer.text


async def reasons(service: Service) -> dict[str, str]:
    found = await audit(service.context)
    return {f"{each['partner']}: {each['id']}": each["why"] for each in found.cdrs}


async def change(service: Service, *statements: Any) -> None:
    async with service.database.write() as db, erasable(db):
        for statement in statements:
            await db.exec(statement)


async def test_what_is_accepted_or_fresh_or_for_nobody_here_is_not_listed(
    service: Service,
) -> None:
    await register(service, "one", ONE)
    for name in ("CDR-1", "CDR 2/b%", "".join(map(chr, range(33, 64))), "[\\]^_`{|}~"):
        await post(service, name)
    await post(service, "FOREIGN", Party("FR", "XXX"))
    async with told_by(service):
        await until_nobody_is_behind(service)
    assert await reasons(service) == {}
    async with service.database.write() as db:
        now = await clock(db)
        await db.exec(delete(Receipt))
    assert len(await reasons(service)) == 4
    await change(service, update(CDRRow).values(last_updated=now))
    assert await reasons(service) == {}
    # A date that lies ahead tells no age.
    await change(service, update(CDRRow).values(last_updated=now + 10**12))
    assert len(await reasons(service)) == 4


async def test_a_receipt_of_an_id_that_looks_encoded_is_not_taken_for_another_s(
    service: Service,
) -> None:
    await register(service, "one", ONE)
    for name in ("A B", "A%20B"):
        await post(service, name)
    async with told_by(service):
        await until_nobody_is_behind(service)
    await change(service, delete(Receipt).where(col(Receipt.object_key).contains("%2520")))
    assert list(await reasons(service)) == ["one: A%20B"]


async def test_each_says_why_as_far_as_the_push_knows(service: Service) -> None:
    one = await register(service, "one", ONE)
    two = await register(service, "two", TWO)
    await post(service, "CDR-1")
    await post(service, "CDR-2", TWO)

    async def why() -> str:
        return (await reasons(service))["one: CDR-1"]

    assert await why() == "The partner is behind: it waits for its turn."
    async with service.database.write() as db:
        await _park(db, one, "cdrs/nl*tnm*cdr-1")
    assert await why() == "Parked (rejected) after 3 tries. HTTP 400"
    await change(service, delete(ParkedObject), _lane(one, cursors={"money": 99}))
    assert "counts as told, a defect" in await why()
    await change(service, _lane(one, breaker={"reason": "auth", "sentence": "HTTP 401"}))
    assert await why() == "Nothing is sent. The partner does not accept our token. HTTP 401"
    await change(service, _lane(one, breaker=None), delete(SyncObject))
    assert "not in the feed" in await why()
    await change(service, delete(PartnerLane).where(col(PartnerLane.partner_id) == one))
    assert "no lane" in await why()
    found = await audit(service.context)
    assert (found.overdue, found.waiting) == (2, 0)
    await change(service, delete(PartnerEndpoint).where(col(PartnerEndpoint.partner_id) == one))
    assert await why() == (
        "It offers no endpoint that receives CDRs, or one that is not approved: see "
        "`ocpi partner show one`."
    )
    await change(service, update(Partner).where(col(Partner.id) == one).values(token_out=None))
    assert "not registered" in await why()
    await change(service, update(Partner).where(col(Partner.id) == two).values(suspended=True))
    assert "`ocpi partner resume two`" in (await reasons(service))["two: CDR-2"]
    found = await audit(service.context, limit=1)
    assert (found.overdue, found.waiting, len(found.cdrs)) == (0, 2, 1)


def _lane(partner_id: int, **values: Any) -> Any:
    return update(PartnerLane).where(col(PartnerLane.partner_id) == partner_id).values(**values)


async def _park(db: AsyncSession, partner_id: int, key: str) -> None:
    facts: Any = {"seq": 1, "kind": "rejected", "attempts": 3, "error": "HTTP 400"}
    row = ParkedObject(partner_id=partner_id, object_key=key, first_failed_at=0, **facts)
    db.add(row)


async def test_through_the_hub_the_cdrs_of_those_are_missing_who_may_be_told_there(
    database_url: str,
) -> None:
    async with open_service(database_url, offers=RECEIVING) as service:
        await post(service, "CDR-1")
        async with service.database.write() as db:
            partner = (await db.exec(select(Partner).where(Partner.name == "Example CPO"))).one()
            partner.token_out = "sealed"
            partner_id = partner.key
            db.add(partner)
            endpoint = {"identifier": "cdrs", "role": "RECEIVER", "url": "https://hub.example"}
            db.add(PartnerEndpoint(partner_id=partner_id, **endpoint))
            behind: Any = {"party": ONE.key, "country_code": "DE", "party_id": "ONE"}
            state: Any = {"status": "CONNECTED", "last_updated": 0}
            db.add(AnnouncedParty(partner_id=partner_id, role="EMSP", **behind, **state))
        # Only a hub speaks for those that it announces.
        assert await reasons(service) == {}
        await change(service, update(PartnerRole).where(_is(CPO)).values(role="HUB"))
        assert list(await reasons(service)) == ["Example CPO: CDR-1"]
        await change(service, update(AnnouncedParty).values(status="OFFLINE"))
        assert list(await reasons(service)) == ["Example CPO: CDR-1"]
        async with service.database.write() as db:
            parties = {"from_party": OWNER_KEY, "to_party": ONE.key, "module": "cdrs"}
            db.add(Agreement(**parties, allowed=False, created_at=0))
        assert await reasons(service) == {}
        await change(service, delete(Agreement))
        await register(service, "one", ONE)
        assert list(await reasons(service)) == ["one: CDR-1"]


async def behind_a_hub(service: Service) -> None:
    """Have the partner of the hub be one itself, that tells of ONE and is told CDRs."""
    async with service.database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "Example CPO"))).one()
        partner.token_out, partner.passed_at = "sealed", 1
        db.add(partner)
        endpoint = {"identifier": "cdrs", "role": "RECEIVER", "url": "https://hub.example"}
        db.add(PartnerEndpoint(partner_id=partner.key, **endpoint))
        behind: Any = {"party": ONE.key, "country_code": "DE", "party_id": "ONE"}
        state: Any = {"status": "CONNECTED", "last_updated": 0}
        db.add(AnnouncedParty(partner_id=partner.key, role="EMSP", **behind, **state))
        await db.exec(update(PartnerRole).where(_is(CPO)).values(role="HUB"))


async def test_a_bill_is_overdue_at_the_hub_where_its_party_s_own_connection_takes_none(
    database_url: str,
) -> None:
    async with open_service(database_url, offers=RECEIVING) as service:
        await post(service, "CDR-1")
        await behind_a_hub(service)
        one = await register(service, "one", ONE, {"locations": "https://one.example/locations"})
        found = await audit(service.context)
        assert [(each["partner"], each["overdue"]) for each in found.cdrs] == [
            ("Example CPO", True),
            ("one", False),
        ]
        # What it does not receive but send is no endpoint for them either.
        async with service.database.write() as db:
            lists = {"identifier": "cdrs", "role": "SENDER", "url": "https://one.example/cdrs"}
            db.add(PartnerEndpoint(partner_id=one, **lists))
        assert (await audit(service.context)).overdue == 1


async def test_a_bill_is_overdue_at_the_hub_while_its_party_s_own_connection_is_to_be_checked(
    database_url: str,
) -> None:
    async with open_service(database_url, offers=RECEIVING, require_check=True) as service:
        await post(service, "CDR-1")
        await behind_a_hub(service)
        one = await register(service, "one", ONE)
        found = await audit(service.context)
        assert [each["partner"] for each in found.cdrs if each["overdue"]] == ["Example CPO"]
        assert "has passed `ocpi partner check one`" in (await reasons(service))["one: CDR-1"]
        await change(service, update(Partner).where(col(Partner.id) == one).values(passed_at=1))
        assert list(await reasons(service)) == ["one: CDR-1"]


async def test_a_bill_is_missing_nowhere_for_a_cpo_of_its_codes(database_url: str) -> None:
    async with open_service(database_url, offers=RECEIVING) as service:
        await post(service, "CDR-1")
        await register(service, "one", ONE)
        await change(service, update(PartnerRole).where(_of(ONE)).values(role="CPO"))
        assert await reasons(service) == {}
        # An eMSP at the hub is told there.
        emsp = {"role": "EMSP", "party": ONE.key}
        await change(service, update(PartnerRole).where(_is(CPO)).values(**emsp))
        assert list(await reasons(service)) == ["Example CPO: CDR-1"]


async def test_a_bill_for_a_party_that_its_partner_does_not_name_waits(database_url: str) -> None:
    async with open_service(database_url, offers=RECEIVING) as service:
        await post(service, "CDR-1")
        await register(service, "one", ONE)
        hidden = update(PartnerRole).where(_of(ONE)).values(business_details=JSON.NULL)
        await change(service, hidden)
        why = "Its Credentials do not name DE*ONE: it is told nothing of that one."
        assert await reasons(service) == {"one: CDR-1": why}
        assert (await audit(service.context)).waiting == 1
        # It keeps none from the hub.
        emsp = {"role": "EMSP", "party": ONE.key}
        await change(service, update(PartnerRole).where(_is(CPO)).values(**emsp))
        assert list(await reasons(service)) == ["Example CPO: CDR-1", "one: CDR-1"]


OWNER_KEY = "nl*tnm"


def _of(party: Party) -> Any:
    return (col(PartnerRole.party) == party.key) & (col(PartnerRole.platform) == PlatformID.CPO)


def _is(party: Party) -> Any:
    return (col(PartnerRole.party) == party.key) & (col(PartnerRole.platform) == PlatformID.HUB)


async def test_an_hour_is_audited_by_one_process_and_loudly(service: Service) -> None:
    await register(service, "one", ONE)
    with structlog.testing.capture_logs() as logs:
        await report(service.context)
        await post(service, "CDR-1")
        async with on_duty([Auditor(service.context, pause=0.01) for _ in range(3)]):
            await until(lambda: any(line["log_level"] == "error" for line in logs))
            assert not await claim_hour(service.context)
    told = [line for line in logs if line["log_level"] == "error"]
    assert [(line["overdue"], line["cdrs"]) for line in told] == [(1, ["one: NL*TNM*CDR-1"])]
    await change(service, update(CDRAudit).values(hour=0))
    assert await claim_hour(service.context)


async def test_an_audit_that_fails_is_followed_by_the_next(service: Service) -> None:
    await change(service, text("ALTER TABLE cdr_audit RENAME TO gone"))
    with structlog.testing.capture_logs() as logs:
        async with on_duty([Auditor(service.context, pause=0.01)]):
            await until(lambda: sum(line["event"] == "CDRs were not audited" for line in logs) > 1)


async def test_staff_see_it_at_any_time(service: Service) -> None:
    await register(service, "one", ONE)
    await post(service, "CDR-1")
    seen = (await service.admin.get("/admin/push/audit")).json()
    (only,) = seen["cdrs"]
    assert (seen["overdue"], seen["waiting"], only["id"]) == (1, 0, "CDR-1")
    assert only["age"] > 0
