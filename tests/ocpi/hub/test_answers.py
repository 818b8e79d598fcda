"""What a receiver answers that is not as OCPI has it, and what the sender gets of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from ocpi.headers import MessageIDs
from ocpi.push.outcome import Kind, judge
from ocpi.reply import RawReply, read_reply
from ocpi.testing import samples
from tests.house import codes_of
from tests.ocpi.hub.town import CPO1, EMSP1, Town, open_town, success
from tests.ocpi.test_forgiving import noted

C, M = CPO1.party, EMSP1.party
SESSION = samples.session(country_code="BE", party_id="BEC")
PATH = f"receiver/sessions/BE/BEC/{SESSION['id']}"
CDR = samples.cdr(country_code="BE", party_id="BEC")
CHANGE = {"kwh": 2, "last_updated": "2026-01-02T00:00:00Z"}
IDS = {"X-Request-ID": "1", "X-Correlation-ID": "1"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def town(sqlite_url: str) -> AsyncIterator[Town]:
    async with open_town(sqlite_url) as opened:
        yield opened


def answering(town: Town, status: int, body: bytes = b"", **headers: str) -> None:
    """Have the eMSP give this answer to everything."""
    town.emsp1.answer = lambda _: httpx.Response(status, headers=headers, content=body)


def judged(method: str, answer: httpx.Response) -> Kind:
    """Give what our own push makes of what the hub has answered."""
    raw = RawReply(answer.status_code, answer.headers, answer.content, 0.1, MessageIDs("r", "c"))
    return judge(method, read_reply(raw), now=datetime.now(UTC)).kind


@pytest.mark.req("RT-18")
@pytest.mark.pitfall("IP-07", "IP-12")
@pytest.mark.parametrize("body", [b"", b"<h1>Not Found</h1>", b'{"detail":"Not Found"}'])
@pytest.mark.parametrize(
    ("method", "path", "sent", "code"),
    [
        ("PATCH", PATH, CHANGE, 2000),
        ("GET", PATH, None, 2000),
        ("POST", "sender/tokens/UNKNOWN/authorize?type=RFID", None, 2004),
        ("GET", "receiver/locations/BE/BEC/L1", None, 2003),
    ],
)
async def test_a_404_is_one_behind_the_hub_too_whatever_is_in_it(
    town: Town, method: str, path: str, sent: Any, code: int, body: bytes
) -> None:
    answering(town, 404, body)
    answer = await town.cpo1.send(method, path, sent, to=M)
    assert codes_of(answer) == (404, code)


@pytest.mark.pitfall("IP-07")
async def test_after_a_404_behind_the_hub_a_whole_object_is_sent(town: Town) -> None:
    answering(town, 404)
    answer = await town.cpo1.send("PATCH", PATH, CHANGE, to=M)
    assert judged("PATCH", answer) is Kind.UNKNOWN_OBJECT


async def test_a_404_without_an_envelope_does_not_say_that_something_is_deleted(town: Town) -> None:
    """A gateway says so as well while nobody is behind it."""
    answering(town, 404)
    answer = await town.cpo1.send("DELETE", "receiver/tariffs/BE/BEC/T1", to=M)
    assert codes_of(answer) == (200, 4000)


@pytest.mark.req("RT-18", "RT-42")
@pytest.mark.pitfall("IP-38")
@pytest.mark.parametrize("http", [429, 503])
async def test_who_asks_for_a_pause_without_an_envelope_is_given_it(town: Town, http: int) -> None:
    answering(town, http, b"<h1>Slow down</h1>", **{"Retry-After": "7"})
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (http, 4000)
    assert answer.headers["retry-after"] == "7"
    assert judged("PUT", answer) is Kind.THROTTLE


@pytest.mark.req("ST-14")
@pytest.mark.pitfall("IP-06")
@pytest.mark.parametrize(
    ("status", "body", "given"), [(204, b"", 200), (200, b"", 200), (201, b"\r\n", 201)]
)
@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("PUT", PATH, SESSION),
        ("PATCH", PATH, CHANGE),
        ("DELETE", "receiver/tariffs/BE/BEC/T1", None),
        ("PUT", "sender/chargingprofiles/S1", {}),
    ],
)
async def test_an_empty_answer_to_what_was_told_is_success(
    town: Town, method: str, path: str, sent: Any, status: int, body: bytes, given: int
) -> None:
    answering(town, status, body)
    answer = await town.cpo1.send(method, path, sent, to=M)
    assert codes_of(answer) == (given, 1000)


@pytest.mark.req("ST-14", "RT-42")
@pytest.mark.pitfall("IP-05", "IP-06")
@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "receiver/cdrs", CDR),
        ("POST", "sender/tokens/U1/authorize", None),
        ("GET", PATH, None),
    ],
)
async def test_an_empty_answer_where_one_is_due_is_4000(
    town: Town, method: str, path: str, sent: Any, status: int
) -> None:
    answering(town, status)
    answer = await town.cpo1.send(method, path, sent, to=M)
    assert codes_of(answer) == (200, 4000)


@pytest.mark.req("RT-42")
@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("PUT", "receiver/chargingprofiles/S1", {"response_url": "https://emsp1.example/1"}),
        ("DELETE", "receiver/chargingprofiles/S1?response_url=https://emsp1.example/1", None),
        ("PUT", "sender/sessions/S1/charging_preferences", {"profile_type": "FAST"}),
    ],
)
async def test_an_empty_answer_to_a_wish_is_4000(
    town: Town, method: str, path: str, sent: Any
) -> None:
    """Whether a station does as it is wished stands in the answer."""
    town.cpo1.answer = lambda _: httpx.Response(204)
    answer = await town.emsp1.send(method, path, sent, to=C)
    assert codes_of(answer) == (200, 4000)


NOW = '"timestamp":"2026-01-01T12:00:00Z"'
CARELESS = [
    (f'\ufeff{{"status_code":1000,{NOW}}}', "IP-27 byte order mark", ""),
    (f'{{"status_code":"1000",{NOW}}}', "IP-43 envelope", "status_code"),
    ('{"status_code":1000}', "IP-43 envelope", "timestamp"),
    ('{"status_code":1000,"timestamp":null}', "IP-43 envelope", "timestamp"),
    ('{"status_code":1000,"timestamp":1767268800}', "IP-43 envelope", "timestamp"),
]


@pytest.mark.req("RT-18", "EN-02")
@pytest.mark.pitfall("IP-05", "IP-27", "IP-43")
@pytest.mark.parametrize(("body", "rule", "sample"), CARELESS)
async def test_what_a_strict_sender_could_not_read_is_mended_and_counted(
    town: Town, body: str, rule: str, sample: str
) -> None:
    answering(town, 201, body.encode(), location="https://emsp1.example/cdrs/1", **IDS)
    answer = await town.cpo1.send("POST", "receiver/cdrs", CDR, to=M)
    assert codes_of(answer) == (201, 1000)
    assert "/links/" in answer.headers["location"]
    assert noted(town.context, "emsp1") == {rule: sample}


@pytest.mark.req("RT-17")
@pytest.mark.pitfall("IP-10", "IP-43")
async def test_of_an_envelope_that_is_mended_the_data_stay_byte_for_byte(town: Town) -> None:
    data = '{ "kwh": 1.50,\n "x_new": [ "\u00e9", "\\u00e9" ] }'
    said = f'{{"data":{data},"x":1.0,"status_code":"1000",{NOW}}}'
    answering(town, 200, said.encode())
    answer = await town.cpo1.send("GET", PATH, to=M)
    assert answer.content.decode() == said.replace('"1000"', "1000")


@pytest.mark.req("RT-42")
@pytest.mark.pitfall("IP-27")
@pytest.mark.parametrize(
    "body",
    [
        f'{{"status_code":1000,{NOW},"status_message":"d\u00e9j\u00e0"}}'.encode("latin-1"),
        f'{{"status_code":"1000",{NOW},"data":"\u00e9"}}'.encode("latin-1"),
        f'{{"status_code":"fine",{NOW}}}'.encode(),
        f'{{"status_code":12345,{NOW}}}'.encode(),
        f'{{"status_code":1000.5,{NOW}}}'.encode(),
    ],
)
async def test_what_no_sender_could_read_is_4000(town: Town, body: bytes) -> None:
    answering(town, 200, body)
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert codes_of(answer) == (200, 4000)


@pytest.mark.pitfall("IP-06", "IP-33")
async def test_what_an_answer_that_is_carried_lacks_is_counted(town: Town) -> None:
    town.emsp1.answer = lambda _: success()
    await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert noted(town.context, "emsp1") == {"IP-33 no ids in answers": "HTTP 200"}
    answering(town, 204)
    await town.cpo1.send("PUT", PATH, SESSION, to=M)
    assert noted(town.context, "emsp1") == {"IP-06 empty answer": "HTTP 204"}
    town.emsp1.answer = lambda _: success(headers=IDS)
    answer = await town.cpo1.send("PUT", PATH, SESSION, to=M, headers={**IDS, **JSON})
    assert codes_of(answer) == (200, 1000)
    assert town.context.forgiving.take() == {}


@pytest.mark.req("RT-16")
@pytest.mark.pitfall("IP-27")
async def test_the_wrapping_of_a_body_that_is_carried_is_counted_and_stays(town: Town) -> None:
    body = b'\xef\xbb\xbf{"kwh":2,"last_updated":"2026-01-02T00:00:00Z"}'
    town.emsp1.answer = lambda _: success(headers=IDS)
    headers = {**IDS, "Content-Type": "text/plain"}
    answer = await town.cpo1.send("PATCH", PATH, body, to=M, headers=headers)
    assert codes_of(answer) == (200, 1000)
    assert town.emsp1.seen[0].body == body
    assert noted(town.context, "cpo1") == {
        "IP-27 content type": "text/plain",
        "IP-27 byte order mark": "",
    }
    answer = await town.cpo1.send("POST", "sender/tokens/U1/authorize", to=M, headers=IDS)
    assert codes_of(answer) == (200, 1000)
    assert noted(town.context, "cpo1") == {}
