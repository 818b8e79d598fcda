"""Which addresses and URLs are open to us, and that there is no other way out."""

import ast
import ssl
from pathlib import Path

import httpx
import pytest

import ocpi
from ocpi.client import Client, ExchangeFailed, Target
from ocpi.egress import (
    EgressRefused,
    GuardedTransport,
    address_allowed,
    check_url,
    guarded_connector,
    same_origin,
)
from tests.ocpi.loopback import Names, listen, respond

PARTNER = Target("emsp", "secret-token")

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:829::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]
PRIVATE = [
    "10.0.0.0",
    "10.255.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
]
NEVER = [
    "0.0.0.0",  # noqa: S104 - an address of the table, nobody listens there.
    "0.1.2.3",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::7f00:1",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "",
    "127.1",
    "0177.0.0.1",
    "2130706433",
    "localhost",
]


@pytest.mark.parametrize("ip", PUBLIC)
@pytest.mark.threat("TA-01")
def test_a_public_address_is_allowed(ip: str) -> None:
    assert [address_allowed(ip, allow_private=lab) for lab in (False, True)] == [True, True]


@pytest.mark.parametrize("ip", PRIVATE)
@pytest.mark.threat("TA-01")
def test_a_private_address_is_allowed_only_in_a_lab(ip: str) -> None:
    assert [address_allowed(ip, allow_private=lab) for lab in (False, True)] == [False, True]


@pytest.mark.parametrize("ip", NEVER)
@pytest.mark.threat("TA-01")
def test_a_special_address_is_never_allowed(ip: str) -> None:
    assert [address_allowed(ip, allow_private=lab) for lab in (False, True)] == [False, False]


def refusal(url: str, *, allow_private: bool = False) -> str | None:
    try:
        check_url(url, allow_private=allow_private)
    except EgressRefused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize(
    "url",
    [
        "https://emsp.example/ocpi/versions",
        "https://EMSP.example:443/ocpi?x=%2F",
        "https://xn--mnchen-3ya.example/",
        "https://my_host.emsp.example/",
        "https://8.8.8.8/ocpi",
        "https://[2606:4700:4700::1111]/ocpi",
        "https://0x7f.0.0.1.emsp.example/",
        "https://emsp.example/ocpi@home",
    ],
)
def test_an_ordinary_https_url_is_open(url: str) -> None:
    assert refusal(url) is None


@pytest.mark.req("TR-01")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://emsp.example/", "emsp.example: only https is allowed"),
        ("ftp://emsp.example/", "emsp.example: only https is allowed"),
        ("//emsp.example/", "emsp.example: only https is allowed"),
        ("file:///etc/passwd", "(no host): only https is allowed"),
        ("", "(no host): a URL has only visible ASCII characters and no backslash"),
        ("https:///path", "(no host): the host or port is malformed"),
        ("https://[::1/", "(no host): this is not a URL"),
        ("https://[::1]x:443/", "::1: the host or port is malformed"),
        ("https://[v1.x]/", "v1.x: the host or port is malformed"),
        ("https://[1.1.1.1]/", "(no host): this is not a URL"),
        ("https://u:p@emsp.example/", "emsp.example: a URL with user information is not allowed"),
        ("https://emsp.example/#a", "emsp.example: a URL with a fragment is not allowed"),
        *(
            (f"https://emsp.example/a/{dots}", "emsp.example: a path with . or .. is not allowed")
            for dots in ("..", "./b", "%2e%2E/b", "..%2fb", "..;/b")
        ),
        ("https://emsp.example:8443/", "emsp.example: port 8443 is not allowed"),
        ("https://emsp.example:/", "emsp.example: the host or port is malformed"),
        ("https://emsp.example:4_43/", "emsp.example: the host or port is malformed"),
        ("https://emsp.example./", "emsp.example.: the host is not a plain domain name"),
        ("https://emsp..example/", "emsp..example: the host is not a plain domain name"),
        (
            f"https://{'a' * 64}.example/",
            f"{'a' * 64}.example: the host is not a plain domain name",
        ),
        ("https://127.0.0.1/", "127.0.0.1: the address 127.0.0.1 is not allowed"),
        ("https://[::1]/", "::1: the address ::1 is not allowed"),
        ("https://127.1/", "127.1: the host is an address in an unusual form"),
        ("https://0x7f.0x0.1/", "0x7f.0x0.1: the host is an address in an unusual form"),
        (
            f"https://emsp.example/{'a' * 240}",
            "emsp.example: the URL has 261 characters, more than 255",
        ),
    ],
)
@pytest.mark.threat("TA-01")
def test_any_other_url_is_refused_with_its_host_and_the_rule(url: str, reason: str) -> None:
    assert refusal(url) == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:8080/", None),
        ("https://emsp:8443/", None),
        ("http://[::1]:80/", None),
        ("ftp://127.0.0.1/", "127.0.0.1: only https is allowed"),
        ("http://169.254.169.254/", "169.254.169.254: the address 169.254.169.254 is not allowed"),
        ("http://emsp:0/", "emsp: port 0 is not allowed"),
        ("http://emsp:65536/", "emsp: port 65536 is not allowed"),
    ],
)
def test_a_lab_opens_http_ports_and_private_addresses_only(url: str, reason: str | None) -> None:
    assert refusal(url, allow_private=True) == reason


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://A.example:443/y?z", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
        ("https://a.example/", "https://b.a.example/", False),
    ],
)
@pytest.mark.pitfall("IP-45")
def test_an_origin_is_scheme_host_and_port(one: str, other: str, *, same: bool) -> None:
    assert same_origin(one, other) is same


