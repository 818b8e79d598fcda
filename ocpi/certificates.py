"""Whose certificates we believe, and which ones we show: for all partners, or for one of them."""

import ssl
from functools import cache
from pathlib import Path


class BadCertificate(Exception):
    """A file of certificates cannot be used; the message says which, and why."""


class Certificates:
    """TLS as each partner wants it.

    In `folder` a partner may have a folder of its name: `ca.pem` are the authorities that are
    believed there instead of the system's, `client.pem` is the certificate that we show, with its
    chain and its key. They are read anew with each new pool of connections, so that a renewed
    certificate is in use within minutes.
    """

    def __init__(self, folder: Path | None = None, default: ssl.SSLContext | None = None) -> None:
        self._given = default
        self._folder = folder

    @property
    def _default(self) -> ssl.SSLContext:
        return self._given or _system()

    def for_partner(self, name: str) -> ssl.SSLContext:
        """What holds for one partner; raises ``BadCertificate``."""
        if self._folder is None:
            return self._default
        authorities, own = (self._folder / name / file for file in ("ca.pem", "client.pem"))
        if not authorities.exists() and not own.exists():
            return self._default
        context = self._default
        try:
            file = authorities
            context = ssl.create_default_context(cafile=file if file.exists() else None)
            file = own
            if file.exists():
                # An empty password, because for a key that has one OpenSSL would ask the terminal.
                context.load_cert_chain(file, password="")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise BadCertificate(f"{file} cannot be used: {reason}") from None
        return context


@cache
def _system() -> ssl.SSLContext:
    """The system's authorities: reading them takes 50 ms, once, and few commands need them."""
    return ssl.create_default_context()
