"""Whose a party is that a hub announces: that hub's, another one's, or its own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from credentials.partners import add_partner, remove
from credentials.registration import bind_roles, find_partner, keep_credentials, retire
from modules.hubclientinfo.learning import Learner
from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.headers import Party
from ocpi.opening import ensure_parties
from ocpi.parties import PlatformID
from ocpi.push.returning import open_way
from ocpi.spec.credentials import Credentials
from ocpi.testing import samples
from tests.house import HUB, add_party, codes_of
from tests.modules.hubclientinfo.test_announcing import (
    AT_HUB,
    BEHIND,
    INFO,
    OTHER_HUB,
    SESSION,
    SESSION_AT,
    THIRD_HUB,
    announced,
)
from tests.modules.hubclientinfo.test_standing import statuses
from tests.ocpi.hub.town import CPO1, EMSP1, Member, Town, open_town, success

HUB2 = OTHER_HUB.party
TWO_ROLES = Member("hub2", (*OTHER_HUB.roles, ("EMSP", Party("AT", "MSP"))), OTHER_HUB.interfaces)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (CPO1, EMSP1, TWO_ROLES, THIRD_HUB)) as opened:
        yield opened


@pytest.mark.threat("TA-28")
@pytest.mark.req("HC-04")
async def test_a_hub_may_announce_a_cpo_that_has_its_own_codes(town: Town) -> None:
    own = {**INFO, "party_id": "HUB"}
    assert codes_of(await town.hub2.send("PUT", "receiver/hubclientinfo/AT/HUB", own))[0] == 201
    await bring_up_to_date(town.context)
    told = await statuses(town)
    assert (told["CPO AT*HUB"], told["HUB AT*HUB"]) == ("CONNECTED", "CONNECTED")
    answer = await town.emsp1.send("GET", "sender/locations/L1", to=HUB2)
    assert codes_of(answer) == (200, 1000)
    assert [each.routing for each in town.hub2.seen] == [(HUB2, EMSP1.party)]
    # Any other role of its own is what its Credentials name.
    other = {**INFO, "party_id": "MSP"}
    assert codes_of(await town.hub2.send("PUT", "receiver/hubclientinfo/AT/MSP", other)) == (
        200,
        2001,
    )
    assert await announced(town) == {"CPO AT*HUB": "CONNECTED"}


@pytest.mark.req("HC-04", "CR-15")
async def test_a_hub_that_registers_anew_keeps_a_cpo_that_has_its_own_codes(town: Town) -> None:
    for party_id in ("HUB", "MSP"):
        own = {**INFO, "party_id": party_id}
        await town.hub2.send("PUT", f"receiver/hubclientinfo/AT/{party_id}", own)
    assert await announced(town) == {"CPO AT*HUB": "CONNECTED"}
    async with town.context.database.write() as db:
        await retire(db, await find_partner(db, "hub2", lock=True))
    await make_present(town, "hub2", "HUB", HUB2)
    assert await announced(town) == {"CPO AT*HUB": "CONNECTED"}


@pytest.mark.threat("TA-28")
async def test_what_a_hub_has_announced_it_presents_later_and_another_hub_loses_it(
    town: Town,
) -> None:
    """What is announced of a role that is presented is nobody's, whoever announced it."""
    await town.hub2.send("PUT", AT_HUB, INFO)
    async with town.context.database.write() as db:
        await bind_roles(db, await find_partner(db, "hub2", lock=True), [("CPO", BEHIND)])
    await make_present(town, "hub2", "CPO", BEHIND)
    assert await announced(town) == {}
    await town.hub2.send("PUT", "receiver/hubclientinfo/AT/CPC", {**INFO, "party_id": "CPC"})
    assert await announced(town) == {"CPO AT*CPC": "CONNECTED"}
    async with town.context.database.write() as db:
        third = await find_partner(db, "hub3", lock=True)
        await bind_roles(db, third, [("HUB", Party("AT", "CPC"))])
    await make_present(town, "hub3", "HUB", Party("AT", "CPC"))
    assert await announced(town) == {}


@pytest.mark.threat("TA-28")
@pytest.mark.parametrize("platform", list(PlatformID))
async def test_who_registers_is_behind_a_hub_until_then(town: Town, platform: PlatformID) -> None:
    async def carried() -> list[tuple[int, int]]:
        """Give what comes of a message to it, and of one from it."""
        to = await town.emsp1.send("GET", "sender/locations/L1", to=BEHIND)
        by = await town.hub2.send("PUT", SESSION_AT, SESSION, to=EMSP1.party, sender=BEHIND)
        return [codes_of(to), codes_of(by)]

    await town.hub2.send("PUT", AT_HUB, INFO)
    for name in ("offered", "direct"):
        await add_partner(town.context, name, platform, [("EMSP", BEHIND), ("CPO", BEHIND)])
        assert await carried() == [(200, 1000), (200, 1000)]
        await bring_up_to_date(town.context)
        assert (await statuses(town))["CPO AT*CPB"] == "CONNECTED"
        # The hub goes on telling how it stands, and nobody else tells of it.
        for status in ("OFFLINE", "CONNECTED"):
            assert codes_of(await town.hub2.send("PUT", AT_HUB, {**INFO, "status": status}))[1]
            assert await announced(town) == {"CPO AT*CPB": status}
        assert codes_of(await town.hub3.send("PUT", AT_HUB, INFO)) == (200, 2001)
        if name == "offered":
            await remove(town.context, name)
    await make_present(town, "direct", "CPO", BEHIND)
    assert await announced(town) == {}
    assert (await carried())[1] == (200, 2001)
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO)) == (200, 2001)


