"""What a request says and how an answer is read, without a network."""

import base64
import resource
import traceback
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
import respx

from ocpi.answer import Kind
from ocpi.client import Client, ExchangeFailed, Target
from ocpi.reply import Reply

PARTNER = Target("emsp", "secret-token")
URL = "https://emsp.example/ocpi/receiver/2.2.1/sessions"


class Recorder:
    """A partner that keeps what it is told, and always gives the same answer."""

    def __init__(self, response: httpx.Response | Exception | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.response = response or httpx.Response(200, json={"status_code": 1000})
        self.client = Client(allow_private=False, transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.response, Exception):
            raise self.response
        return self.response

    async def read(self, **more: Any) -> Reply:
        return await self.client.request(PARTNER, "GET", URL, **more)


@pytest.mark.req("TR-02", "TR-03", "TR-09", "TR-12", "TR-13")
async def test_a_request_carries_token_ids_and_content_type() -> None:
    partner = Recorder()
    reply = await partner.client.request(
        PARTNER,
        "PUT",
        URL,
        body='{"kwh":1.10}',
        headers={"OCPI-to-party-id": "ABC", "authorization": "Token mine", "X-Request-ID": "mine"},
        correlation_id="conversation-1",
    )
    [request] = partner.requests
    assert (request.method, str(request.url), request.content) == ("PUT", URL, b'{"kwh":1.10}')
    assert dict(request.headers) == {
        "host": "emsp.example",
        "content-length": "12",
        "ocpi-to-party-id": "ABC",
        "authorization": "Token " + base64.b64encode(b"secret-token").decode(),
        "x-request-id": reply.request_id,
        "x-correlation-id": "conversation-1",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "ocpi-hub",
        "content-type": "application/json",
    }
    assert reply.correlation_id == "conversation-1"


@pytest.mark.req("TR-12", "TR-13", "TR-15")
@pytest.mark.parametrize("unsafe", [None, "", "a b", "a\r\nX-Evil: 1", "é", "x" * 129])
async def test_ids_are_made_anew_where_none_or_an_unsafe_one_is_given(unsafe: str | None) -> None:
    partner = Recorder()
    replies = [await partner.read(correlation_id=unsafe) for _ in range(3)]
    request_ids = {UUID(reply.request_id) for reply in replies}
    correlation_ids = {UUID(reply.correlation_id) for reply in replies}
    assert (len(request_ids), len(correlation_ids)) == (3, 3)
    assert [request.headers["x-request-id"] for request in partner.requests] == [
        reply.request_id for reply in replies
    ]


@pytest.mark.req("TR-09")
async def test_a_request_without_a_body_has_no_content_type() -> None:
    partner = Recorder()
    await partner.read()
    assert "content-type" not in partner.requests[0].headers


@pytest.mark.req("TR-03", "TR-07")
@pytest.mark.parametrize(
    ("target", "header"),
    [
        (Target("p", "example-token"), "Token ZXhhbXBsZS10b2tlbg=="),
        (Target("p", "ünï"), "Token w7xuw68="),
        (Target("p", "example-token", raw_token=True), "Token example-token"),
    ],
)
@pytest.mark.pitfall("IP-01")
async def test_the_token_is_base64_of_its_utf_8_unless_the_partner_wants_it_raw(
    target: Target, header: str
) -> None:
    partner = Recorder()
    await partner.client.request(target, "GET", URL)
    assert partner.requests[0].headers["authorization"] == header


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "\x00", "é"])
@pytest.mark.threat("TA-22")
async def test_nothing_is_sent_with_a_header_that_would_break_the_message(value: str) -> None:
    partner = Recorder()
    with pytest.raises(ExchangeFailed) as failure:
        await partner.read(headers={"OCPI-from-party-id": value})
    assert (failure.value.kind, failure.value.sentence, partner.requests) == (
        "refused",
        "emsp: the value of OCPI-from-party-id cannot stand in a header",
        [],
    )


async def test_a_reply_is_what_came_back() -> None:
    body = b'{"status_code":1000,"status_message":"Fine","data":{"kwh":1.10,"x":[1]}}'
    partner = Recorder(httpx.Response(201, content=body, headers={"Location": "https://x/1"}))
    reply = await partner.read()
    assert reply == Reply(
        http_status=201,
        status_code=1000,
        status_message="Fine",
        data={"kwh": Decimal("1.10"), "x": [1]},
        headers={"location": "https://x/1", "content-length": str(len(body))},
        excerpt=body.decode(),
        elapsed=reply.elapsed,
        body=body,
        request_id=reply.request_id,
        correlation_id=reply.correlation_id,
    )
    assert reply.elapsed >= 0


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"status_code":1000,"timestamp":"2026-01-02T03:04:05Z"}', (1000, None, None)),
        (b'{"status_code":"1000","data":[]}', (1000, None, [])),
        (b'\xef\xbb\xbf{"status_code":2001,"status_message":null}', (2001, None, None)),
        (b'{"status_code":3000,"status_message":["odd"],"data":7}', (3000, None, 7)),
        (b'{"status_code":1000.0,"data":1}', (None, None, None)),
        (b'{"status_code":true,"data":1}', (None, None, None)),
        (b'{"status_code":"OK","data":1}', (None, None, None)),
        (b'{"status_code":"1e3","data":1}', (None, None, None)),
        (b'{"status_code":null,"data":1}', (None, None, None)),
        (b'{"status_code":9999}', (9999, None, None)),
        (b'{"status_code":10000,"data":1}', (None, None, None)),
        (b'{"status_code":3000000000,"data":1}', (None, None, None)),
        (b'{"status_code":-1,"data":1}', (None, None, None)),
        (b'{"detail":"Not Found"}', (None, None, None)),
        (b'[{"status_code":1000}]', (None, None, None)),
        (b'{"status_code":1000,"data":[', (None, None, None)),
        (b'{"status_code":1000,"data":NaN}', (None, None, None)),
        (b"1000", (None, None, None)),
        (b"<html>OK</html>", (None, None, None)),
        (b"\xff\xfe\x00", (None, None, None)),
        (b"[" * 60_000, (None, None, None)),
        (b"", (None, None, None)),
    ],
)
@pytest.mark.pitfall("IP-42", "IP-43")
async def test_an_envelope_is_read_with_tolerance_but_never_guessed(
    body: bytes, read: tuple[int | None, str | None, Any]
) -> None:
    reply = await Recorder(httpx.Response(200, content=body)).read()
    assert (reply.status_code, reply.status_message, reply.data) == read
    assert reply.body == body


