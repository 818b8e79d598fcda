"""Partners on the loopback interface, well-behaved or not, and a resolver to find them."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp.abc import AbstractResolver, ResolveResult

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b'{"status_code":1000,"status_message":"Success","timestamp":"2026-01-02T03:04:05Z"}'


@dataclass
class Peer:
    """What a listener has seen: its connections, and each request as it came."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Queue[None] = field(default_factory=asyncio.Queue)  # One for each connection.

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ocpi"


def respond(
    body: bytes = OK,
    status: str = "200 OK",
    headers: Sequence[str] = ("Content-Type: application/json",),
) -> Answer:
    """An answer with Content-Length, behind which the connection stays open."""
    return send(
        "\r\n".join(
            [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        ).encode()
        + body
    )


def send(raw: bytes) -> Answer:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return answer


@asynccontextmanager
async def listen(
    answer: Answer, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Peer]:
    """Listen on a free port, and answer each request until the client goes or `answer` closes."""
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        writers.append(writer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while not writer.is_closing():
                    peer.requests.append(await _read_request(reader))
                    peer.asked.set()
                    await answer(reader, writer)
        finally:
            # What was written goes out before the connection is closed, even so.
            writer.close()
            peer.left.put_nowait(None)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(converse(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


class Names(AbstractResolver):
    """A resolver with its own mind: each lookup of any name takes the next list of addresses."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.lookups = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        found = self.answers[min(self.lookups, len(self.answers) - 1)]
        self.lookups += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""
