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
from tests.ocpi.hub.town import CPO1, EMSP1, Town, open_town

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
