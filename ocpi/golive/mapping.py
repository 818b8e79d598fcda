"""Negotiated prices: setting and removing the mappings of a partner, and whose they are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import literal, union_all
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.context import Context
from ocpi.database import clock
from ocpi.directory import AnnouncedParty
from ocpi.editing import Document, object_key
from ocpi.errors import Conflict, InvalidParameters, UnknownObject
from ocpi.golive.ruling import Effect, Stores, change_sight, find_partner, sight_of
from ocpi.headers import Party
from ocpi.mappings import Mappings, TariffMapping
from ocpi.messages import log
from ocpi.parties import Partner, PartnerRole, PlatformID
from ocpi.spec.moments import format_moment, moment_of


@dataclass(frozen=True)
class Mapped:
    """The mappings of a partner after a change, and what it changed."""

    mappings: Mappings
    effect: Effect


def mapping_view(mapping: TariffMapping) -> dict[str, Any]:
    """A mapping as it is shown."""
    shown = mapping.model_dump(exclude={"ended"})
    return {**shown, "since": format_moment(moment_of(mapping.since))}


def mapped_view(done: Mapped) -> dict[str, Any]:
    """What a change came to, as it is shown."""
    return {"mappings": [mapping_view(each) for each in done.mappings.live], **vars(done.effect)}


async def list_mappings(context: Context, name: str) -> Mappings:
    """The mappings of a partner, oldest first."""
    async with context.database.read() as db:
        return sight_of(await find_partner(db, name)).mappings


async def set_mapping(
    context: Context, stores: Stores, name: str, owner: Party, tariff_id: str, instead: str
) -> Mapped:
    """Give a partner one Tariff of a party of ours instead of another, from now on.

    Raises ``UnknownObject``, ``InvalidParameters`` and ``Conflict``.
    """
    async with context.database.write() as db:
        # Locked before the partner, as whoever deletes one looks at the partners under that lock.
        found = await stores["tariffs"].lock_many(db, owner, (tariff_id, instead))
        replaced, given = (_known(found, owner, each) for each in (tariff_id, instead))
        partner = await find_partner(db, name, lock=True)
        before = sight_of(partner)
        mapping = TariffMapping(
            country_code=owner.country_code,
            party_id=owner.party_id,
            tariff_id=replaced["id"],
            instead=given["id"],
            since=await _now(db, before.mappings),
        )
        _refuse_senseless(before.mappings, mapping, name)
        _refuse_other_type(replaced, given)
        known = before.mappings.of(mapping.replaced)
        if known is not None and known.given == mapping.given:
            return Mapped(before.mappings, Effect())
        return await _change(db, stores, partner, before.mappings.put(mapping))


async def remove_mapping(
    context: Context, stores: Stores, name: str, owner: Party, tariff_id: str
) -> Mapped:
    """Give a partner the Tariff that others get, from now on; raises ``UnknownObject``."""
    async with context.database.write() as db:
        partner = await find_partner(db, name, lock=True)
        mappings = sight_of(partner).mappings
        key = object_key(owner, tariff_id)
        if mappings.of(key) is None:
            raise UnknownObject(
                f"{name} gets no other Tariff instead of {tariff_id} of {owner}: "
                f"see `ocpi partner tariff list {name}`."
            )
        return await _change(db, stores, partner, mappings.end(key, await _now(db, mappings)))


async def _change(db: AsyncSession, stores: Stores, partner: Partner, after: Mappings) -> Mapped:
    sight = sight_of(partner)
    effect = await change_sight(db, stores, partner, replace(sight, mappings=after))
    log.info("mappings changed", partner=partner.name, mappings=[str(each) for each in after.live])
    return Mapped(after, effect)


async def _now(db: AsyncSession, mappings: Mappings) -> int:
    """The moment of a change, in the milliseconds that OCPI writes: later than all before it."""
    last = max(mappings.dates.values(), default=0)
    return max(await clock(db) // 1000 * 1000, last + 1000)


def _known(found: Mapping[str, Document], owner: Party, tariff_id: str) -> Document:
    document = found.get(object_key(owner, tariff_id))
    if document is None:
        raise UnknownObject(f"There is no Tariff {tariff_id} of {owner}.")
    return document


def _refuse_senseless(mappings: Mappings, wanted: TariffMapping, name: str) -> None:
    """Raises ``InvalidParameters`` for a mapping onto itself or a chain: each is looked up once."""
    tariff_id, instead = wanted.tariff_id, wanted.instead
    if wanted.replaced == wanted.given:
        raise InvalidParameters(f"instead: {instead} cannot stand in for itself")
    further = mappings.of(wanted.given)
    if further is not None:
        raise InvalidParameters(
            f"instead: {name} does not get {instead}, but {further.instead} instead: name that one"
        )
    for each in mappings.live:
        if each.given == wanted.replaced:
            raise InvalidParameters(
                f"tariff_id: {name} gets {tariff_id} instead of {each.tariff_id}: "
                f"map that one onto {instead} first"
            )


def _refuse_other_type(replaced: Document, given: Document) -> None:
    """Raises ``InvalidParameters`` where the one could price sessions that the other could not."""
    kinds = [each.get("type") for each in (replaced, given)]
    if kinds[0] != kinds[1]:
        of = [f"{each['id']} is {_kind(each)}" for each in (replaced, given)]
        raise InvalidParameters(f"instead: both must be of one type, but {' and '.join(of)}")


def _kind(tariff: Document) -> str:
    return f"of the type {tariff['type']}" if tariff.get("type") else "without a type"


async def refuse_given(db: AsyncSession, owner: Party, tariff_id: str) -> None:
    """Raises ``Conflict`` where a partner gets this Tariff instead of another one."""
    found = await db.exec(select(Partner).where(col(Partner.mappings).is_not(None)))
    for partner in found.all():
        for each in sight_of(partner).mappings.live:
            if each.given == object_key(owner, tariff_id):
                raise Conflict(
                    f"{partner.name} gets {each.instead} instead of {each.tariff_id}: end that by "
                    f"`ocpi partner tariff remove {partner.name} {each.tariff_id}`."
                )


async def mappings_for(db: AsyncSession, driver: Party) -> Mappings:
    """The mappings by which a driver of this party pays: those of the partner that gets the bill.

    That is the one that speaks for the party, as an eMSP at best; to whom we are connected
    ourselves comes before who is only at the hub, and both before a hub that the party is behind.
    """
    speaking = select_columns(
        col(PartnerRole.partner_id), col(PartnerRole.role), literal(0).label("behind")
    ).where(col(PartnerRole.party) == driver.key)
    hubs = select_columns(
        col(AnnouncedParty.partner_id), col(AnnouncedParty.role), literal(1)
    ).where(col(AnnouncedParty.party) == driver.key)
    each = union_all(speaking, hubs).subquery()
    found = await db.exec(
        select(Partner)
        .join(each, each.c.partner_id == col(Partner.id))
        .order_by(
            col(Partner.platform) != PlatformID.CPO.value,
            each.c.behind,
            each.c.role != "EMSP",
            col(Partner.id),
        )
        .limit(1)
    )
    partner = found.first()
    return Mappings() if partner is None else sight_of(partner).mappings