HOSTILE = [
    "https://127.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://017700000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[::1%25lo]:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://emsp.example@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#@emsp.example/",
    "https://127.0.0.1:{port}\\@emsp.example/",
    "https://emsp.example\\@127.0.0.1:{port}/",
    "https:\\\\127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https://\uff11\uff12\uff17.0.0.1:{port}/",
    "https://127\u30020\u30020\u30021:{port}/",
    "https://\u24dbocalhost:{port}/",
    "https://127.0.0.1%00.emsp.example:{port}/",
    "https://127.0.0.1\t:{port}/",
    "https://127.0.0.1 :{port}/",
    "\nhttps://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\r\nHost: emsp.example/",
    "http://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_GET",
    "file://127.0.0.1:{port}/etc/passwd",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "",
]


@pytest.mark.usefixtures("either_client")
@pytest.mark.parametrize("form", HOSTILE)
@pytest.mark.threat("TA-01")
async def test_a_hostile_url_reaches_nobody(form: str) -> None:
    async with listen(respond()) as canary, listen(respond(), host="::1") as canary6:
        for port in (canary.port, canary6.port):
            client = Client(allow_private=False, ports={port})
            with pytest.raises(ExchangeFailed) as failure:
                await client.request(PARTNER, "GET", form.format(port=port))
            await client.close()
            assert failure.value.kind == "refused"
        assert (canary.connections, canary6.connections) == (0, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.threat("TA-01")
async def test_the_dial_itself_is_guarded_whoever_forgot_to_check_the_url(host: str) -> None:
    connector = guarded_connector(allow_private=False, ssl_context=ssl.create_default_context())
    transport = GuardedTransport(connector)
    async with listen(respond()) as canary:
        with pytest.raises(EgressRefused, match="is not allowed"):
            await transport.handle_async_request(
                httpx.Request("GET", f"http://{host}:{canary.port}/")
            )
        await transport.aclose()
        assert canary.connections == 0


@pytest.mark.usefixtures("either_client")
@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "fd00:ec2::254"],
    ],
)
@pytest.mark.threat("TA-02")
async def test_one_bad_address_refuses_the_whole_name(addresses: list[str]) -> None:
    names = Names(addresses)
    async with listen(respond()) as canary:
        client = Client(allow_private=False, ports={canary.port}, resolver=names)
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", f"https://emsp.example:{canary.port}/")
        await client.close()
        assert (failure.value.kind, canary.connections, names.lookups) == ("refused", 0, 1)
        assert "emsp.example" in failure.value.sentence


@pytest.mark.usefixtures("either_client")
@pytest.mark.threat("TA-02")
async def test_a_connection_goes_to_the_addresses_of_its_only_lookup() -> None:
    """A name that answers first with a good address and then with a bad one gains nothing."""
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    async with listen(respond()) as peer:
        client = Client(allow_private=True, resolver=names)
        reply = await client.request(PARTNER, "GET", f"http://emsp.example:{peer.port}/")
        await client.close()
    assert (reply.success(), names.lookups, peer.connections) == (True, 1, 1)


@pytest.mark.usefixtures("either_client")
@pytest.mark.threat("TA-02")
async def test_a_name_that_moved_inside_is_refused_at_the_next_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ocpi.egress.POOL_AGE", 0.0)
    names = Names(["127.0.0.1"], ["169.254.169.254"])
    async with listen(respond()) as peer:
        client = Client(allow_private=True, resolver=names)
        url = f"http://emsp.example:{peer.port}/"
        assert (await client.request(PARTNER, "GET", url)).success()
        with pytest.raises(ExchangeFailed) as failure:
            await client.request(PARTNER, "GET", url)
        await client.close()
    assert (failure.value.kind, peer.connections) == ("refused", 1)


@pytest.mark.usefixtures("either_client")
@pytest.mark.threat("TA-01")
async def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with listen(respond()) as proxy, listen(respond()) as peer:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        client = Client(allow_private=True)
        await client.request(PARTNER, "GET", peer.url)
        await client.close()
    assert (proxy.connections, peer.connections) == (0, 1)
    assert b"Basic" not in peer.requests[0]


@pytest.mark.threat("TA-01")
def test_nothing_else_speaks_http() -> None:
    root = Path(ocpi.__file__).parent.parent
    speakers = {
        str(path.relative_to(root))
        for folder in ("ocpi", "credentials", "modules")
        for path in (root / folder).rglob("*.py")
        if _imports(path) & {"httpx", "httpx_aiohttp", "aiohttp", "requests", "urllib3", "httpcore"}
    }
    assert {"ocpi/client.py", "ocpi/egress.py", "ocpi/troubles.py"} == {
        speaker for speaker in speakers if not speaker.startswith("ocpi/testing/")
    }


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names
