"""TLS behind the guard: names, certificates and what is sent before they are known to be good."""

import asyncio
import ssl
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from ocpi.certificates import Certificates
from ocpi.client import Client, ExchangeFailed, Target
from tests.ocpi.loopback import Names, listen, respond

PARTNER = Target("emsp", "secret-token")
pytestmark = pytest.mark.usefixtures("either_client")


class Authority:
    """A certificate authority that nobody knows but we."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("Test authority", self.key, None)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def trusted(self) -> Certificates:
        return Certificates(default=ssl.create_default_context(cadata=self.pem.decode()))

    def server(
        self, folder: Path, name: str, *, days: int = 1, self_signed: bool = False
    ) -> ssl.SSLContext:
        """A server's context with a certificate for `name` that is valid for so many days."""
        pem = folder / "server.pem"
        pem.write_bytes(self.issue(name, days=days, self_signed=self_signed))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def issue(self, name: str, *, days: int = 1, self_signed: bool = False) -> bytes:
        """A certificate with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key, key if self_signed else self.key, days=days)
        return key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ) + certificate.public_bytes(Encoding.PEM)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey | None,
        *,
        days: int = 1,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by_us = signer is self.key and hasattr(self, "certificate")
        until = datetime.now(UTC) + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject if by_us else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - timedelta(days=3))
            .not_valid_after(until)
            .add_extension(
                x509.BasicConstraints(ca=signer is None, path_length=None), critical=True
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key((signer or key).public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        if signer is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(signer or key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.mark.req("TR-01")
@pytest.mark.threat("TA-01")
async def test_a_partner_is_known_by_its_name_not_by_the_address_that_was_checked(
    authority: Authority, tmp_path: Path
) -> None:
    asked: list[str] = []
    server = authority.server(tmp_path, "emsp.example")
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    names = Names(["127.0.0.1"])
    client = Client(allow_private=True, certificates=authority.trusted(), resolver=names)
    async with listen(respond(), tls=server) as peer:
        url = f"https://emsp.example:{peer.port}/ocpi"
        replies = [await client.request(PARTNER, "GET", url) for _ in range(2)]
        await client.close()
    assert [reply.success() for reply in replies] == [True, True]
    assert (asked, names.lookups, peer.connections) == (["emsp.example"], 1, 1)
    assert f"\r\nhost: emsp.example:{peer.port}\r\n" in peer.requests[0].decode().lower()


@pytest.mark.req("TR-01")
@pytest.mark.parametrize(
    ("name", "days", "self_signed", "problem"),
    [
        (
            "evil.example",
            1,
            False,
            "Hostname mismatch, certificate is not valid for 'emsp.example'.",
        ),
        ("emsp.example", 1, True, "self-signed certificate"),
        ("emsp.example", -1, False, "certificate has expired"),
    ],
)
@pytest.mark.threat("TA-27")
async def test_a_partner_with_a_bad_certificate_is_sent_nothing(
    authority: Authority,
    tmp_path: Path,
    name: str,
    days: int,
    problem: str,
    *,
    self_signed: bool,
) -> None:
    server = authority.server(tmp_path, name, days=days, self_signed=self_signed)
    client = Client(
        allow_private=True, certificates=authority.trusted(), resolver=Names(["127.0.0.1"])
    )
    async with listen(respond(), tls=server) as peer:
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", f"https://emsp.example:{peer.port}/ocpi")
        await client.close()
    assert (failure.value.kind, failure.value.sentence) == (
        "tls",
        f"emsp: the certificate of emsp.example is refused: {problem}",
    )
    assert peer.requests == []
    assert "secret-token" not in "".join(traceback.format_exception(failure.value))


async def test_an_authority_that_nobody_told_us_of_is_not_believed(
    authority: Authority, tmp_path: Path
) -> None:
    client = Client(allow_private=True, resolver=Names(["127.0.0.1"]))
    async with listen(respond(), tls=authority.server(tmp_path, "emsp.example")) as peer:
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", f"https://emsp.example:{peer.port}/ocpi")
        await client.close()
    assert (failure.value.kind, peer.requests) == ("tls", [])


@pytest.mark.threat("TA-27")
async def test_a_partner_that_does_not_speak_tls_is_sent_nothing() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read(65536))
        writer.write(b"SSH-2.0-OpenSSH_9.7\r\n")
        heard.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Client(allow_private=True)
    with pytest.raises(ExchangeFailed) as failure:
        await client.request(PARTNER, "GET", f"https://127.0.0.1:{port}/ocpi")
    await client.close()
    hello, alert = await heard.get(), await heard.get()
    server.close()
    await server.wait_closed()
    assert (failure.value.kind, failure.value.sentence) == (
        "tls",
        "emsp: no TLS with 127.0.0.1: WRONG_VERSION_NUMBER",
    )
    assert b"Token" not in hello + alert


def _own(folder: Path, partner: str) -> Path:
    own = folder / "tls" / partner
    own.mkdir(parents=True)
    return own


async def test_a_partner_may_have_authorities_of_its_own_which_nobody_else_is_believed_by(
    authority: Authority, tmp_path: Path
) -> None:
    (_own(tmp_path, "emsp") / "ca.pem").write_bytes(authority.pem)
    client = Client(
        allow_private=True,
        certificates=Certificates(tmp_path / "tls"),
        resolver=Names(["127.0.0.1"]),
    )
    async with listen(respond(), tls=authority.server(tmp_path, "emsp.example")) as peer:
        url = f"https://emsp.example:{peer.port}/ocpi"
        assert (await client.request(PARTNER, "GET", url)).success()
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(Target("other", "secret-token"), "GET", url)
        await client.close()
    assert (failure.value.kind, len(peer.requests)) == ("tls", 1)


async def test_a_partner_that_asks_for_our_certificate_is_shown_the_one_meant_for_it(
    authority: Authority, tmp_path: Path
) -> None:
    own = _own(tmp_path, "emsp")
    (own / "ca.pem").write_bytes(authority.pem)
    (own / "client.pem").write_bytes(authority.issue("us.example"))
    (_own(tmp_path, "other") / "ca.pem").write_bytes(authority.pem)
    server = authority.server(tmp_path, "emsp.example")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=authority.pem.decode())
    client = Client(
        allow_private=True,
        certificates=Certificates(tmp_path / "tls"),
        resolver=Names(["127.0.0.1"]),
    )
    async with listen(respond(), tls=server) as peer:
        url = f"https://emsp.example:{peer.port}/ocpi"
        assert (await client.request(PARTNER, "GET", url)).success()
        with pytest.raises(ExchangeFailed):
            await client.request(Target("other", "secret-token"), "GET", url)
        await client.close()
    assert len(peer.requests) == 1


@pytest.mark.parametrize("file", ["ca.pem", "client.pem"])
async def test_a_file_that_holds_no_certificate_is_named_and_nothing_is_sent(
    tmp_path: Path, file: str
) -> None:
    (_own(tmp_path, "emsp") / file).write_text("nothing")
    client = Client(allow_private=True, certificates=Certificates(tmp_path / "tls"))
    async with listen(respond()) as peer:
        with pytest.raises(ExchangeFailed, match=rf"tls/emsp/{file} cannot be used: ") as failure:
            await client.request(PARTNER, "GET", peer.url)
        await client.close()
    assert (failure.value.kind, peer.connections) == ("tls", 0)


async def test_by_a_proxy_a_partner_is_reached_with_tls_from_end_to_end(
    authority: Authority, tmp_path: Path
) -> None:
    server = authority.server(tmp_path, "emsp.example")
    async with listen(respond(), tls=server) as peer, _proxy(peer.port) as (port, asked):
        client = Client(
            allow_private=False,
            certificates=authority.trusted(),
            proxy=f"http://us:pass@127.0.0.1:{port}",
        )
        url = "https://emsp.example/ocpi"
        replies = [await client.request(PARTNER, "GET", url) for _ in range(2)]
        with pytest.raises(ExchangeFailed, match=r"10\.0\.0\.1 is not allowed"):
            await client.request(PARTNER, "GET", "https://10.0.0.1/ocpi")
        await client.close()
    assert [reply.success() for reply in replies] == [True, True]
    lines = asked[0].splitlines()
    assert lines[0] == b"CONNECT emsp.example:443 HTTP/1.1"
    assert b"Proxy-Authorization: Basic dXM6cGFzcw==" in lines
    assert len(asked) == 1
    assert b"secret-token" not in b"".join(asked)


async def test_a_proxy_that_refuses_or_is_away_is_named_as_what_stands_in_the_way() -> None:
    async with listen(respond(status="403 Forbidden")) as peer:
        client = Client(allow_private=False, proxy=f"http://127.0.0.1:{peer.port}")
        with pytest.raises(ExchangeFailed, match="the proxy refuses: 403") as refused:
            await client.request(PARTNER, "GET", "https://emsp.example/ocpi")
        await client.close()
    client = Client(allow_private=False, proxy=f"http://127.0.0.1:{peer.port}")
    with pytest.raises(ExchangeFailed, match="no connection to the proxy") as away:
        await client.request(PARTNER, "GET", "https://emsp.example/ocpi")
    await client.close()
    assert (refused.value.kind, away.value.kind) == ("connect", "connect")


@asynccontextmanager
async def _proxy(port: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that connects everybody to one port; gives its own, and what it was asked."""
    asked: list[bytes] = []

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(_pour(reader, there_writer), _pour(there_reader, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    sink.close()
