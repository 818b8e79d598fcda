"""The check before a partner goes live: asked, judged, stored, and shown."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Text
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.client import Target
from ocpi.context import Context
from ocpi.database import clock
from ocpi.directory import PRESENTED
from ocpi.errors import Conflict, InvalidParameters, UnknownObject
from ocpi.golive import listchecks, platformchecks, writechecks
from ocpi.golive.asking import NOTHING, Asker, Writes
from ocpi.golive.judging import Check, proposals
from ocpi.golive.platformchecks import latency
from ocpi.golive.recording import Recording
from ocpi.golive.ruling import find_partner
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.parties import Partner, PartnerRole, PlatformID, our_parties
from ocpi.push.addressee import addressed
from ocpi.push.returning import tell_elsewhere
from ocpi.reply import redact
from ocpi.spec.document import encode
from ocpi.spec.moments import format_moment, moment_of

CHECKS = (*platformchecks.CHECKS, *listchecks.CHECKS, *writechecks.CHECKS)
SHOWN = 5
"""Problems of a check that a report spells out; it counts all."""

Report = dict[str, Any]


class PartnerCheck(SQLModel, table=True):
    """What a check came to."""

    __tablename__ = "partner_check"

    id: int | None = Field(default=None, primary_key=True)
    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    at: int = Field(sa_type=BigInteger)
    passed: bool
    report: str = Field(sa_type=Text)
    """JSON text, see `report_of`."""


async def check_partner(
    context: Context,
    name: str,
    wishes: Writes = NOTHING,
    progress: Callable[[str], None] = lambda _step: None,
) -> Report:
    """Ask a partner everything, and store what it came to; the first pass lets live data go.

    Raises ``UnknownObject``, and ``Conflict`` for a partner that cannot be asked.
    """
    asker = await _prepare(context, name, wishes, progress)
    await asker.platform()
    await asker.lists()
    await asker.receivers()
    if wishes.agreed:
        moment = datetime.now(UTC).replace(microsecond=0)
        await asker.writes(wishes, format_moment(moment))
    async with context.database.write() as db:
        partner = await find_partner(db, name, lock=True)
        now = await clock(db)
        report = report_of(name, format_moment(moment_of(now)), asker.record, asker.target.token)
        text = encode(report)
        db.add(PartnerCheck(partner_id=partner.key, at=now, passed=report["passed"], report=text))
        if report["passed"] and partner.passed_at is None:
            partner.passed_at = now
            db.add(partner)
            await tell_elsewhere(db, partner.key)
            db.info["stamped"] = True  # What has waited for it can go.
    log.info("partner checked", partner=name, passed=report["passed"])
    return report


async def last_report(context: Context, name: str) -> Report:
    """The newest report of a partner; raises ``UnknownObject`` where there is none."""
    _, report = await newest_check(context, name)
    if report is None:
        raise UnknownObject(f"{name} was never checked: run `ocpi partner check {name}`.")
    return report


async def newest_check(context: Context, name: str) -> tuple[int, Report | None]:
    """The number of a partner's newest check, which grows, and its report; 0 and None without."""
    async with context.database.read() as db:
        partner = await find_partner(db, name)
        found = await db.exec(
            select(PartnerCheck)
            .where(PartnerCheck.partner_id == partner.key)
            .order_by(col(PartnerCheck.id).desc())
            .limit(1)
        )
        row = found.first()
    return (0, None) if row is None else (row.id or 0, json.loads(row.report))


async def _prepare(
    context: Context, name: str, wishes: Writes, progress: Callable[[str], None]
) -> Asker:
    async with context.database.read() as db:
        partner = await find_partner(db, name)
        theirs = await _their_party(db, partner)
    if partner.token_out is None or partner.versions_url is None:
        raise Conflict(f"{name} is not registered, so it cannot be asked anything yet.")
    if partner.suspended:
        raise Conflict(f"{name} is suspended: resume it first.")
    if wishes.cdr and not wishes.agreed:
        raise InvalidParameters("write_cdr: is a part of the round of writes, so ask for `write`")
    if wishes.agreed and partner.platform == PlatformID.HUB:
        raise InvalidParameters(
            "write: test objects are those of our CPO parties; parties of the hub are checked "
            "without"
        )
    ours = await our_parties(context.database, partner.platform)
    if not ours:
        raise Conflict(f"The platform {partner.platform} has no party: see `ocpi party add`.")
    raw_token = bool(partner.options.get("raw_token"))
    target = Target(name, context.seal.open(partner.token_out), raw_token=raw_token)
    record = Recording(
        partner.versions_url,
        context.settings.allow_private_networks,
        raw_token=raw_token,
        hosts=partner.options.get("hosts", ()),
    )
    return Asker(context.client, target, ours[0], theirs, record, progress)


async def _their_party(db: AsyncSession, partner: Partner) -> Party | None:
    """The party of the partner that messages are for."""
    roles = await db.exec(
        select(PartnerRole.role, PartnerRole.country_code, PartnerRole.party_id)
        .where(PartnerRole.partner_id == partner.key, PRESENTED)
        .order_by(col(PartnerRole.id))
    )
    return addressed(roles.all())


def report_of(name: str, at: str, record: Recording, token: str) -> Report:
    """What was answered, judged: as it is stored, shown and sent; without our token."""
    results = [_result(check, record, token) for check in CHECKS]
    measured = latency(record)
    return {
        "partner": name,
        "at": at,
        "passed": not any(
            each["outcome"] == "failed" and each["severity"] == "must" for each in results
        ),
        "versions_url": record.versions_url,
        "requests": len(record.asked),
        "wrote": record.wrote,
        "median_seconds": None if measured is None else round(measured[0], 3),
        "worst_seconds": None if measured is None else round(measured[1], 3),
        "slowest": None if measured is None else str(measured[2]),
        "checks": results,
        "proposals": [
            {
                "option": each.option,
                "why": each.why,
                "command": f"ocpi partner set {name} {each.option}",
            }
            for each in proposals(record)
        ],
    }


def _result(check: Check, record: Recording, token: str) -> dict[str, Any]:
    found = check.judge(record)
    outcome = "skipped" if found is None else "failed" if found else "passed"
    return {
        "id": check.id,
        "requirements": list(check.requirements),
        "what": check.what,
        "severity": check.severity,
        "outcome": outcome,
        "count": len(found or ()),
        "problems": [redact(each, token)[:500] for each in (found or ())[:SHOWN]],
    }
