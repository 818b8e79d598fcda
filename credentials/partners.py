"""What staff do with partners, behind both the admin API and the command line."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from credentials import registration
from credentials.forms import EndpointView, Offered, PartnerView, RoleView, WithheldView
from credentials.handshake import take_leave
from credentials.options import PartnerOptions, change_options, read_options
from credentials.parties import present
from ocpi.context import Context
from ocpi.database import Database, clock
from ocpi.errors import PeerUnusable
from ocpi.headers import Party
from ocpi.homes import foreign_place
from ocpi.messages import log
from ocpi.parties import (
    IssuedToken,
    Partner,
    PartnerEndpoint,
    PartnerRole,
    PlatformID,
    State,
    WithheldEndpoint,
    waits_for_check,
)
from ocpi.push.returning import open_way, tell_elsewhere
from ocpi.push.sharing import parties_at, sharing_again
from ocpi.spec.moments import format_moment, moment_of
from ocpi.tolerances import tolerances_of

Row = TypeVar("Row", PartnerRole, PartnerEndpoint, WithheldEndpoint)


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


async def list_partners(
    context: Context, offset: int = 0, limit: int | None = None
) -> list[PartnerView]:
    """All partners, by name, or some of them."""
    async with context.database.read() as db:
        query = select(Partner).order_by(col(Partner.name)).offset(offset).limit(limit)
        return await _views(context, db, (await db.exec(query)).all())


async def count_partners(database: Database) -> int:
    """How many there are, registered or not."""
    async with database.read() as db:
        return (await db.exec(select(func.count()).select_from(Partner))).one()


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
    (view,) = await _views(context, db, [partner])
    return view


async def _views(
    context: Context, db: AsyncSession, partners: Sequence[Partner]
) -> list[PartnerView]:
    """What is known of partners: as many statements for a thousand of them as for one."""
    ids = [partner.key for partner in partners]
    roles = await _rows_of(db, ids, PartnerRole, PartnerRole.id)
    called = await _rows_of(db, ids, PartnerEndpoint, PartnerEndpoint.identifier)
    withheld = await _rows_of(db, ids, WithheldEndpoint, WithheldEndpoint.identifier)
    open_until = await _open_until(db, ids)
    issued_at = await _issued_at(db, ids)
    tolerances = await tolerances_of(db, ids)
    return [
        PartnerView(
            name=partner.name,
            platform=PlatformID(partner.platform),
            state=State(partner.state),
            suspended=partner.suspended,
            roles=[_role_view(row) for row in roles.get(partner.key, ())],
            versions_url=partner.versions_url,
            endpoints=[
                EndpointView(identifier=row.identifier, role=row.role, url=row.url)
                for row in called.get(partner.key, ())
            ],
            withheld=[
                WithheldView(
                    identifier=row.identifier,
                    role=row.role,
                    url=row.url,
                    place=foreign_place(row.url, partner.versions_url or "") or "",
                )
                for row in withheld.get(partner.key, ())
            ],
            options=read_options(partner.options),
            token_expires=_told(open_until.get(partner.key)),
            registered_at=_told(partner.registered_at),
            token_issued_at=_told(issued_at.get(partner.key)),
            note=partner.note,
            passed_check_at=_told(partner.passed_at),
            waits=_waits(context, partner),
            tolerances=tolerances.get(partner.key, []),
        )
        for partner in partners
    ]


async def _rows_of(
    db: AsyncSession, ids: Sequence[int], table: type[Row], order: Any
) -> dict[int, list[Row]]:
    """The rows of each of these partners, in an order."""
    found: dict[int, list[Row]] = {}
    query = select(table).where(col(table.partner_id).in_(ids))
    for row in await db.exec(query.order_by(order, col(table.role))):
        found.setdefault(row.partner_id, []).append(row)
    return found


def _role_view(row: PartnerRole) -> RoleView:
    return RoleView(
        role=row.role,
        country_code=row.country_code,
        party_id=row.party_id,
        name=row.business_details["name"] if row.business_details else None,
    )


def _waits(context: Context, partner: Partner) -> str | None:
    unchecked = context.settings.require_check and partner.passed_at is None
    return waits_for_check(partner.name) if unchecked else None


async def _open_until(db: AsyncSession, ids: Sequence[int]) -> dict[int, int]:
    """When the registration tokens that are open now expire, by partner."""
    found = await db.exec(
        select(IssuedToken.partner_id, IssuedToken.expires_at).where(
            col(IssuedToken.partner_id).in_(ids),
            col(IssuedToken.registration).is_(True),
            col(IssuedToken.expires_at) > await clock(db),
        )
    )
    return {partner_id: expires_at for partner_id, expires_at in found if expires_at is not None}


async def _issued_at(db: AsyncSession, ids: Sequence[int]) -> dict[int, int]:
    """When the newest tokens were issued that partners have used, by partner."""
    partner_id = col(IssuedToken.partner_id)
    found = await db.exec(
        select(partner_id, func.max(col(IssuedToken.created_at)))
        .where(
            partner_id.in_(ids),
            col(IssuedToken.registration).is_(False),
            col(IssuedToken.used_at).is_not(None),
        )
        .group_by(partner_id)
    )
    return dict(found.all())


def _told(microseconds: int | None) -> str | None:
    return None if microseconds is None else format_moment(moment_of(microseconds))
