"""What staff see of how far partners are."""

from __future__ import annotations

from sqlalchemy import delete, update
from sqlmodel import col

from ocpi.directory import AnnouncedParty
from ocpi.parties import Partner, PartnerRole
from ocpi.push.feed import Change, Stream, feed_key
from ocpi.push.hearing import hearings
from ocpi.push.lanes import Receipt
from ocpi.push.status import pending_objects
from tests.ocpi.push.faults import status_of, until_not_behind
from tests.ocpi.push.world import OWNER, World, store, until


async def announce(world: World, name: str, party: str) -> None:
    """Have a partner be a hub that tells of a party behind it."""
    async with world.database.write() as db:
        role = update(PartnerRole).where(col(PartnerRole.partner_id) == world.ids[name])
        await db.exec(role.values(role="HUB"))
        db.add(
            AnnouncedParty(
                partner_id=world.ids[name],
                role="EMSP",
                party=party,
                country_code=party[:2].upper(),
                party_id=party[3:].upper(),
                status="CONNECTED",
                last_updated=0,
            )
        )


async def change(world: World, *changes: Change) -> None:
    async with world.database.write() as db:
        for each in changes:
            await store(db, each, {})


async def test_what_waits_for_a_party_behind_a_hub_is_seen(world: World) -> None:
    await world.add_partner("msp")
    await world.add_partner("other")
    await announce(world, "msp", "be*far")
    cdrs = [
        Change("cdrs", f"nl*tnm*c{number}", stream=Stream.MONEY, audience="be*far")
        for number in range(3)
    ]
    await change(world, *cdrs)
    status = await status_of(world)
    assert (status.behind, status.oldest) == (3, "cdrs/nl*tnm*c0")
    async with world.database.read() as db:
        waiting = [row.key for row in await pending_objects(db, "msp", limit=9)]
    assert waiting == [each.key for each in cdrs]
    # That is nobody else's.
    assert (await status_of(world, "other")).behind == 0


async def test_what_a_party_behind_a_hub_owns_waits_for_the_others_of_the_hub(
    world: World,
) -> None:
    for name in ("msp", "other", "direct"):
        await world.add_partner(name, modules=("locations",))
    await announce(world, "msp", "be*far")
    hub = [world.ids[name] for name in ("msp", "other")]
    async with world.database.write() as db:
        partners = update(Partner).where(col(Partner.id).in_(hub))
        await db.exec(partners.values(platform="hub"))
        roles = update(PartnerRole).where(col(PartnerRole.partner_id).in_(hub))
        await db.exec(roles.values(platform="hub"))
    await change(world, Change("locations", "be*far*l1"))
    behind = [(await status_of(world, name)).behind for name in ("msp", "other", "direct")]
    assert behind == [0, 1, 0]


async def heard(world: World, key: str) -> list[tuple[str, str]]:
    async with world.database.read() as db:
        return [(each.partner, each.state) for each in await hearings(db, key)]


async def test_only_who_has_accepted_a_bill_was_told_it(world: World) -> None:
    await world.add_partner("msp")
    key = feed_key("cdrs", f"{OWNER}*c1")
    await world.post_cdr("c1", audience="msp")
    assert await heard(world, key) == [("msp", "waiting")]
    world.add_worker()
    await world.until_told()
    await until_not_behind(world)
    assert await heard(world, key) == [("msp", "told")]
    async with world.database.write() as db:
        await db.exec(update(Receipt).values(partner="hub"))
        (only,) = await hearings(db, key)
        assert (only.state, only.why) == ("untold", "hub has accepted it.")
        await db.exec(delete(Receipt))
    assert await heard(world, key) == [("msp", "untold")]


async def test_who_has_no_endpoint_for_an_object_was_not_told_it(world: World) -> None:
    partner = await world.add_partner("msp", modules=("locations",))
    world.add_worker()
    await world.post_cdr("c1", audience="msp")
    session = Change("sessions", f"{OWNER}*s1", audience=f"de*{world.parties['msp']}")
    await change(world, session)
    await world.put_location("a")
    await until(lambda: bool(partner.locations))
    for key in (session.key, feed_key("cdrs", f"{OWNER}*c1")):
        assert await heard(world, key) == [("msp", "no endpoint")]
