"""Exchanges of credentials that overtake one another: nobody is left with a token that is dead."""

import asyncio

import pytest

from credentials import handshake
from credentials.forms import NewConnection
from credentials.partners import add_partner, show_partner
from ocpi.errors import Conflict, PeerUnusable
from ocpi.headers import Party
from ocpi.parties import PlatformID
from tests.credentials.network import EMSP, ENDPOINTS, House, Puppet, credentials, envelope

WISH = NewConnection(name="acme", versions_url="http://emsp.test/versions", token="token-a")


@pytest.mark.req("CR-09")
async def test_a_post_that_is_overtaken_by_the_use_of_an_earlier_token_is_refused(
    any_house: House, puppet: Puppet
) -> None:
    house = any_house
    offered = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    issued = (await house.credentials("POST", offered, credentials())).json()["data"]["token"]
    called_back = asyncio.Event()
    used = asyncio.Event()

    async def wait_meanwhile() -> None:
        called_back.set()
        await used.wait()

    puppet.before["GET /2.2.1"] = wait_meanwhile
    late = asyncio.create_task(house.credentials("POST", offered, credentials()))
    await called_back.wait()
    await house.request("GET", "/versions", issued)
    used.set()

    assert (await late).status_code == 405
    assert (await house.request("GET", "/versions", issued)).status_code == 200


@pytest.mark.req("CR-14")
async def test_a_put_within_which_we_exchange_tokens_is_refused_and_may_come_again(
    any_house: House, puppet: Puppet
) -> None:
    house = any_house
    await handshake.connect(house.context, WISH)
    old = puppet.bodies[-1]["token"]

    async def rotate() -> None:
        puppet.before.clear()
        await handshake.rotate(house.context, "acme")

    puppet.before["GET /2.2.1"] = rotate

    answer = await house.credentials("PUT", old, credentials("token-b2"))

    assert (answer.json()["status_code"], answer.json()["status_message"]) == (
        3001,
        "Other credentials were exchanged meanwhile: send yours again.",
    )
    await handshake.refresh(house.context, "acme")
    assert puppet.seen[-1] == ("GET /2.2.1", "theirs")
    again = await house.credentials("PUT", old, credentials("token-b2"))
    assert again.json()["status_code"] == 1000


@pytest.mark.req("CR-14")
@pytest.mark.parametrize("used", [True, False])
async def test_of_a_rotation_and_an_exchange_of_the_partner_within_it_that_one_counts(
    house: House, puppet: Puppet, *, used: bool
) -> None:
    await handshake.connect(house.context, WISH)
    old = puppet.bodies[-1]["token"]
    await house.request("GET", "/versions", old)
    new: list[str] = []

    async def exchange() -> None:
        answer = await house.credentials("PUT", old, credentials("of-the-put"))
        new.append(answer.json()["data"]["token"])
        if used:
            await house.request("GET", "/versions", new[0])

    puppet.before["PUT /credentials"] = exchange

    remarks = await handshake.rotate(house.context, "acme")

    assert remarks == ["acme exchanged new tokens with us meanwhile: those are kept."]
    assert await house.token_out() == "of-the-put"
    assert puppet.seen[-1] == ("GET /2.2.1", "of-the-put")
    taken = new[0] if used else puppet.bodies[-1]["token"]
    assert (await house.request("GET", "/versions", taken)).status_code == 200
    assert (await house.request("GET", "/versions", old)).status_code == 401


async def test_a_rotation_within_which_the_partner_unregisters_says_so(
    house: House, puppet: Puppet
) -> None:
    await handshake.connect(house.context, WISH)
    old = puppet.bodies[-1]["token"]

    async def leave() -> None:
        await house.credentials("DELETE", old)

    puppet.before["PUT /credentials"] = leave
    with pytest.raises(Conflict, match="The partner acme unregistered meanwhile"):
        await handshake.rotate(house.context, "acme")


@pytest.mark.req("CR-14")
async def test_rotations_of_both_sides_at_once_lock_nobody_out(
    any_house: House, away: House
) -> None:
    house = any_house
    offered = await add_partner(away.context, "home", PlatformID.CPO, [("CPO", Party("NL", "CPO"))])
    there = NewConnection(name="acme", versions_url=offered.versions_url, token=offered.token)
    await handshake.connect(house.context, there)
    for _ in range(5):
        ends = await asyncio.gather(
            handshake.rotate(house.context, "acme"),
            handshake.rotate(away.context, "home"),
            return_exceptions=True,
        )
        assert {type(end) for end in ends} <= {list, PeerUnusable}
        assert (await house.request("GET", "/versions", await away.token_out())).status_code == 200
        assert (await away.request("GET", "/versions", await house.token_out())).status_code == 200


async def test_endpoints_that_were_read_do_not_replace_those_of_a_put_meanwhile(
    any_house: House, puppet: Puppet
) -> None:
    house = any_house
    await handshake.connect(house.context, WISH)
    token = puppet.bodies[-1]["token"]

    async def change() -> None:
        puppet.before.clear()
        newer = {**ENDPOINTS[0], "url": "http://emsp.test/newer"}
        puppet.answers["GET /2.2.1"] = envelope({"version": "2.2.1", "endpoints": [newer]})
        await house.credentials("PUT", token, credentials())
        puppet.answers.clear()

    puppet.before["GET /2.2.1"] = change

    assert await handshake.refresh(house.context, "acme") == []

    shown = await show_partner(house.context, "acme")
    assert [each.url for each in shown.endpoints] == ["http://emsp.test/newer"]
