"""Wherever the database fails in a handshake, it succeeds when it is begun again (CR-08)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from credentials.partners import add_partner, show_partner
from ocpi.headers import Party
from ocpi.parties import PlatformID, State
from tests.credentials.network import House, Network, credentials, open_house
from tests.cutting import Cuts

pytestmark = pytest.mark.usefixtures("puppet")


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Cuts:
    # Each round presents a token that is no good any more, and there are many points to cut at.
    monkeypatch.setattr("ocpi.guessing.MOST_OF_ONE", 1000)
    return Cuts(monkeypatch)


@pytest.fixture
async def cut_house(database_url: str, network: Network, cuts: Cuts) -> AsyncIterator[House]:
    async with open_house(database_url, network) as opened:
        cuts.watch(opened.context.database)
        yield opened


async def offer(house: House, number: int) -> tuple[str, tuple[tuple[str, Party], ...]]:
    """Offer a registration to a new partner; gives its token and its roles."""
    roles = (("EMSP", Party("DE", f"{number:03}")),)
    offered = await add_partner(house.context, f"p{number}", PlatformID.CPO, list(roles))
    return offered.token, roles


async def present(
    house: House, cuts: Cuts, number: int, method: str, token: str, body: Any
) -> tuple[str, str]:
    """Send credentials, again where that fails; gives what failed and the token of the answer."""
    cuts.arm(number)
    answer = await house.credentials(method, token, body)
    at = cuts.disarm()
    if answer.status_code == 503:
        answer = await house.credentials(method, token, body)
    assert answer.status_code == 200, (at, answer.text)
    return at, answer.json()["data"]["token"]


async def is_let_in(house: House, token: str) -> bool:
    return (await house.request("GET", "/versions", token)).status_code == 200


@pytest.mark.req("CR-08")
async def test_a_registration_that_fails_anywhere_succeeds_when_it_comes_again(
    cut_house: House, cuts: Cuts
) -> None:
    for number in cuts.numbers():
        token, roles = await offer(cut_house, number)
        body = credentials(roles=roles)
        at, issued = await present(cut_house, cuts, number, "POST", token, body)
        assert await is_let_in(cut_house, issued), at
        assert not await is_let_in(cut_house, token), at


@pytest.mark.req("CR-09")
async def test_a_rotation_that_fails_anywhere_locks_nobody_out(
    cut_house: House, cuts: Cuts
) -> None:
    for number in cuts.numbers():
        token, roles = await offer(cut_house, number)
        body = credentials(roles=roles)
        old = (await cut_house.credentials("POST", token, body)).json()["data"]["token"]
        assert await is_let_in(cut_house, old)
        at, new = await present(cut_house, cuts, number, "PUT", old, body)
        assert await is_let_in(cut_house, new), at
        assert not await is_let_in(cut_house, old), at


@pytest.mark.req("CR-11")
async def test_an_unregistration_that_fails_anywhere_is_done_or_can_be_done_again(
    cut_house: House, cuts: Cuts
) -> None:
    for number in cuts.numbers(fewest=3):
        token, roles = await offer(cut_house, number)
        answer = await cut_house.credentials("POST", token, credentials(roles=roles))
        issued = answer.json()["data"]["token"]
        assert await is_let_in(cut_house, issued)
        cuts.arm(number)
        answer = await cut_house.credentials("DELETE", issued)
        at = cuts.disarm()
        if answer.status_code == 503:
            again = await cut_house.credentials("DELETE", issued)
            # Who was not told that it was done finds its token gone.
            assert again.status_code == (401 if at == "hearing of a commit" else 200), at
        assert not await is_let_in(cut_house, issued), at
        assert (await show_partner(cut_house.context, f"p{number}")).state == State.UNREGISTERED
