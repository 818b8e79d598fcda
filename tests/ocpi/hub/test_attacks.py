"""What the hub must not be made to do: each of these was tried on it and once succeeded."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlmodel import select

from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.sealing import Seal
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, codes_of
from tests.ocpi.hub.raw import send_raw
from tests.ocpi.hub.test_relay import routing_of, swapped
from tests.ocpi.hub.town import CPO1, EMSP1, Town, open_town, pushing, until


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


CLIMBING = [
    b"receiver/commands/../../credentials",
    b"receiver/commands/%2e%2e/%2E./credentials",
    b"receiver/commands/..%2f..%2fcredentials",
    b"receiver/commands/..%5C..%5Ccredentials",
    b"receiver/commands/..;/..;x=1/credentials",
    b"receiver/commands/.",
]


@pytest.mark.parametrize("path", CLIMBING)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
@pytest.mark.pitfall("IP-26")
@pytest.mark.threat("TA-01")
async def test_no_path_leads_out_of_a_partners_endpoint(
    town: Town, method: str, path: bytes
) -> None:
    answer = await send_raw(town, town.emsp1, method, path, to=CPO1.party)
    assert codes_of(answer) == (200, 2001)
    assert not town.network.requests


async def test_an_object_whose_name_climbs_is_not_taken_and_hurts_nobody(
    sqlite_url: str,
) -> None:
    async with open_town(sqlite_url) as town:
        for name in (b".", b".."):
            document = samples.location(country_code="BE", party_id="BEC", id=name.decode())
            path = b"receiver/locations/BE/BEC/" + name.replace(b".", b"%2e")
            body = encode(document).encode()
            answer = await send_raw(town, town.cpo1, "PUT", path, body=body, to=HUB)
            assert codes_of(answer) == (200, 2001)
            assert "id: has . or .. for a name, which no URL can carry" in answer.text
        good = samples.location(country_code="BE", party_id="BEC", id="GOOD")
        await town.cpo1.send("PUT", "receiver/locations/BE/BEC/GOOD", good, to=HUB)
        async with pushing(town):
            await until(lambda: bool(town.emsp1.of("locations")))
        assert [seen.path for seen in town.emsp1.seen] == ["/receiver/locations/BE/BEC/GOOD"]


@pytest.mark.parametrize(
    "query", [b"a=\x01", b"a=\xff", b"a=b c", b"a=\\", b"a=" + b"x" * 8000, b"a=#"]
)
async def test_a_query_that_no_url_may_have_is_its_senders_fault_alone(
    town: Town, query: bytes
) -> None:
    answer = await send_raw(
        town, town.emsp1, "GET", b"sender/locations", query=query, to=CPO1.party
    )
    assert codes_of(answer) == (200, 2001)
    assert not town.context.pulse.take()[0]


@pytest.mark.parametrize(
    ("name", "method", "path", "query", "body"),
    [
        ("emsp1", "GET", b"sender/locations/%00", b"", b""),
        ("cpo1", "POST", b"sender/tokens/x/authorize", b"type=%00", b""),
        ("emsp1", "PUT", b"receiver/chargingprofiles/%00", b"", b"{}"),
        ("cpo1", "PATCH", b"receiver/sessions/BE/BEC/%00", b"", b"{}"),
        ("emsp1", "POST", b"sender/locations", b"", b"{}"),
        ("emsp1", "DELETE", b"receiver/chargingprofiles", b"", b""),
        ("cpo1", "POST", b"receiver/cdrs", b"", b'{"cdr_token": {"country_code": ["x"]}}'),
    ],
)
async def test_what_names_nobody_properly_is_4001(
    town: Town, name: str, method: str, path: bytes, query: bytes, body: bytes
) -> None:
    answer = await send_raw(town, town.peers[name], method, path, query=query, body=body)
    assert codes_of(answer) == (200, 4001)


@pytest.mark.parametrize("session", [b"%00", b"x" * 3000])
async def test_a_session_is_carried_whatever_its_name(town: Town, session: bytes) -> None:
    path = b"receiver/sessions/BE/BEC/" + session
    answer = await send_raw(town, town.cpo1, "PUT", path, body=b"{}", to=EMSP1.party)
    assert codes_of(answer) == (200, 1000)


@pytest.mark.req("RT-03")
@pytest.mark.parametrize("module", ["credentials", "versions"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_configuration_modules_are_never_carried(
    town: Town, method: str, module: str
) -> None:
    """They would be called with the hub's own token: to read it, or to end the registration."""
    async with town.context.database.write() as db:
        for role in ("SENDER", "RECEIVER"):
            url = f"https://cpo1.example/{module}"
            partner_id = (await db.exec(select(Partner.id).where(Partner.name == "cpo1"))).one()
            row: dict[str, Any] = {
                "partner_id": partner_id,
                "identifier": module,
                "role": role,
                "url": url,
            }
            db.add(PartnerEndpoint(**row))
    for side in ("sender", "receiver"):
        answer = await town.emsp1.send(method, f"{side}/{module}", to=CPO1.party)
        assert codes_of(answer) == (404, 2000)
    assert not town.network.requests


