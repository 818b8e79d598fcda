"""Another OCPI_HUB_AGREEMENTS: who is parted by it hears so, who meets is told what there is."""

import asyncio
from dataclasses import replace

import pytest
from sqlmodel import col, select

from credentials.agreements import keep_default
from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.agreements import AgreementDefault
from ocpi.push.lanes import PartnerLane
from ocpi.running import _at_work
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, context_of, open_database, settings_of
from tests.modules.hubclientinfo.test_parting import CONNECTED, SUSPENDED, join, settled, turns
from tests.modules.hubclientinfo.test_standing import living, told
from tests.ocpi.hub.town import Town, open_town, until

LOCATION = samples.location(country_code="FR", party_id="FRC")
LOCATION_AT = f"receiver/locations/FR/FRC/{LOCATION['id']}"


async def restart(town: Town, agreements: str) -> None:
    """Start the hub anew with another setting: two processes at once."""
    settings = town.context.settings.model_copy(update={"hub_agreements": agreements})
    town.context = replace(town.context, settings=settings)
    await asyncio.gather(keep_default(town.context), keep_default(town.context))


async def epochs(town: Town) -> list[int]:
    async with town.context.database.read() as db:
        query = select(PartnerLane.epoch).order_by(col(PartnerLane.partner_id))
        return list((await db.exec(query)).all())


@pytest.mark.req("HC-05", "HC-12", "HC-13")
async def test_whom_a_hub_that_is_closed_parts_hear_so_once(database_url: str) -> None:
    async with open_town(database_url) as town:
        await restart(town, "open")
        await join(town)
        async with living(town):
            for other in ("BEC", "FRC", "EMS", "TNM"):
                await until(lambda other=other: bool(told(town, "emsp1", other)))  # type: ignore[misc]
        await restart(town, "closed")
        before = await epochs(town)
        await restart(town, "closed")
        assert await epochs(town) == before
        async with living(town):
            await settled(town)
        for other in ("FRC", "EMS", "TNM"):
            assert turns(town, "emsp1", other) == [CONNECTED, SUSPENDED]
        assert turns(town, "emsp1", "BEC") == [CONNECTED]


@pytest.mark.req("HC-04", "HC-09", "RT-26")
async def test_who_meets_at_a_hub_that_is_opened_is_told_what_there_is(database_url: str) -> None:
    async with open_town(database_url, hub_agreements="closed") as town:
        await restart(town, "closed")
        await bring_up_to_date(town.context)
        answer = await town.cpo2.send("PUT", LOCATION_AT, LOCATION, to=HUB)
        assert codes_of(answer) == (201, 1000)
        async with living(town):
            await asyncio.sleep(0.5)  # The lanes pass over what they may not tell.
        assert not town.emsp1.seen
        before = await epochs(town)
        for _ in range(2):
            await restart(town, "open")
            assert await epochs(town) == [each + 1 for each in before]
        async with living(town):
            await until(lambda: bool(town.emsp1.of("locations")))
            await until(lambda: told(town, "emsp1", "FRC") == [CONNECTED])


@pytest.mark.parametrize("hub", [{}, {"hub_country_code": "NL", "hub_party_id": "HUB"}])
async def test_what_holds_is_noted_by_a_hub_alone(database_url: str, hub: dict[str, str]) -> None:
    async with open_database(database_url):
        context = context_of(settings_of(database_url, **hub))
        await asyncio.gather(keep_default(context), keep_default(context))
        async with context.database.read() as db:
            noted = (await db.exec(select(AgreementDefault.is_open))).all()
        await context.close()
        assert noted == ([True] if hub else [])


async def test_a_process_that_stays_notes_what_holds_when_it_starts(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": "k" * 32,
        "HUB_COUNTRY_CODE": OURS.country_code,
        "HUB_PARTY_ID": HUB.party_id,
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    for agreements in ("open", "closed"):
        monkeypatch.setenv("OCPI_HUB_AGREEMENTS", agreements)
        async with _at_work() as context, context.database.read() as db:
            (noted,) = (await db.exec(select(AgreementDefault.is_open))).all()
        assert noted is (agreements == "open")
