"""What other hubs tell of the parties behind them, and how far they are believed (TA-28)."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, func, not_, or_, tuple_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.hubclientinfo.store import MODULE
from ocpi.database import clock
from ocpi.directory import AnnouncedParty
from ocpi.editing import AHEAD, is_stale
from ocpi.errors import ClientError, InvalidParameters
from ocpi.forgiving import Habit, forgive, read
from ocpi.headers import Party
from ocpi.parties import OurParty, Partner, PartnerRole
from ocpi.pull import syncs
from ocpi.push.lanes import PartnerLane, lock_lanes
from ocpi.push.returning import take_from_hubs, tell_newcomer, tell_returned
from ocpi.push.sharing import sharing_again
from ocpi.sides import OF_DRIVERS
from ocpi.spec.hubclientinfo import ClientInfo, ConnectionStatus
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.spec.reading import dump
from ocpi.spec.rules import owner_rules

MOST_BEHIND_ONE = 5000
"""Parties that one hub may announce."""

RoleKey = tuple[str, str]
"""A role and the key of the party that plays it (AT-48)."""


def read_client_info(document: Any, now: str) -> ClientInfo:
    """What a hub tells of a party; without a date, as in OCPI's own example, as of now (IP-44)."""
    if isinstance(document, dict) and document.get("last_updated") in (None, ""):
        forgive(Habit.CLIENT_INFO_DATE)
        document = {**document, "last_updated": now}
    return read(ClientInfo, document)


async def announce(db: AsyncSession, partner_id: int, info: ClientInfo) -> bool:
    """Store what a hub tells of a party; gives whether it is new. What is older is left alone.

    Raises ``InvalidParameters`` for a party that is known otherwise, in whatever role and on
    whichever platform: a hub cannot take it over, and have drivers charge at its cost (TA-28). One
    that another hub says is SUSPENDED may come back behind this one. So it does for codes that are
    none: with an asterisk in them they would be the beginning of another party's keys.
    """
    for broken in owner_rules(info.country_code, info.party_id):
        raise InvalidParameters(broken)
    await db.get(Partner, partner_id, with_for_update={"key_share": True})
    party = Party(info.country_code, info.party_id)
    async with sharing_again(db, [party.key]):
        return await _announce(db, partner_id, party, info)


async def _announce(db: AsyncSession, partner_id: int, party: Party, info: ClientInfo) -> bool:
    role = str(info.role)
    status = _read_status(info)
    known = await _claim(db, partner_id, party, leaving=status is ConnectionStatus.SUSPENDED)
    moment = microseconds(parse_moment(dump(info)["last_updated"]))
    row = known.get(role)
    if row is None:
        await _require_room(db, partner_id)
        db.add(
            AnnouncedParty(
                partner_id=partner_id,
                role=role,
                party=party.key,
                country_code=party.country_code,
                party_id=party.party_id,
                status=status.value,
                last_updated=moment,
            )
        )
        await db.flush()
        if role in OF_DRIVERS and known.keys().isdisjoint(OF_DRIVERS):
            await tell_newcomer(db, partner_id, party.key)
        elif status == ConnectionStatus.CONNECTED:
            await tell_returned(db, partner_id, party.key)
        await syncs.ask_anew(db, partner_id, save=MODULE, soon=True)
        return True
    if not is_stale(moment, row.last_updated):
        is_back = status == ConnectionStatus.CONNECTED != row.status
        was_refused = row.status != ConnectionStatus.OFFLINE
        row.status, row.last_updated = status.value, moment
        await db.flush()
        if is_back:
            await tell_returned(db, partner_id, party.key)
            # What has changed while it was offline may be listed late, under old dates; but who
            # comes and goes must not have everything read each time.
            await syncs.ask_anew(db, partner_id, save=MODULE, soon=was_refused)
    return False


def _read_status(info: ClientInfo) -> ConnectionStatus:
    """How a party stands; by a word that is none of OCPI's nothing is carried to it, or from it."""
    status = info.status
    return status if isinstance(status, ConnectionStatus) else ConnectionStatus.OFFLINE


