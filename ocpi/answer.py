"""An answer as it comes in: its headers joined, its body inflated and bounded."""

import zlib
from collections.abc import AsyncIterable, Iterable
from typing import Literal

from ocpi.admission import LARGE, enlarge

_INFLATED = 32 + zlib.MAX_WBITS  # zlib finds out whether it is gzip or deflate.

Kind = Literal["refused", "dns", "connect", "tls", "timeout", "too_large", "protocol", "exhausted"]


class Broken(Exception):
    """An exchange cannot go on, and why."""

    def __init__(self, kind: Kind, why: str) -> None:
        super().__init__(why)
        self.kind = kind


def joined(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Headers by lower-case name; one that is there twice has both values, as httpx has it."""
    found: dict[str, str] = {}
    for each, value in headers:
        name = each.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found.items()


async def read_body(encoding: str | None, stream: AsyncIterable[bytes], limit: int) -> bytes:
    """The body, inflated when it comes deflated against our wish, and never more than `limit`.

    Of a large one that answers a request of somebody else the rest is read when there is a place
    for it, see ocpi.admission: dozens are under way at once. Raises ``Broken`` and ``Overloaded``.
    """
    encoding = (encoding or "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip", "deflate"}:
        raise Broken("protocol", f"the answer has Content-Encoding {encoding[:40]!a}")
    inflate = None if encoding == "identity" else zlib.decompressobj(_INFLATED)
    body = bytearray()
    async for chunk in stream:
        body += inflate.decompress(chunk, limit + 1 - len(body)) if inflate else chunk
        if len(body) > limit:
            raise Broken("too_large", f"the answer has more than {limit} bytes")
        if len(body) > LARGE:
            await enlarge()
    return bytes(body)