@pytest.mark.threat("TA-28")
async def test_who_is_to_register_is_announced_by_nobody_who_did_not_before(town: Town) -> None:
    await add_partner(town.context, "direct", PlatformID.HUB, [("CPO", BEHIND)])
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO)) == (200, 2001)


@pytest.mark.req("HC-09", "HC-12", "HC-03")
async def test_what_a_hub_has_dated_ahead_does_not_keep_off_what_it_tells_later(
    town: Town,
) -> None:
    """Its clock was wrong once: what comes later is later (PD-06)."""
    ahead = {**INFO, "last_updated": "2100-01-01T00:00:00Z"}
    assert codes_of(await town.hub2.send("PUT", AT_HUB, ahead))[0] == 201
    for status in ("SUSPENDED", "CONNECTED", "OFFLINE"):
        told = {**ahead, "status": status} if status == "CONNECTED" else {**INFO, "status": status}
        assert codes_of(await town.hub2.send("PUT", AT_HUB, told)) == (200, 1000)
        assert await announced(town) == {"CPO AT*CPB": status}
    await town.hub2.send("PUT", AT_HUB, ahead)
    town.hub2.answer = lambda _: success([{**INFO, "party_id": "CPC"}])
    await Learner(town.context).turn()
    assert await announced(town) == {"CPO AT*CPB": "SUSPENDED", "CPO AT*CPC": "CONNECTED"}


@pytest.mark.req("HC-04", "HC-06", "HC-03")
@pytest.mark.pitfall("IP-09")
@pytest.mark.parametrize("word", ["cpo", "Cpo", " CPO "])
async def test_a_role_is_the_same_whatever_its_case(town: Town, word: str) -> None:
    """By another word than OCPI's the party would have no rights, and a second row later on."""
    assert codes_of(await town.hub2.send("PUT", AT_HUB, {**INFO, "role": word}))[0] == 201
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO))[0] == 200
    path = f"receiver/locations/AT/CPB/{LOCATION['id']}"
    pushed = await town.hub2.send("PUT", path, LOCATION, to=HUB, sender=BEHIND)
    assert codes_of(pushed) == (201, 1000)
    town.hub2.answer = lambda _: success([{**INFO, "role": word, "status": " connected"}])
    await Learner(town.context).turn()
    assert await announced(town) == {"CPO AT*CPB": "CONNECTED"}


async def test_a_role_that_is_none_of_ocpis_stays_as_it_is(town: Town) -> None:
    await town.hub2.send("PUT", AT_HUB, {**INFO, "role": "Charger"})
    assert await announced(town) == {"Charger AT*CPB": "CONNECTED"}


async def make_present(town: Town, name: str, role: str, party: Party) -> None:
    """Have a partner present a role, as a handshake does."""
    codes = {"country_code": party.country_code, "party_id": party.party_id}
    given = samples.credentials(token="t" * 32, roles=[samples.credentials_role(role, **codes)])
    async with town.context.database.write() as db:
        partner = await find_partner(db, name, lock=True)
        assert await keep_credentials(town.context, db, partner, Credentials.model_validate(given))
        await open_way(db, partner.key)


OF_BEHIND: dict[str, Any] = {"country_code": "AT", "party_id": "CPB"}
LOCATION = samples.location(**OF_BEHIND)


@pytest.mark.threat("TA-28", "TA-05")
@pytest.mark.parametrize("how", ["added", "named by the settings", "added by an older version"])
async def test_for_a_party_that_becomes_ours_no_hub_speaks_any_more(town: Town, how: str) -> None:
    for role in ("CPO", "EMSP"):
        await town.hub2.send("PUT", AT_HUB, {**INFO, "role": role})
    if how == "added":
        ours = {**OF_BEHIND, "platform": "cpo", "name": "Ours"}
        assert (await town.admin.post("/admin/parties", json=ours)).status_code == 201
    elif how == "named by the settings":
        settings = town.context.settings.model_copy(update=OF_BEHIND)
        await ensure_parties(replace(town.context, settings=settings))
    else:
        await add_party(town.context.database, BEHIND)
        await ensure_parties(town.context)
    assert await announced(town) == {}
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO)) == (200, 2001)
    assert await is_refused(town)


@pytest.mark.threat("TA-28", "TA-05")
async def test_what_a_hub_has_told_of_a_party_of_ours_all_the_same_gives_it_no_right(
    town: Town,
) -> None:
    """It may have been telling of it while it was added."""
    await town.hub2.send("PUT", AT_HUB, INFO)
    await add_party(town.context.database, BEHIND)
    assert await announced(town) == {"CPO AT*CPB": "CONNECTED"}
    assert await is_refused(town)


async def is_refused(town: Town) -> bool:
    """Whether hub2 may neither change what the party has nor send anything in its name."""
    path = f"receiver/locations/AT/CPB/{LOCATION['id']}"
    pushed = await town.hub2.send("PUT", path, LOCATION, to=HUB, sender=BEHIND)
    bill = samples.cdr(**OF_BEHIND)
    billed = await town.hub2.send("POST", "receiver/cdrs", bill, to=EMSP1.party, sender=BEHIND)
    return codes_of(pushed)[1] == codes_of(billed)[1] == 2001 and not town.emsp1.seen
