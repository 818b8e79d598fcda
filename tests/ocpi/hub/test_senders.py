"""In whose name a message is taken: a hub for who is behind it."""

from collections.abc import AsyncIterator

import pytest

import ocpi.hub.message
from ocpi.headers import Party, routing_headers
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import codes_of
from tests.modules.hubclientinfo.test_announcing import AT_HUB, BEHIND, INFO, OTHER_HUB
from tests.ocpi.hub.town import (
    CPO1,
    EMSP1,
    HUB_RECEIVER,
    Town,
    open_town,
)

OF_MSP = samples.cdr_token(country_code="DE", party_id="MSP")
CDR = samples.cdr(country_code="AT", party_id="CPB", cdr_token=OF_MSP)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (CPO1, EMSP1, OTHER_HUB)) as opened:
        assert codes_of(await opened.hub2.send("PUT", AT_HUB, INFO))[1] == 1000
        yield opened


ITSELF = OTHER_HUB.party


@pytest.mark.req("RT-05", "CO-06")
@pytest.mark.pitfall("IP-11")
@pytest.mark.parametrize("sender", [None, ITSELF, BEHIND])
@pytest.mark.parametrize("to", [None, EMSP1.party])
async def test_a_hub_bills_for_who_is_behind_it_whomever_it_names_as_sender(
    town: Town, sender: Party | None, to: Party | None
) -> None:
    headers = routing_headers(to, sender)
    answer = await town.hub2.http.post(f"{HUB_RECEIVER}/cdrs", content=encode(CDR), headers=headers)
    assert codes_of(answer) == (200, 1000), answer.text
    (seen,) = town.emsp1.seen
    assert seen.routing == (EMSP1.party, sender or ITSELF)
    assert seen.document() == CDR


@pytest.mark.req("CO-06", "RT-08")
@pytest.mark.threat("TA-05", "TA-06")
async def test_a_hub_bills_for_nobody_else(town: Town) -> None:
    for codes in ({"party_id": "CPX"}, {"country_code": "BE", "party_id": "BEC"}):
        body = encode({**CDR, **codes})
        for sender in (None, ITSELF, BEHIND):
            headers = routing_headers(EMSP1.party, sender)
            answer = await town.hub2.http.post(
                f"{HUB_RECEIVER}/cdrs", content=body, headers=headers
            )
            assert codes_of(answer) == (404, 2000)
    # Who is no hub speaks for nobody, whatever its bill says.
    answer = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=EMSP1.party)
    assert codes_of(answer) == (404, 2000)
    assert not town.emsp1.seen


async def test_whose_a_cdr_is_costs_no_second_look_at_its_body(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []

    def look(body: bytes) -> object:
        bodies.append(body)
        return decode(body)

    monkeypatch.setattr(ocpi.hub.message, "decode", look)
    answer = await town.hub2.send("POST", "receiver/cdrs", CDR, to=EMSP1.party, sender=ITSELF)
    assert codes_of(answer) == (200, 1000)
    assert bodies == [encode(CDR).encode()]