async def _claim(
    db: AsyncSession, partner_id: int, party: Party, *, leaving: bool
) -> dict[str, AnnouncedParty]:
    """What a hub has told of a party that is its own to speak of, by role; refused if not.

    What other hubs told is forgotten with that, unless it is leaving this one as well. Of two that
    it goes to at once the one that waits for the other's lock then finds what that one has stored.
    """
    told = select(AnnouncedParty).where(AnnouncedParty.party == party.key)
    in_order = told.order_by(col(AnnouncedParty.partner_id), col(AnnouncedParty.role))
    await db.exec(in_order.with_for_update())
    rows = (await db.exec(told.execution_options(populate_existing=True))).all()
    others = [each for each in rows if each.partner_id != partner_id]
    own = {each.role: each for each in rows if each.partner_id == partner_id}
    alive = any(each.status != ConnectionStatus.SUSPENDED for each in others)
    if alive or await _has_own_connection(db, partner_id, party, was_behind=bool(own)):
        raise InvalidParameters(f"{party} is known here by another connection.")
    if others and not leaving:
        # This one's lane as well, which is told more later on: they are locked in one order.
        hubs = {partner_id, *(each.partner_id for each in others)}
        await lock_lanes(db, col(PartnerLane.partner_id).in_(hubs))
        elsewhere = col(AnnouncedParty.partner_id) != partner_id
        await take_from_hubs(db, col(AnnouncedParty.party) == party.key, elsewhere)
    return own


async def _has_own_connection(
    db: AsyncSession, partner_id: int, party: Party, *, was_behind: bool
) -> bool:
    """Whether a party is ours or has a connection; a hub may have a CPO with its own codes.

    One that `was_behind` the hub when a connection was agreed on is so until that is made.
    """
    ours = select(OurParty.id).where(OurParty.party == party.key)
    itself = and_(col(PartnerRole.partner_id) == partner_id, col(PartnerRole.role) == "HUB")
    agreed = select(PartnerRole).where(PartnerRole.party == party.key, not_(itself))
    roles = (await db.exec(agreed)).all()
    made = any(each.business_details is not None for each in roles)
    return made or bool(roles and not was_behind) or (await db.exec(ours)).first() is not None


async def _require_room(db: AsyncSession, partner_id: int) -> None:
    count = await db.exec(
        select(func.count())
        .select_from(AnnouncedParty)
        .where(AnnouncedParty.partner_id == partner_id)
    )
    if count.one() >= MOST_BEHIND_ONE:
        raise ClientError(f"A hub may announce {MOST_BEHIND_ONE} parties here, and no more.")


async def has_parties(db: AsyncSession, partner_id: int) -> bool:
    """Whether a hub has announced anybody who is not SUSPENDED."""
    found = await db.exec(
        select(AnnouncedParty.party)
        .where(
            AnnouncedParty.partner_id == partner_id,
            AnnouncedParty.status != ConnectionStatus.SUSPENDED.value,
        )
        .limit(1)
    )
    return found.first() is not None


async def withdraw_others(
    db: AsyncSession, partner_id: int, named: Collection[RoleKey], asked_at: int
) -> int:
    """Suspend the roles that a hub's whole list does not name any more (HC-03); gives how many.

    `named` are those that it does name, also of parties that were refused. What is newer than the
    list, which was asked for at `asked_at`, is left alone, unless it is dated ahead (PD-06); and
    dates stay the hub's own, so that who is back in a later list is believed to be.
    """
    updated = col(AnnouncedParty.last_updated)
    gone = await db.exec(
        update(AnnouncedParty)
        .where(
            col(AnnouncedParty.partner_id) == partner_id,
            tuple_(col(AnnouncedParty.role), col(AnnouncedParty.party)).not_in(named),
            or_(updated < asked_at, updated > await clock(db) + AHEAD),
            col(AnnouncedParty.status) != ConnectionStatus.SUSPENDED.value,
        )
        .values(status=ConnectionStatus.SUSPENDED.value)
    )
    return gone.rowcount
