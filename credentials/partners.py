"""What staff do with partners, behind both the admin API and the command line."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from credentials import registration
from credentials.forms import EndpointView, Offered, PartnerView, RoleView, WithheldView
from credentials.handshake import take_leave
from credentials.options import PartnerOptions, change_options, read_options
from credentials.parties import present
from ocpi.context import Context
from ocpi.database import clock
from ocpi.errors import PeerUnusable
from ocpi.headers import Party
from ocpi.homes import foreign_place
from ocpi.messages import log
from ocpi.parties import (
    IssuedToken,
    Partner,
    PartnerEndpoint,
    PlatformID,
    State,
    WithheldEndpoint,
    waits_for_check,
)
from ocpi.push.returning import open_way, tell_elsewhere
from ocpi.push.sharing import parties_at, sharing_again
from ocpi.spec.moments import format_moment, moment_of
from ocpi.tolerances import tolerances_of


async def add_partner(
    context: Context, name: str, platform: PlatformID, roles: Sequence[tuple[str, Party]]
) -> Offered:
    """Open a registration for a partner that may claim these party roles and no others (TA-04)."""
    # A platform without a party would have nothing to present.
    await present(context, platform, "")
    async with context.database.write() as db:
        partner = await registration.add_partner(
            db, name, platform, State.OFFERED, PartnerOptions()
        )
        await registration.bind_roles(db, partner, roles)
        return await _offer(context, db, partner)


async def reissue(context: Context, name: str) -> Offered:
    """Open the registration again, for a partner that lost its token or its data (AT-09).

    A token that works goes on working until the partner has registered anew.
    """
    async with context.database.write() as db:
        partner = await registration.find_partner(db, name, lock=True)
        if partner.state == State.UNREGISTERED:
            partner.state = State.OFFERED
        return await _offer(context, db, partner)


async def _offer(context: Context, db: AsyncSession, partner: Partner) -> Offered:
    token, expires_at = await registration.issue_registration_token(db, partner)
    log.info("registration token issued", partner=partner.name)
    return Offered(
        name=partner.name,
        platform=PlatformID(partner.platform),
        versions_url=context.versions_url(partner.platform),
        token=token,
        expires=format_moment(moment_of(expires_at)),
    )


async def list_partners(context: Context) -> list[PartnerView]:
    """All partners, by name."""
    async with context.database.read() as db:
        found = await db.exec(select(Partner).order_by(col(Partner.name)))
        return [await _view(context, db, partner) for partner in found.all()]


async def show_partner(context: Context, name: str) -> PartnerView:
    """One partner; raises ``UnknownObject``."""
    async with context.database.read() as db:
        return await _view(context, db, await registration.find_partner(db, name))


async def add_role(context: Context, name: str, role: tuple[str, Party]) -> PartnerView:
    """Let a partner claim a further party role, which it then presents by PUT (CR-12).

    Raises ``Conflict`` for one that another holds, or this one already (TA-04).
    """
    async with context.database.write() as db:
        partner = await registration.find_partner(db, name, lock=True)
        await registration.bind_roles(db, partner, [role])
        log.info("role agreed", partner=name, role=role[0], party=str(role[1]))
        return await _view(context, db, partner)


async def suspend(context: Context, name: str, *, suspended: bool) -> PartnerView:
    """Refuse the partner's requests with 401 and send it nothing, or end that."""
    async with context.database.write() as db:
        partner = await registration.find_partner(db, name, lock=True)
        async with sharing_again(db, await parties_at(db, partner.key)):
            partner.suspended = suspended
        await tell_elsewhere(db, partner.key)
        log.info("partner suspended" if suspended else "partner resumed", partner=name)
        return await _view(context, db, partner)


async def set_options(context: Context, name: str, changes: dict[str, Any]) -> PartnerView:
    """Change some options of a partner; raises ``InvalidParameters``."""
    async with context.database.write() as db:
        partner = await registration.find_partner(db, name, lock=True)
        partner.options = change_options(partner.options, changes)
        await db.flush()
        if "hosts" in changes:
            await _sort(db, partner)
        return await _view(context, db, partner)


