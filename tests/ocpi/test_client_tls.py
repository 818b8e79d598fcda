"""TLS behind the guard: names, certificates and what is sent before they are known to be good."""

import asyncio
import ssl
import traceback
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

from ocpi.client import Client, ExchangeFailed, Target
from tests.ocpi.loopback import Names, listen, respond

PARTNER = Target("emsp", "secret-token")
pytestmark = pytest.mark.usefixtures("either_client")


class Authority:
    """A certificate authority that nobody knows but we."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign("Test authority", self.key, None)

    def trusted(self) -> ssl.SSLContext:
        pem = self.certificate.public_bytes(Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def server(
        self, folder: Path, name: str, *, days: int = 1, self_signed: bool = False
    ) -> ssl.SSLContext:
        """A server's context with a certificate for `name` that is valid for so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = key if self_signed else self.key
        certificate = self._sign(name, key, signer, days=days)
        pem = folder / "server.pem"
        pem.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

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
    client = Client(allow_private=True, ssl_context=authority.trusted(), resolver=names)
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
        allow_private=True, ssl_context=authority.trusted(), resolver=Names(["127.0.0.1"])
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
