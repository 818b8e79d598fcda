"""Versions and version details."""

import pytest

from credentials.partners import add_partner
from ocpi.parties import PlatformID
from tests.credentials.network import EMSP, House


@pytest.mark.req("VE-01", "VE-02", "VE-10", "VE-12")
@pytest.mark.pitfall("IP-29")
async def test_one_version_is_offered_even_to_a_registration_token(house: House) -> None:
    offered = await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])

    assert offered.versions_url == "http://cpo.test/ocpi/cpo/versions"
    answer = await house.request("GET", "/versions", offered.token)

    assert answer.status_code == 200
    assert answer.json()["data"] == [{"version": "2.2.1", "url": "http://cpo.test/ocpi/cpo/2.2.1"}]


@pytest.mark.req("VE-03", "VE-04", "VE-05", "VE-06", "VE-07", "VE-08")
@pytest.mark.pitfall("IP-28")
async def test_details_list_what_is_mounted_and_credentials_once(house: House) -> None:
    offered = await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])

    answer = await house.request("GET", "/2.2.1", offered.token)

    base = "http://cpo.test/ocpi/cpo/2.2.1"
    assert answer.json()["data"] == {
        "version": "2.2.1",
        "endpoints": [
            {"identifier": "credentials", "role": "SENDER", "url": f"{base}/credentials"},
            {"identifier": "locations", "role": "SENDER", "url": f"{base}/sender/locations"},
            {"identifier": "tokens", "role": "RECEIVER", "url": f"{base}/receiver/tokens"},
        ],
    }


@pytest.mark.req("VE-12", "TR-05")
@pytest.mark.parametrize("path", ["/versions", "/2.2.1"])
@pytest.mark.parametrize("token", [None, "made-up"])
@pytest.mark.pitfall("IP-30")
async def test_without_a_valid_token_nothing_is_shown(
    house: House, path: str, token: str | None
) -> None:
    answer = await house.request("GET", path, token)

    assert (answer.status_code, answer.json()["status_code"]) == (401, 2000)
    assert "data" not in answer.json()
