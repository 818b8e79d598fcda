"""What staff do with partners and parties, apart from handshakes."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from credentials.options import PartnerOptions
from credentials.parties import add_party, list_parties
from credentials.partners import (
    add_partner,
    list_partners,
    reissue,
    set_options,
    show_partner,
    suspend,
)
from ocpi.context import Context
from ocpi.errors import Conflict, InvalidParameters
from ocpi.headers import Party
from ocpi.opening import ensure_parties
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID
from ocpi.spec.moments import parse_moment
from ocpi.testing.emsp import MockEMSP, create_app
from tests.credentials.network import EMSP, House, Network, Puppet, credentials
from tests.house import HUB, statements_of


@pytest.mark.req("CR-02")
@pytest.mark.threat("TA-11")
async def test_a_registration_is_open_for_seven_days_and_bound_to_its_parties(
    house: House,
) -> None:
    offered = await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])

    left = parse_moment(offered.expires) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    shown = await show_partner(house.context, "acme")
    assert shown.model_dump(mode="json") == {
        "name": "acme",
        "platform": "cpo",
        "state": "offered",
        "suspended": False,
        "roles": [{"role": "EMSP", "country_code": "DE", "party_id": "MSP", "name": None}],
        "versions_url": None,
        "endpoints": [],
        "withheld": [],
        "options": PartnerOptions().model_dump(mode="json"),
        "token_expires": offered.expires,
        "registered_at": None,
        "token_issued_at": None,
        "note": None,
        "passed_check_at": None,
        "waits": None,
        "tolerances": [],
    }


@pytest.mark.req("CR-02")
async def test_reissued_tokens_are_unique_and_the_one_before_dies(house: House) -> None:
    tokens = [(await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token]
    tokens += [(await reissue(house.context, "acme")).token for _ in range(20)]

    assert len(set(tokens)) == 21
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)
    assert (await house.request("GET", "/versions", tokens[-2])).status_code == 401
    assert (await house.request("GET", "/versions", tokens[-1])).status_code == 200


async def test_a_registration_that_is_reopened_leaves_the_working_token_alone(
    house: House, puppet: Puppet
) -> None:
    token_a = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    registered = await house.credentials("POST", token_a, credentials())
    old = registered.json()["data"]["token"]
    await house.request("GET", "/versions", old)

    token_a = (await reissue(house.context, "acme")).token
    again = await house.credentials("POST", token_a, credentials("token-b2"))

    new = again.json()["data"]["token"]
    locations = "/2.2.1/sender/locations"
    assert (await house.request("GET", locations, old)).status_code == 200
    assert (await house.request("GET", locations, new)).status_code == 200
    assert (await house.request("GET", locations, old)).status_code == 401
    assert len(puppet.seen) == 4


async def test_a_suspended_partner_is_refused_until_it_is_resumed(house: House) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token

    assert (await suspend(house.context, "acme", suspended=True)).suspended
    refused = await house.request("GET", "/versions", token)
    assert (refused.status_code, "suspended" in refused.json()["status_message"]) == (401, True)

    assert not (await suspend(house.context, "acme", suspended=False)).suspended
    assert (await house.request("GET", "/versions", token)).status_code == 200


async def test_options_are_checked_and_kept(house: House) -> None:
    await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])

    shown = await set_options(house.context, "acme", {"put_only": "true"})
    assert shown.options == PartnerOptions(put_only=True)
    shown = await set_options(house.context, "acme", {"offline_authorization": "allow"})
    assert shown.options == PartnerOptions(put_only=True, offline_authorization="allow")
    for changes in (
        {"put_always": True},
        {"put_only": "perhaps"},
        {"offline_authorization": "true"},
        {"codes": "2004"},
        {"codes": "1000=throttle"},
        {"codes": ["2004=delivered"]},
    ):
        with pytest.raises(InvalidParameters, match="the options are raw_token, put_only"):
            await set_options(house.context, "acme", changes)
    assert (await show_partner(house.context, "acme")).options == shown.options


@pytest.mark.req("CR-25")
@pytest.mark.threat("TA-04")
async def test_a_party_has_one_holder(any_house: House) -> None:
    context = any_house.context
    await add_partner(context, "acme", PlatformID.CPO, [EMSP, EMSP])

    for name, role, sentence in (
        ("acme", ("NSP", EMSP[1]), "There is a partner acme already"),
        ("other", ("EMSP", Party("de", "msp")), "is a party of the partner acme already"),
        ("other", ("CPO", Party("NL", "CPO")), "is a party of our own"),
    ):
        with pytest.raises(Conflict, match=sentence):
            await add_partner(context, name, PlatformID.CPO, [role])
    assert [partner.name for partner in await list_partners(context)] == ["acme"]

    await add_partner(context, "rival", PlatformID.CPO, [("CPO", Party("NL", "RIV"))])
    with pytest.raises(Conflict, match="is a party of the partner rival"):
        await add_party(context, PlatformID.CPO, Party("NL", "RIV"), "Rival")
    with pytest.raises(Conflict, match="The platform cpo has the party"):
        await add_party(context, PlatformID.CPO, Party("nl", "cpo"), "Again")


async def test_a_platform_without_a_party_registers_nobody(house: House) -> None:
    with pytest.raises(Conflict, match="The hub is off: turn it on with OCPI_HUB_COUNTRY_CODE"):
        await add_partner(house.context, "acme", PlatformID.HUB, [EMSP])


def with_hub(context: Context) -> Context:
    """Give the same service with its hub turned on."""
    codes = {"hub_country_code": HUB.country_code, "hub_party_id": HUB.party_id}
    return replace(context, settings=context.settings.model_copy(update=codes))


@pytest.mark.req("CR-28")
@pytest.mark.pitfall("IP-32")
async def test_a_hub_presents_itself_alone(house: House) -> None:
    view = await add_party(with_hub(house.context), PlatformID.HUB, HUB, "Example Hub")
    assert view.role == "HUB"


async def test_the_hub_has_the_codes_of_no_party(any_house: House) -> None:
    """What is sent to that party could not be told from what is for everybody."""
    context, hub = with_hub(any_house.context), HUB
    codes = {"hub_country_code": "nl", "hub_party_id": "cpo"}
    ours = replace(context, settings=context.settings.model_copy(update=codes))
    with pytest.raises(Conflict, match=r"OCPI_HUB_PARTY_ID name NL.CPO, which is a party of our"):
        await ensure_parties(ours)
    with pytest.raises(Conflict, match=r"NL.CPO would be the hub and one of its parties"):
        await add_party(context, PlatformID.HUB, Party("NL", "CPO"), "Example Hub")

    await add_party(context, PlatformID.HUB, hub, "Example Hub")
    with pytest.raises(Conflict, match=r"NL.HUB would be the hub and one of its parties"):
        await add_party(context, PlatformID.CPO, hub, "Example Charging")
    for role in ("CPO", "EMSP"):
        with pytest.raises(Conflict, match=r"NL.HUB is our hub itself"):
            await add_partner(context, "acme", PlatformID.HUB, [(role, hub)])
    # On the platform of our CPO nobody is reached by his codes.
    await add_partner(context, "acme", PlatformID.CPO, [("EMSP", hub)])

    await add_partner(context, "other", PlatformID.HUB, [EMSP])
    codes = {"hub_country_code": EMSP[1].country_code, "hub_party_id": EMSP[1].party_id}
    theirs = replace(context, settings=context.settings.model_copy(update=codes))
    with pytest.raises(Conflict, match="which is a party of the partner other"):
        await ensure_parties(theirs)
    with pytest.raises(Conflict, match=r"DE.MSP would be the hub and one of its parties"):
        await add_party(context, PlatformID.HUB, EMSP[1], "Example Hub")


async def test_a_hub_that_was_there_before_starts_with_whoever_has_its_codes(
    any_house: House,
) -> None:
    codes = {"hub_country_code": EMSP[1].country_code, "hub_party_id": EMSP[1].party_id}
    settings = any_house.context.settings.model_copy(update=codes)
    context = replace(any_house.context, settings=settings)
    await ensure_parties(context)
    async with context.database.write() as db:
        partner = Partner(name="acme", platform=PlatformID.HUB, state="offered", created_at=1)
        db.add(partner)
        await db.flush()
        role: dict[str, Any] = {"role": "EMSP", "country_code": "DE", "party_id": "MSP"}
        owned: dict[str, Any] = {"partner_id": partner.key, "party": EMSP[1].key, "platform": "hub"}
        db.add(PartnerRole(**role, **owned))
    await ensure_parties(context)


async def test_the_first_party_is_that_of_the_settings_under_its_present_name(
    any_house: House,
) -> None:
    house = any_house

    async def with_name(name: str | None) -> list[tuple[str, str]]:
        changes = {"country_code": "nl", "party_id": "one", "name": name}
        settings = house.context.settings.model_copy(update=changes)
        await ensure_parties(replace(house.context, settings=settings))
        return [(view.party_id, view.name) for view in await list_parties(house.context)]

    other = ("CPO", "Example Charging")
    assert await with_name(None) == [other, ("ONE", "NL*ONE")]
    assert await with_name("First") == [other, ("ONE", "First")]
    assert await with_name(None) == [other, ("ONE", "First")]
    await ensure_parties(house.context)
    assert len(await list_parties(house.context)) == 2


@pytest.mark.req("CR-03", "CR-06", "CR-10", "CR-12", "CR-15", "VE-07")
async def test_a_conformant_emsp_has_nothing_to_complain_of(house: House, network: Network) -> None:
    emsp = MockEMSP(transport=network)
    network.hosts["emsp.test"] = httpx.ASGITransport(create_app(emsp))
    offered = await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])

    await emsp.register(offered.versions_url, offered.token)
    await emsp.update()
    await emsp.unregister()

    assert emsp.violations == []
    assert (await show_partner(house.context, "acme")).state == "unregistered"


async def test_a_list_of_partners_costs_as_many_statements_as_one_of_them(
    any_house: House,
) -> None:
    context = any_house.context
    counts = []
    for number in (0, 1, 20):
        for each in range(number):
            party = Party("DE", f"{number + each:03}")
            await add_partner(context, f"p{number + each}", PlatformID.CPO, [("EMSP", party)])
        with statements_of(context.database) as told:
            found = await list_partners(context)
        counts.append(len(told))
    assert [each.roles[0].party_id for each in found] == sorted(
        f"{number:03}" for number in (1, *range(20, 40))
    )
    assert counts[1] == counts[2] < 10


async def test_what_is_known_of_partners_is_not_mixed_up(any_house: House) -> None:
    context = any_house.context
    for name in ("one", "two"):
        await add_partner(context, name, PlatformID.CPO, [("EMSP", Party("DE", name))])
    async with context.database.write() as db:
        for partner in await db.exec(select(Partner)):
            db.add(
                PartnerEndpoint(
                    partner_id=partner.key,
                    identifier="cdrs",
                    role="RECEIVER",
                    url=f"http://{partner.name}.test",
                )
            )
    assert await list_partners(context) == [
        await show_partner(context, "one"),
        await show_partner(context, "two"),
    ]
    (second,) = await list_partners(context, offset=1, limit=1)
    assert [each.url for each in second.endpoints] == ["http://two.test"]
    assert [each.party_id for each in second.roles] == ["two"]
