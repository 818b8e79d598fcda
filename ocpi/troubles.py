"""What goes wrong on the way to a partner and back: which kind it is, and why, in words."""

import errno
import os
import ssl
import zlib

import aiohttp
import httpx

from ocpi.answer import Broken, Kind
from ocpi.certificates import BadCertificate
from ocpi.egress import EgressRefused

FAILURES = (
    Broken,
    EgressRefused,
    BadCertificate,
    aiohttp.ClientError,
    httpx.TransportError,
    httpx.InvalidURL,
    zlib.error,
    OSError,  # TimeoutError is one.
)

# What this process has none of: files, buffers, or memory. No partner is to blame for it.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def explain(error: Exception) -> tuple[Kind, str]:
    """What kind of failure it is, and why, without anything that was sent."""
    match error:
        case Broken():
            return error.kind, str(error)
        case EgressRefused():
            return "refused", error.reason
        case (
            BadCertificate() | aiohttp.ClientSSLError() | aiohttp.ClientConnectorCertificateError()
        ):
            return "tls", _tls(error)
        case aiohttp.ClientHttpProxyError() | aiohttp.ClientConnectorError() | httpx.ConnectError():
            return _connecting(error)
        case TimeoutError() | httpx.TimeoutException():
            return "timeout", "no complete answer within the time allowed"
        case _:
            return "protocol", f"the exchange broke off: {type(error).__name__}"


def _tls(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            problem = getattr(error.certificate_error, "verify_message", "it is not valid")
            return f"the certificate of {error.host} is refused: {problem}"
        case aiohttp.ClientSSLError():
            return f"no TLS with {error.host}: {_cause(error.os_error)}"
        case _:
            return str(error)


def _connecting(error: Exception) -> tuple[Kind, str]:
    match error:
        case aiohttp.ClientConnectorError() if error.errno in _EXHAUSTED:
            return "exhausted", f"this process has no connection left: {_cause(error)}"
        case aiohttp.ClientHttpProxyError():
            return "connect", f"the proxy refuses: {error.status} {error.message[:100]!a}"
        case aiohttp.ClientProxyConnectionError():
            return "connect", f"no connection to the proxy: {_cause(error.os_error)}"
        case aiohttp.ClientConnectorDNSError():
            return "dns", f"{error.host} does not resolve"
        case aiohttp.ClientConnectorError():
            return "connect", f"no connection to {error.host}: {_cause(error.os_error)}"
        case _:
            return "connect", "no connection"


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason)
    return os.strerror(error.errno) if error.errno else "none of its addresses answers"