@pytest.mark.req("ST-13", "ST-14")
@pytest.mark.parametrize(
    ("http_status", "status_code", "success"),
    [
        (200, 1000, True),
        (201, 1999, True),
        (200, 2000, False),
        (200, 3001, False),
        (200, 999, False),
        (204, None, False),
        (302, 1000, False),
        (404, 1000, False),
        (500, 1000, False),
    ],
)
@pytest.mark.pitfall("IP-06")
async def test_only_2xx_with_1xxx_is_a_success(
    http_status: int, status_code: int | None, *, success: bool
) -> None:
    reply = await Recorder(httpx.Response(http_status, json={"status_code": status_code})).read()
    assert reply.success() is success


@pytest.mark.threat("TA-22")
async def test_only_safe_header_values_are_handed_on() -> None:
    headers = [(b"X-Good", b"a, b"), (b"X-Bad", b"a\x07b"), (b"X-\xc3\xa9", b"\xc3\xa9")]
    reply = await Recorder(httpx.Response(200, headers=headers)).read()
    assert reply.headers == {"x-good": "a, b"}


async def test_an_excerpt_is_short_and_always_text() -> None:
    reply = await Recorder(httpx.Response(502, content=b"\xff" + "é".encode() * 2000)).read()
    assert reply.excerpt == "�" + "é" * 499


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("secret-token"), "connect"),
        (httpx.ConnectTimeout("secret-token"), "timeout"),
        (httpx.ReadTimeout("secret-token"), "timeout"),
        (httpx.ReadError("secret-token"), "protocol"),
        (httpx.RemoteProtocolError("secret-token"), "protocol"),
        (OSError("secret-token"), "protocol"),
    ],
)
@pytest.mark.threat("TA-09")
async def test_a_failure_has_a_kind_and_no_token(error: Exception, kind: Kind) -> None:
    with pytest.raises(ExchangeFailed) as failure:
        await Recorder(error).read()
    assert failure.value.kind == kind
    assert UUID(failure.value.request_id)
    assert failure.value.sentence.startswith("emsp: ")
    assert_no_token(*traceback.format_exception(failure.value), repr(failure.value))


@pytest.mark.parametrize("direct", [False, True])
async def test_without_a_file_left_nothing_is_sent_and_the_partner_is_not_to_blame(
    *, direct: bool
) -> None:
    client = Client(allow_private=True, ports={9}, direct=direct)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", "http://127.0.0.1:9/ocpi")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await client.close()
    assert (failure.value.kind, failure.value.sentence) == (
        "exhausted",
        "emsp: this process has no connection left: Too many open files",
    )


@pytest.mark.threat("TA-09")
def test_a_target_does_not_show_its_token() -> None:
    assert repr(PARTNER) == "Target(name='emsp', raw_token=False)"


@pytest.mark.threat("TA-09")
async def test_a_reply_does_not_show_what_it_holds() -> None:
    """The answer to a registration holds the token that we are to present from then on."""
    answer = {"status_code": 1000, "status_message": "secret-token", "data": "secret-token"}
    reply = await Recorder(httpx.Response(200, json=answer)).read()
    assert "secret-token" in reply.body.decode()
    assert "secret-token" not in f"{reply.excerpt} {reply.status_message}"
    assert_no_token(repr(reply))


def assert_no_token(*texts: str) -> None:
    encoded = base64.b64encode(b"secret-token").decode()
    assert [text for text in texts if "secret-token" in text or encoded in text] == []


@pytest.mark.threat("TA-01")
async def test_urls_are_checked_whatever_the_transport() -> None:
    partner = Recorder()
    with pytest.raises(ExchangeFailed) as failure:
        await partner.client.request(PARTNER, "GET", "http://emsp.example/")
    assert (failure.value.kind, failure.value.sentence, partner.requests) == (
        "refused",
        "emsp: emsp.example: only https is allowed",
        [],
    )


async def test_a_respx_router_may_stand_in_for_partners() -> None:
    router = respx.Router()
    route = router.get(URL).respond(json={"status_code": 1000, "data": [1]})
    client = Client(allow_private=False, transport=httpx.MockTransport(router.async_handler))
    reply = await client.request(PARTNER, "GET", URL)
    await client.close()
    assert (reply.data, route.call_count) == ([1], 1)