@pytest.mark.parametrize(
    "path", ["9.9/sender/locations", "2.2.1/SENDER/locations", "2.2.1/other/locations", "2.2.1/x"]
)
async def test_what_is_no_interface_of_this_version_is_not_carried(town: Town, path: str) -> None:
    answer = await town.emsp1.send("GET", f"/ocpi/hub/{path}", to=CPO1.party)
    assert codes_of(answer) == (404, 2000)
    assert routing_of(answer) == swapped(EMSP1.party, HUB)
    assert not town.network.requests


BEC = {"country_code": "BE", "party_id": "BEC"}
FRC = {"country_code": "FR", "party_id": "FRC"}


@pytest.mark.req("CO-06", "RT-08")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "receiver/sessions/FR/FRC/S1", samples.session(**FRC)),
        ("PATCH", "receiver/sessions/FR/FRC/S1", {"kwh": 1}),
        ("GET", "receiver/sessions/FR/FRC/S1", None),
        ("PUT", "receiver/locations/FR/FRC/L1/E1", {}),
        ("DELETE", "receiver/tariffs/FR/FRC/T1", None),
        ("POST", "receiver/cdrs", samples.cdr(**FRC)),
        ("POST", "receiver/cdrs", {"Country_Code": "FR", "PARTY_ID": "FRC"}),
        # Many servers decode a path before they split it.
        ("PUT", "receiver/sessions/FR%2FFRC/S1", samples.session(**FRC)),
        ("PUT", "receiver/sessions/FR/FRC%2fS1", samples.session(**FRC)),
        ("PUT", "receiver/locations/FR%2FFRC%2FL1", samples.location(**FRC)),
        ("PATCH", "receiver/locations/FR%5CFRC/L1", {"name": "X"}),
        ("PUT", "receiver/locations/FR%2FFRC/L1/E1", {}),
        ("GET", "receiver/tariffs/FR%2FFRC/T1", None),
        ("PUT", "receiver/sessions/S1", samples.session(**FRC)),
        ("PUT", "receiver/tariffs", samples.tariff(**FRC)),
    ],
)
@pytest.mark.parametrize("to", [EMSP1.party, Party("XX", "XXX"), None])
@pytest.mark.threat("TA-05")
async def test_nobody_pushes_what_is_another_ones(
    town: Town, method: str, path: str, body: Any, to: Party | None
) -> None:
    """Whoever gets it could not tell, for its owner is connected to this hub as well."""
    answer = await town.cpo1.send(method, path, body, to=to)
    assert codes_of(answer) == (404, 2000)
    assert not town.network.requests


@pytest.mark.req("CO-05")
@pytest.mark.pitfall("IP-11")
@pytest.mark.threat("TA-05")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "receiver/sessions/BE/BEC/S1", samples.session(**FRC)),
        ("PUT", "receiver/locations/BE/BEC/L1", samples.location(**FRC)),
        ("PUT", "receiver/tariffs/be/bec/T1", samples.tariff(**FRC)),
        ("PATCH", "receiver/sessions/BE/BEC/S1", {"kwh": 1, "party_id": "FRC"}),
        ("PUT", "receiver/sessions/BE/BEC/S1", {"COUNTRY_CODE": "FR", "country_code": "BE"}),
        ("POST", "receiver/cdrs", {"Country_Code": "FR", **BEC}),
        ("POST", "receiver/cdrs", [samples.cdr(**FRC)]),
        ("POST", "receiver/cdrs", {**samples.cdr(**FRC), "country_code": None}),
        ("PUT", "receiver/sessions/BE/BEC/S1/more", samples.session(**FRC)),
    ],
)
async def test_nobody_pushes_one_owners_object_as_another_ones(
    town: Town, method: str, path: str, body: Any
) -> None:
    answer = await town.cpo1.send(method, path, body, to=EMSP1.party)
    assert codes_of(answer) == (200, 2001)
    assert not town.network.requests


