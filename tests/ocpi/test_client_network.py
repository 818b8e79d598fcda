"""Real connections, to partners of every kind."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Callable

import pytest

from ocpi.admission import LARGE, Admission
from ocpi.answer import Kind
from ocpi.client import Client, ExchangeFailed, Target
from ocpi.errors import Overloaded
from tests.ocpi.loopback import OK, Answer, listen, respond, send

PARTNER = Target("emsp", "secret-token")
pytestmark = pytest.mark.usefixtures("either_client")


@pytest.fixture
async def client(either_client: None) -> AsyncGenerator[Client]:
    del either_client
    client = Client(allow_private=True)
    yield client
    await client.close()


async def test_requests_share_a_connection_and_say_nothing_more_than_they_must(
    client: Client,
) -> None:
    cookie = ("Set-Cookie: sid=1; Path=/", "Content-Type: application/json")
    async with listen(respond(headers=cookie)) as peer:
        replies = [await client.request(PARTNER, "GET", peer.url) for _ in range(3)]
    assert [reply.success() for reply in replies] == [True, True, True]
    assert peer.connections == 1
    head = peer.requests[2].decode().split("\r\n")
    assert head[0] == "GET /ocpi HTTP/1.1"
    assert sorted(line.partition(":")[0] for line in head[1:] if line) == [
        "Accept",
        "Accept-Encoding",
        "Authorization",
        "Host",
        "User-Agent",
        "X-Correlation-ID",
        "X-Request-ID",
    ]


async def test_the_url_goes_out_as_it_was_given(client: Client) -> None:
    path = "/a%2Fb/%7Ex/%41//c?date_from=2026-01-02T03:04:05Z&cursor=a+b%20%3d%3D&e=%e4"
    async with listen(respond()) as peer:
        await client.request(PARTNER, "GET", f"http://127.0.0.1:{peer.port}{path}")
    assert peer.requests[0].split(b"\r\n")[0].decode() == f"GET {path} HTTP/1.1"


async def test_the_body_goes_out_as_it_was_given(client: Client) -> None:
    body = '{"name":"Zürich","kwh":1.10}' * 50_000
    async with listen(respond()) as peer:
        reply = await client.request(PARTNER, "PATCH", peer.url, body=body)
    assert reply.success()
    assert peer.requests[0].endswith(b"\r\n\r\n" + body.encode())


@pytest.mark.pitfall("IP-27")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_request_without_a_body_names_no_type_of_it(client: Client, method: str) -> None:
    """Who takes JSON alone answers 415 to any other type, and the driver cannot charge."""
    async with listen(respond()) as peer:
        reply = await client.request(PARTNER, method, peer.url)
    assert reply.success()
    assert b"content-type" not in peer.requests[0].lower()


@pytest.mark.req("ST-14")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.threat("TA-03")
async def test_a_redirect_is_a_reply_and_nobody_goes_there(client: Client, status: int) -> None:
    async with listen(respond()) as canary:
        headers = (f"Location: {canary.url}", f"Refresh: 0; url={canary.url}")
        async with listen(respond(status=f"{status} Moved", headers=headers)) as peer:
            reply = await client.request(PARTNER, "POST", peer.url, body="{}")
    assert (reply.http_status, reply.success(), reply.headers["location"]) == (
        status,
        False,
        canary.url,
    )
    assert (canary.connections, peer.connections) == (0, 1)


@pytest.mark.req("ST-14")
@pytest.mark.parametrize(
    "answer",
    [
        respond(b"<html>Welcome</html>", headers=["Content-Type: text/html"]),
        send(b"HTTP/1.1 204 No Content\r\n\r\n"),
        respond(b""),
        respond(OK[:-2]),
        respond(b"[]"),
        respond(b'{"status_code":[1000]}'),
        respond(b'{"detail":"ok"}'),
        respond(gzip.compress(OK)[:-20], headers=["Content-Encoding: gzip"]),
    ],
)
@pytest.mark.pitfall("IP-06")
async def test_2xx_without_an_envelope_is_no_success(client: Client, answer: Answer) -> None:
    async with listen(answer) as peer:
        reply = await client.request(PARTNER, "PUT", peer.url, body="{}")
    assert (reply.http_status // 100, reply.status_code, reply.success()) == (2, None, False)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
async def test_a_partner_that_compresses_unasked_is_understood(
    client: Client, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    async with listen(respond(compress(OK), headers=[f"Content-Encoding: {encoding}"])) as peer:
        reply = await client.request(PARTNER, "GET", peer.url)
    assert (reply.success(), reply.body) == (True, OK)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def answer_for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    while not writer.is_closing():
        writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        await writer.drain()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def reset_within_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + OK)(reader, writer)
    writer.transport.abort()


async def refuse_early_and_stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 500\r\n\r\n")(reader, writer)
    await say_nothing(reader, writer)


def then_close(raw: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(raw)(reader, writer)
        writer.close()

    return answer


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (respond(b" " * 65_537), "too_large"),
        (answer_for_ever, "too_large"),
        (respond(gzip.compress(b" " * 65_537), headers=["Content-Encoding: gzip"]), "too_large"),
        (drip, "timeout"),
        (drip_headers, "timeout"),
        (say_nothing, "timeout"),
        (refuse_early_and_stay, "timeout"),
        (reset, "protocol"),
        (reset_within_the_body, "protocol"),
        (then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}"), "protocol"),
        (then_close(CHUNKED + b"2\r\n{}\r\n"), "protocol"),
        (then_close(CHUNKED + b"zz\r\n{}\r\n"), "protocol"),
        (then_close(b"SSH-2.0-OpenSSH_9.7\r\n"), "protocol"),
        (then_close(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n"), "protocol"),
        (then_close(b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 9000 + b"\r\n"), "protocol"),
        (respond(OK, headers=["Content-Encoding: br"]), "protocol"),
        (respond(OK, headers=["Content-Encoding: gzip"]), "protocol"),
    ],
)
@pytest.mark.threat("TA-15")
async def test_a_misbehaving_partner_costs_one_exchange_and_no_connection(
    answer: Answer, kind: Kind
) -> None:
    client = Client(allow_private=True, connections=1)
    async with listen(answer) as bad, listen(respond()) as good:
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "POST", bad.url, body="{}" * 100_000, timeout=0.3)
        assert failure.value.kind == kind
        # The only connection that there may be is free again.
        assert (await client.request(PARTNER, "GET", good.url)).success()
        await client.close()


@pytest.mark.threat("TA-15")
async def test_a_bomb_of_64_mib_does_not_go_off(client: Client) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024), compresslevel=1)
    async with listen(respond(bomb, headers=["Content-Encoding: gzip"])) as peer:
        tracemalloc.start()
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", peer.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert failure.value.kind == "too_large"
    assert peak < 4 * 1024 * 1024


@pytest.mark.threat("TA-15")
async def test_an_answer_may_have_just_as_many_bytes_as_allowed(client: Client) -> None:
    async with listen(respond(OK)) as peer:
        reply = await client.request(PARTNER, "GET", peer.url, limit=len(OK))
        with pytest.raises(ExchangeFailed):
            await client.request(PARTNER, "GET", peer.url, limit=len(OK) - 1)
    assert reply.success()


async def test_nobody_listening_and_nobody_named_so_are_told_apart(client: Client) -> None:
    async with listen(respond()) as peer:
        gone = peer.url
    failures = []
    for url in (gone, "http://emsp.invalid/"):
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", url)
        failures.append((failure.value.kind, failure.value.sentence))
    assert failures == [
        ("connect", "emsp: no connection to 127.0.0.1: Connection refused"),
        ("dns", "emsp: emsp.invalid does not resolve"),
    ]


@pytest.mark.req("TR-12")
async def test_a_request_is_sent_once_even_if_its_connection_turns_out_to_be_dead(
    client: Client,
) -> None:
    answers = iter([respond(), reset, respond()])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(answers)(reader, writer)

    async with listen(answer) as peer:
        await client.request(PARTNER, "GET", peer.url)
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", peer.url)
    assert (failure.value.kind, len(peer.requests)) == ("protocol", 2)


@pytest.mark.threat("TA-17")
async def test_a_partner_never_has_more_than_its_connections_and_partners_do_not_share() -> None:
    client = Client(allow_private=True, connections=2)
    meeting = asyncio.Barrier(4)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await meeting.wait()
        await respond()(reader, writer)

    async with listen(answer) as peer:
        targets = [Target(name, "token") for name in ("a", "b") for _ in range(6)]
        await asyncio.gather(*(client.request(target, "GET", peer.url) for target in targets))
        await client.close()
    assert (peer.connections, len(peer.requests)) == (4, 12)


@pytest.mark.threat("TA-14")
async def test_few_large_answers_are_held_at_once_for_others(client: Client) -> None:
    admission = Admission(large=Admission(places=1, patience=0.1))

    async def pass_on(size: int, waiting: asyncio.Event | None = None) -> int:
        async with admission.place("caller"), listen(respond(b"x" * size)) as peer:
            reply = await client.exchange(PARTNER, "GET", peer.url, limit=2 * LARGE)
            if waiting is not None:
                waiting.set()
                await asyncio.Event().wait()
            return len(reply.body)

    held = asyncio.Event()
    holding = asyncio.create_task(pass_on(LARGE + 1, held))
    await held.wait()
    assert await pass_on(LARGE) == LARGE
    with pytest.raises(Overloaded):
        await pass_on(LARGE + 1)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert await pass_on(LARGE + 1) == LARGE + 1


@pytest.mark.req("HC-15")
async def test_who_finds_no_free_connection_in_time_does_not_say_that_the_partner_is_away() -> None:
    client = Client(allow_private=True, connections=2)
    asked, release = asyncio.Barrier(3), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not release.is_set():
            await asked.wait()
        await release.wait()
        await respond()(reader, writer)

    async with listen(answer) as peer:
        busy = [asyncio.create_task(client.request(PARTNER, "GET", peer.url)) for _ in range(2)]
        await asked.wait()
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", peer.url, timeout=0.3)
        assert failure.value.kind == "exhausted"
        release.set()
        assert all(reply.success() for reply in await asyncio.gather(*busy))
        assert (await client.request(PARTNER, "GET", peer.url)).success()
        assert len(peer.requests) == 3
        await client.close()


async def test_a_cancelled_exchange_leaves_no_connection_behind() -> None:
    client = Client(allow_private=True, connections=1)
    async with listen(say_nothing) as peer, listen(respond()) as good:
        task = asyncio.create_task(client.request(PARTNER, "GET", peer.url))
        await peer.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.request(PARTNER, "GET", good.url)).success()
        await peer.left.get()
        await client.close()


async def test_old_connections_are_replaced_but_not_under_their_users(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await respond()(reader, writer)

    async with listen(answer) as slow, listen(respond()) as peer:
        waiting = asyncio.create_task(client.request(PARTNER, "GET", slow.url))
        await slow.asked.wait()
        monkeypatch.setattr("ocpi.egress.POOL_AGE", 0.0)
        for _ in range(2):
            assert (await client.request(PARTNER, "GET", peer.url)).success()
        release.set()
        assert (await waiting).success()
        await slow.left.get()
        await peer.left.get()
    assert (slow.connections, peer.connections) == (1, 2)


async def test_a_connection_that_rested_is_not_used_again_before_the_partner_closes_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi.egress.IDLE", 0.05)
    async with listen(respond()) as peer:
        for _ in range(2):
            assert (await client.request(PARTNER, "GET", peer.url)).success()
            await asyncio.sleep(0.1)
    assert peer.connections == 2


async def test_a_closed_client_has_no_connections() -> None:
    client = Client(allow_private=True)
    async with listen(respond()) as peer:
        for name in ("a", "b"):
            await client.request(Target(name, "token"), "GET", peer.url)
        await client.close()
        for _ in range(2):
            await peer.left.get()
    assert peer.connections == 2