async def approve(context: Context, name: str, hosts: Sequence[str]) -> PartnerView:
    """Let the partner have endpoints at these hosts, for good: those there are called from now on.

    A host may also be approved before the partner names it. Raises ``InvalidParameters``.
    """
    async with context.database.write() as db:
        partner = await registration.find_partner(db, name, lock=True)
        known = read_options(partner.options).hosts
        wanted = list(dict.fromkeys([*known, *hosts]))
        partner.options = change_options(partner.options, {"hosts": wanted})
        await db.flush()
        await _sort(db, partner)
        log.info("hosts approved", partner=name, hosts=list(hosts))
        return await _view(context, db, partner)


async def _sort(db: AsyncSession, partner: Partner) -> None:
    if await registration.sort_endpoints(db, partner):
        await open_way(db, partner.key)


async def remove(context: Context, name: str, *, force: bool = False) -> str | None:
    """Unregister at the partner, then forget it; gives why the partner could not be told.

    Raises ``PeerUnusable`` when it could not be told, unless `force` says to go on.
    """
    problem = await take_leave(context, name)
    if problem is not None and not force:
        raise PeerUnusable(
            f"The partner could not be told: {problem} Nothing was removed; "
            "try again later, or remove it by force."
        )
    async with context.database.write() as db:
        partner = await registration.find_partner(db, name, lock=True)
        await registration.retire(db, partner)
        await db.delete(partner)
    log.info("partner removed", partner=name, told=problem is None)
    return problem


async def _view(context: Context, db: AsyncSession, partner: Partner) -> PartnerView:
    unchecked = context.settings.require_check and partner.passed_at is None
    called = await registration.endpoints_of(db, partner.key, PartnerEndpoint)
    withheld = await registration.endpoints_of(db, partner.key, WithheldEndpoint)
    return PartnerView(
        name=partner.name,
        platform=PlatformID(partner.platform),
        state=State(partner.state),
        suspended=partner.suspended,
        roles=[
            RoleView(
                role=row.role,
                country_code=row.country_code,
                party_id=row.party_id,
                name=row.business_details["name"] if row.business_details else None,
            )
            for row in await registration.roles_of(db, partner.key)
        ],
        versions_url=partner.versions_url,
        endpoints=[
            EndpointView(identifier=identifier, role=role, url=url)
            for (identifier, role), url in called.items()
        ],
        withheld=[
            WithheldView(
                identifier=identifier,
                role=role,
                url=url,
                place=foreign_place(url, partner.versions_url or "") or "",
            )
            for (identifier, role), url in withheld.items()
        ],
        options=read_options(partner.options),
        token_expires=_told(await _open_until(db, partner)),
        registered_at=_told(partner.registered_at),
        token_issued_at=_told(await _issued_at(db, partner)),
        note=partner.note,
        passed_check_at=_told(partner.passed_at),
        waits=waits_for_check(partner.name) if unchecked else None,
        tolerances=list(await tolerances_of(db, partner.key)),
    )


async def _open_until(db: AsyncSession, partner: Partner) -> int | None:
    """When the registration token that is open now expires."""
    found = await db.exec(
        select(IssuedToken.expires_at).where(
            col(IssuedToken.partner_id) == partner.key,
            col(IssuedToken.registration).is_(True),
            col(IssuedToken.expires_at) > await clock(db),
        )
    )
    return found.first()


async def _issued_at(db: AsyncSession, partner: Partner) -> int | None:
    found = await db.exec(
        select(func.max(col(IssuedToken.created_at))).where(
            col(IssuedToken.partner_id) == partner.key,
            col(IssuedToken.registration).is_(False),
            col(IssuedToken.used_at).is_not(None),
        )
    )
    return found.one()


def _told(microseconds: int | None) -> str | None:
    return None if microseconds is None else format_moment(moment_of(microseconds))