@pytest.mark.req("CO-05")
@pytest.mark.pitfall("IP-11")
async def test_nobody_pushes_a_token_as_another_ones(town: Town) -> None:
    for body in (samples.token(**FRC), samples.token(country_code="DE", party_id="FRC")):
        path = "receiver/tokens/DE/MSP/T1"
        answer = await town.emsp1.send("PUT", path, body, to=CPO1.party)
        assert codes_of(answer) == (200, 2001)
    assert not town.network.requests


@pytest.mark.req("CO-08", "RT-17")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("receiver/sessions/BE/bec/S1", {"country_code": "be", "party_id": "BeC"}),
        ("receiver/sessions/BE/BEC/S1", {"country_code": None, "kwh": 1}),
        ("receiver/sessions/BE/BEC/S1", [FRC]),
        ("receiver/locations/BE/BEC/L1/E1", FRC),
        ("receiver/locations/BE/BEC/L1/E1/1", FRC),
    ],
)
async def test_what_tells_of_no_other_owner_is_carried_as_it_is(
    town: Town, path: str, body: Any
) -> None:
    answer = await town.cpo1.send("PUT", path, body, to=EMSP1.party)
    assert codes_of(answer) == (200, 1000)
    assert town.emsp1.seen[0].document() == body


@pytest.mark.threat("TA-07")
@pytest.mark.parametrize(
    "body",
    [
        b'{"country_code": "FR", "party_id": "FRC", "country_code": "BE", "party_id": "BEC"}',
        b'{"country_code": "BE", "party_id": "BEC", "party_id" : "FRC"}',
        rb'{"country_code": "BE", "party_id": "BEC", "part\u0079_id": "FRC"}',
        b'{"country_code": "FR", "party_id": "FRC", "remark": "\\u0000"}',
        b"no json",
        b"[" * 100_000,
    ],
)
async def test_a_bill_that_others_may_read_otherwise_than_we_do_is_not_carried(
    town: Town, body: bytes
) -> None:
    for to in (EMSP1.party, None):
        answer = await town.cpo1.send("POST", "receiver/cdrs", body, to=to)
        assert codes_of(answer) == (400, 2001), answer.text
    assert not town.network.requests


@pytest.mark.req("CD-04")
@pytest.mark.parametrize("path", ["FR/FRC/C1", "BE/BEC/C1", "C1"])
async def test_a_cdr_is_asked_back_at_its_link_alone(town: Town, path: str) -> None:
    """Elsewhere any CPO could try the names of others' CDRs, and the receiver knows but the hub."""
    for to in (EMSP1.party, None):
        answer = await town.cpo1.send("GET", f"receiver/cdrs/{path}", to=to)
        assert codes_of(answer) == (404, 2000)
    assert not town.network.requests


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PURGE"])
async def test_methods_that_ocpi_lacks_are_not_carried(town: Town, method: str) -> None:
    for to in (CPO1.party, HUB, None):
        answer = await town.emsp1.send(method, "sender/locations/L1", to=to)
        assert answer.status_code == 405
    assert not town.network.requests


@pytest.mark.parametrize("path", [b"sender//locations///L1/", b"//sender/locations/L1//"])
async def test_slashes_too_many_are_not_carried_on(town: Town, path: bytes) -> None:
    answer = await send_raw(town, town.emsp1, "GET", b"/ocpi//hub/2.2.1/" + path, to=CPO1.party)
    assert codes_of(answer) == (200, 1000)
    assert town.cpo1.seen[0].path == "/sender/locations/L1"


async def test_the_body_of_a_get_is_not_carried(town: Town) -> None:
    answer = await town.emsp1.send("GET", "sender/locations", b"secret", to=CPO1.party)
    assert codes_of(answer) == (200, 1000)
    assert town.cpo1.seen[0].body == b""


EVIL = "https://evil.example/results"
START = "receiver/commands/START_SESSION"


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (f'{{"response_url": "{EVIL}", "x": NaN}}', (400, 2001)),
        (f'\ufeff{{"response_url": "{EVIL}"}}', (200, 2001)),
        (f'{{"Response_URL": "{EVIL}"}}', (200, 2001)),
        (f'{{"response\\u005furl": "{EVIL}"}}', (200, 2001)),
        (f'{{"re\u017fponse_url": "{EVIL}"}}', (200, 2001)),
        (f'{{"response_url": "https://emsp1.example/", "RESPONSE_URL": "{EVIL}"}}', (200, 2001)),
        (f'{{"response_url": "https://emsp1.example/", "response_url": "{EVIL}"}}', (400, 2001)),
        (f'{{"response_url": ["{EVIL}"]}}', (200, 2001)),
        (f'[{{"response_url": "{EVIL}"}}]', (200, 2001)),
        (f"{{response_url: '{EVIL}'}}", (400, 2001)),
        (f'{{"response_url": "{EVIL}", "x": {"[" * 50_000}{"]" * 50_000}}}', (400, 2001)),
    ],
)
@pytest.mark.threat("TA-07")
async def test_no_reader_of_a_command_finds_a_foreign_url_in_it(
    town: Town, body: str, codes: tuple[int, int]
) -> None:
    answer = await town.emsp1.send("POST", START, body.encode(), to=CPO1.party)
    assert codes_of(answer) == codes
    assert not town.network.requests


