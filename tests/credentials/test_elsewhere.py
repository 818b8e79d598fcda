"""Endpoints at another host than the versions URL are not called before somebody approves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from credentials import handshake
from credentials.forms import NewConnection
from credentials.partners import add_partner, approve, reissue, remove, set_options, show_partner
from ocpi.alarms.conditions import withheld_endpoints
from ocpi.callbacks import lies_with
from ocpi.errors import Conflict, InvalidParameters, PeerUnusable
from ocpi.homes import foreign_place, foreign_places
from ocpi.parties import Partner, PartnerEndpoint, PlatformID, State, WithheldEndpoint
from ocpi.push.lanes import PartnerLane
from tests.credentials.network import (
    EMSP,
    ENDPOINTS,
    House,
    Network,
    Puppet,
    credentials,
    envelope,
)

HERE = "https://ocpi.emsp.test/versions"
AWAY = {"identifier": "locations", "role": "RECEIVER", "url": "http://other.test/locations"}


@pytest.mark.threat("TA-27")
@pytest.mark.parametrize(
    ("url", "home", "place"),
    [
        ("https://ocpi.emsp.test/x", HERE, None),
        ("https://OCPI.emsp.test:8443/x", HERE, None),
        ("https://eu.ocpi.emsp.test/x", HERE, None),
        ("https://emsp.test/x", HERE, "emsp.test"),
        ("https://api.emsp.test/x", HERE, "api.emsp.test"),
        ("https://evil-ocpi.emsp.test/x", HERE, "evil-ocpi.emsp.test"),
        ("https://ocpi.emsp.test.evil.test/x", HERE, "ocpi.emsp.test.evil.test"),
        ("http://ocpi.emsp.test/x", HERE, "http://ocpi.emsp.test"),
        ("http://127.0.0.1:8002/x", "http://127.0.0.1:8001/versions", None),
        ("https://127.0.0.1/x", "http://127.0.0.1:8001/versions", None),
        ("https://[2001:db9::1]/x", "https://[2001:db9::1]:444/versions", None),
        ("https://[2001:db9::2]/x", "https://[2001:db9::1]/versions", "2001:db9::2"),
        ("https://[odd/x", HERE, "https://[odd/x"),
    ],
)
def test_at_home_is_the_host_of_the_versions_url_and_what_is_below_it(
    url: str, home: str, place: str | None
) -> None:
    assert foreign_place(url, home) == place
    assert foreign_places([url, url], home, ()) == ([] if place is None else [place])
    assert foreign_places([url], home, [place or ""]) == []


def details(*endpoints: dict[str, str]) -> httpx.Response:
    return envelope({"version": "2.2.1", "endpoints": [*endpoints]})


@pytest.fixture
def elsewhere(puppet: Puppet, network: Network) -> Puppet:
    """Give a partner that takes Locations at other.test, where the same answers are given."""
    network.hosts["other.test"] = puppet
    puppet.answers["GET /2.2.1"] = details(ENDPOINTS[0], AWAY)
    return puppet


async def register(house: House, network: Network) -> str:
    """Have the partner register; nothing must have been asked elsewhere."""
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    answer = await house.credentials("POST", token, credentials())
    assert answer.json()["status_code"] == 1000
    assert [each for each in network.requests if "other.test" in each] == []
    issued: str = answer.json()["data"]["token"]
    return issued


async def urls(house: House, table: Any) -> list[str]:
    async with house.context.database.read() as db:
        return list((await db.exec(select(table.url).order_by(col(table.url)))).all())


HOME = ["http://emsp.test/credentials"]
BOTH = [*HOME, AWAY["url"]]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.threat("TA-27")
async def test_what_lies_elsewhere_is_kept_and_shown_and_called_once_it_is_approved(
    any_house: House, network: Network
) -> None:
    house = any_house
    await register(house, network)
    assert (await urls(house, PartnerEndpoint), await urls(house, WithheldEndpoint)) == (
        HOME,
        [AWAY["url"]],
    )
    shown = await show_partner(house.context, "acme")
    assert [each.model_dump() for each in shown.withheld] == [{**AWAY, "place": "other.test"}]
    assert "`ocpi partner approve acme`" in str(shown.note)
    (alarm,) = await withheld_endpoints(house.context)
    assert (alarm.kind, alarm.subject) == ("endpoints_withheld", "acme")
    assert "endpoints at other.test" in alarm.sentence

    async with house.context.database.write() as db:
        lane = (await db.exec(select(PartnerLane))).one()
        lane.cursors = {"state": 7}
    approved = await approve(house.context, "acme", ["other.test"])

    assert (approved.withheld, approved.options.hosts) == ([], ["other.test"])
    assert await urls(house, PartnerEndpoint) == BOTH
    assert await withheld_endpoints(house.context) == []
    async with house.context.database.read() as db:
        # What it has missed there is told from the start.
        assert (await db.exec(select(PartnerLane))).one().cursors.get("state", 0) == 0


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.threat("TA-27")
async def test_a_host_is_approved_once_and_for_all_until_it_is_taken_off(
    house: House, network: Network
) -> None:
    await register(house, network)
    await approve(house.context, "acme", ["Other.Test"])
    again = (await reissue(house.context, "acme")).token
    await house.credentials("POST", again, credentials())
    assert await urls(house, PartnerEndpoint) == BOTH
    assert (await show_partner(house.context, "acme")).note is None
    await set_options(house.context, "acme", {"hosts": ""})
    assert await urls(house, PartnerEndpoint) == HOME
    await set_options(house.context, "acme", {"hosts": "a.test, other.test"})
    assert await urls(house, PartnerEndpoint) == BOTH
    with pytest.raises(InvalidParameters, match="hosts"):
        await approve(house.context, "acme", ["https://other.test/locations"])


@pytest.mark.threat("TA-27")
async def test_endpoints_that_are_swapped_later_are_not_called(
    house: House, puppet: Puppet, network: Network
) -> None:
    token = await register(house, network)
    await house.request("GET", "/versions", token)
    assert len(await urls(house, PartnerEndpoint)) == 2
    puppet.answers["GET /2.2.1"] = details(ENDPOINTS[0], AWAY)

    remarks = await handshake.rotate(house.context, "acme")

    assert "other.test" in remarks[0]
    assert (await urls(house, PartnerEndpoint), await urls(house, WithheldEndpoint)) == (
        HOME,
        [AWAY["url"]],
    )


# A URL of OCPI has 255 characters; we call longer ones as well.
@pytest.mark.parametrize("query", ["", f"?{300 * 'x'}"])
@pytest.mark.threat("TA-27")
async def test_no_token_is_taken_to_version_details_elsewhere(
    house: House, puppet: Puppet, network: Network, query: str
) -> None:
    network.hosts["other.test"] = puppet
    puppet.answers["GET /versions"] = envelope(
        [{"version": "2.2.1", "url": f"http://other.test/2.2.1{query}"}]
    )
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    refused = (await house.credentials("POST", token, credentials())).json()
    assert (refused["status_code"], refused["status_message"]) == (
        3001,
        (
            "The version details lie at other.test, which is not the host of the versions URL and "
            "was not approved by the operator."
        ),
    )
    assert network.requests[1:] == ["GET http://emsp.test/versions"]
    # Staff may approve a host before the partner names it.
    await approve(house.context, "acme", ["other.test"])
    assert (await house.credentials("POST", token, credentials())).json()["status_code"] == 1000
    assert network.requests[-1] == f"GET http://other.test/2.2.1{query}"


def wish(**over: Any) -> NewConnection:
    return NewConnection(
        name="acme", versions_url="http://emsp.test/versions", token="token-a", **over
    )


@pytest.mark.threat("TA-27")
async def test_we_do_not_register_at_a_credentials_endpoint_elsewhere(
    house: House, elsewhere: Puppet, network: Network
) -> None:
    there = {**ENDPOINTS[0], "url": "http://other.test/credentials"}
    elsewhere.answers["GET /2.2.1"] = details(there)
    with pytest.raises(PeerUnusable) as refused:
        await handshake.connect(house.context, wish())
    assert refused.value.message == (
        "The credentials endpoint lies at other.test, which is not the host of the versions URL "
        "and was not approved by the operator. Nothing is kept here. If that is theirs, too, "
        "connect again by `ocpi partner connect` with `--host other.test`."
    )
    assert [each for each in network.requests if "other.test" in each] == []
    await handshake.connect(house.context, wish(hosts=["other.test"]))
    shown = await show_partner(house.context, "acme")
    assert (shown.state, shown.options.hosts) == (State.ISSUED, ["other.test"])


@pytest.mark.threat("TA-27")
async def test_a_partner_whose_credentials_endpoint_is_withheld_can_still_be_removed(
    house: House, elsewhere: Puppet, network: Network
) -> None:
    there = {**ENDPOINTS[0], "url": "http://other.test/credentials"}
    elsewhere.answers["GET /2.2.1"] = details(there, ENDPOINTS[1])
    await register(house, network)
    said = "The credentials endpoint of acme lies where nobody has approved it"
    with pytest.raises(Conflict, match=said):
        await handshake.rotate(house.context, "acme")
    with pytest.raises(PeerUnusable, match=said):
        await remove(house.context, "acme")
    assert said in str(await remove(house.context, "acme", force=True))
    assert [each for each in network.requests if "other.test" in each] == []
    async with house.context.database.read() as db:
        assert (await db.exec(select(Partner))).all() == []
    assert await urls(house, WithheldEndpoint) == []


MOVED = "http://other.test/versions"


@pytest.fixture
def moved(puppet: Puppet, network: Network) -> Puppet:
    """Give a partner all of which is at other.test as well."""
    network.hosts["other.test"] = puppet
    return puppet


def move(puppet: Puppet, *endpoints: dict[str, str]) -> None:
    """Have what the partner offers lie at other.test, but for these endpoints."""
    puppet.answers["GET /versions"] = envelope(
        [{"version": "2.2.1", "url": "http://other.test/2.2.1"}]
    )
    there = [{**each, "url": each["url"].replace("emsp", "other")} for each in ENDPOINTS]
    puppet.answers["GET /2.2.1"] = details(*endpoints, *there[len(endpoints) :])


@pytest.mark.threat("TA-27")
@pytest.mark.pitfall("IP-02")
async def test_a_partner_moves_to_another_host_once_that_is_approved(
    any_house: House, moved: Puppet, network: Network
) -> None:
    house = any_house
    old = await register(house, network)
    await house.request("GET", "/versions", old)
    move(moved)

    answer = (await house.credentials("PUT", old, credentials("new-token", MOVED))).json()

    assert answer["status_code"] == 1000
    shown = await show_partner(house.context, "acme")
    assert (shown.versions_url, shown.endpoints) == ("http://emsp.test/versions", [])
    assert [(each.identifier, each.role, each.url, each.place) for each in shown.withheld] == [
        ("credentials", "RECEIVER", "http://other.test/credentials", "other.test"),
        ("locations", "RECEIVER", "http://other.test/locations", "other.test"),
        ("versions", "URL", MOVED, "other.test"),
    ]
    assert shown.note == (
        f"It says that its versions URL is {MOVED} from now on. other.test is not the host of the "
        "versions URL: what lies there has to be approved (`ocpi partner approve acme`)."
    )
    (alarm,) = await withheld_endpoints(house.context)
    assert "endpoints at other.test" in alarm.sentence
    assert not await lies_with(house.context.database, 1, "http://other.test/result")
    with pytest.raises(Conflict, match="lies where nobody has approved it"):
        await handshake.rotate(house.context, "acme")
    # We were there to read, with the token that is meant for there, and for nothing else.
    assert moved.seen[-2:] == [("GET /versions", "new-token"), ("GET /2.2.1", "new-token")]
    assert [each for each in network.requests if "other.test" in each] == [
        f"GET {MOVED}",
        "GET http://other.test/2.2.1",
    ]

    approved = await approve(house.context, "acme", ["other.test"])

    assert (approved.versions_url, approved.withheld) == (MOVED, [])
    assert await urls(house, PartnerEndpoint) == [
        "http://other.test/credentials",
        "http://other.test/locations",
    ]
    assert await lies_with(house.context.database, 1, "http://other.test/result")
    assert await withheld_endpoints(house.context) == []
    assert await handshake.rotate(house.context, "acme") == []


@pytest.mark.threat("TA-27")
async def test_a_versions_url_that_waits_is_forgotten_only_when_the_partner_names_another(
    house: House, moved: Puppet, network: Network
) -> None:
    token = await register(house, network)
    move(moved, ENDPOINTS[0])
    token = (await house.credentials("PUT", token, credentials("t", MOVED))).json()["data"]["token"]
    moved.answers.clear()

    await handshake.rotate(house.context, "acme")

    assert moved.seen[-1][0] == "GET /2.2.1"
    assert network.requests[-1] == "GET http://emsp.test/2.2.1"
    assert await urls(house, WithheldEndpoint) == [MOVED]
    await house.credentials("PUT", token, credentials())
    assert await urls(house, WithheldEndpoint) == []
    assert (await show_partner(house.context, "acme")).versions_url == "http://emsp.test/versions"


@pytest.mark.threat("TA-27")
@pytest.mark.parametrize("host", ["other.test", "eu.emsp.test"])
async def test_a_partner_moves_at_once_to_a_host_that_is_approved_or_below_its_own(
    house: House, puppet: Puppet, network: Network, host: str
) -> None:
    network.hosts[host] = puppet
    token = await register(house, network)
    await approve(house.context, "acme", ["other.test"])
    puppet.answers["GET /versions"] = envelope(
        [{"version": "2.2.1", "url": f"http://{host}/2.2.1"}]
    )
    puppet.answers["GET /2.2.1"] = details({**ENDPOINTS[0], "url": f"http://{host}/credentials"})

    await house.credentials("PUT", token, credentials(url=f"http://{host}/versions"))

    shown = await show_partner(house.context, "acme")
    assert (shown.versions_url, shown.withheld) == (f"http://{host}/versions", [])
    assert shown.note is None
    assert await urls(house, PartnerEndpoint) == [f"http://{host}/credentials"]


@pytest.mark.threat("TA-27")
async def test_no_endpoint_passes_for_the_versions_url(
    house: House, puppet: Puppet, network: Network
) -> None:
    token = await register(house, network)
    await house.request("GET", "/versions", token)
    false = {"identifier": "versions", "role": "URL", "url": "http://emsp.test/false"}
    puppet.answers["GET /2.2.1"] = details(ENDPOINTS[0], false)

    await handshake.rotate(house.context, "acme")

    assert await urls(house, PartnerEndpoint) == HOME
    assert (await show_partner(house.context, "acme")).versions_url == "http://emsp.test/versions"


@pytest.mark.threat("TA-27")
async def test_plain_http_where_the_versions_url_is_https_is_withheld(
    house: House, puppet: Puppet
) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    puppet.answers["GET /versions"] = envelope(
        [{"version": "2.2.1", "url": "https://emsp.test/2.2.1"}]
    )
    await house.credentials("POST", token, credentials(url="https://emsp.test/versions"))
    shown = await show_partner(house.context, "acme")
    assert shown.endpoints == []
    assert {each.place for each in shown.withheld} == {"http://emsp.test"}


@pytest.mark.threat("TA-27")
async def test_who_unregisters_takes_what_was_withheld_along(
    house: House, elsewhere: Puppet, network: Network
) -> None:
    assert elsewhere.answers
    token = await register(house, network)
    assert (await house.credentials("DELETE", token)).json()["status_code"] == 1000
    assert await urls(house, WithheldEndpoint) == []
    assert await withheld_endpoints(house.context) == []


@pytest.mark.threat("TA-27")
def test_nothing_that_calls_partners_knows_withheld_endpoints() -> None:
    root = Path(__file__).parents[2]
    knowing = {
        str(file.relative_to(root))
        for folder in ("ocpi", "credentials", "modules")
        for file in (root / folder).rglob("*.py")
        if "WithheldEndpoint" in file.read_text()
    }
    assert knowing == {
        "credentials/partners.py",
        "credentials/registration.py",
        "ocpi/alarms/conditions.py",
        "ocpi/parties.py",
    }