@pytest.mark.threat("TA-07")
@pytest.mark.parametrize(
    "query",
    [
        b"duration=1&response%5FURL=" + EVIL.encode(),
        b"duration=1;response_url=" + EVIL.encode(),
        b"duration=1&response.url=" + EVIL.encode(),
        b"RESPONSE+url=" + EVIL.encode(),
        b"%20response_url=" + EVIL.encode(),
        b"response_url%00x=" + EVIL.encode(),
        b"response_url%5B%5D=" + EVIL.encode(),
        b"[response_url]=" + EVIL.encode(),
        b"response[url=" + EVIL.encode(),
    ],
)
async def test_no_reader_of_a_query_finds_a_foreign_url_in_it(town: Town, query: bytes) -> None:
    path = b"receiver/chargingprofiles/S1"
    answer = await send_raw(town, town.emsp1, "GET", path, query=query, to=CPO1.party)
    assert codes_of(answer) == (200, 2001)
    assert not town.network.requests


async def test_other_names_in_a_query_are_carried_as_they_are(town: Town) -> None:
    query = "duration=900&url=a&response=b&response_urls=c&my.response.hint=d"
    path = f"receiver/chargingprofiles/S1?{query}"
    assert codes_of(await town.emsp1.send("GET", path, to=CPO1.party)) == (200, 1000)
    assert town.cpo1.seen[0].query == query


async def test_a_body_with_a_byte_order_mark_is_carried_with_our_url_in_it(town: Town) -> None:
    body = b'\xef\xbb\xbf{"response_url": "https://emsp1.example/r", "x": 1.50}'
    assert codes_of(await town.emsp1.send("POST", START, body, to=CPO1.party)) == (200, 1000)
    assert town.cpo1.seen[0].document()["response_url"].startswith("https://cpo.example/ocpi/hub")


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(999, json={"status_code": 1000}),
        httpx.Response(199, json={"status_code": 1000}),
        httpx.Response(304),
        httpx.Response(205),
        httpx.Response(200, content=b'{"status_code":1000,"x":' + b"[" * 100_000),
        httpx.Response(200, headers={"content-encoding": "br"}, content=b"{}"),
        httpx.Response(200, headers={"content-encoding": "gzip"}, content=b""),
    ],
)
async def test_an_answer_that_is_none_is_4000_and_makes_nobody_offline(
    town: Town, reply: httpx.Response
) -> None:
    town.cpo1.answer = lambda _: reply
    answer = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
    assert codes_of(answer) == (200, 4000)
    assert not town.context.pulse.take()[0]


async def test_of_several_link_headers_the_next_one_counts(town: Town) -> None:
    links = [
        ("link", '<https://cpo1.example/a>; rel="prev"'),
        ("link", "<https://cpo1.example/b>; rel=next"),
    ]
    town.cpo1.answer = lambda _: httpx.Response(
        200, headers=links, json={"data": [], "status_code": 1000}
    )
    answer = await town.emsp1.send("GET", "sender/locations", to=CPO1.party)
    assert answer.links["next"]["url"].startswith("https://cpo.example/ocpi/hub/2.2.1/links/")


async def test_a_token_that_another_key_has_sealed_is_no_crash(town: Town) -> None:
    await town.set_partner("emsp1", token_out=Seal("another-key-of-some-length").close("token"))
    answer = await town.cpo1.send("PUT", "receiver/sessions/BE/BEC/S1", {}, to=EMSP1.party)
    assert codes_of(answer) == (200, 4003)


async def test_what_was_carried_is_no_failure_when_it_cannot_be_remembered(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_given: object) -> None:
        raise OSError

    monkeypatch.setattr("ocpi.hub.memory.Memory.learn", fail)
    answer = await town.cpo1.send("PUT", "receiver/sessions/BE/BEC/S1", {}, to=EMSP1.party)
    assert codes_of(answer) == (200, 1000)
