"""Secrets at rest: tokens that we issued as hashes, tokens that we must present sealed (TA-10)."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ocpi.spec.document import encode

_UNSAFE = re.compile(r"[^A-Za-z0-9]")


class WrongKey(Exception):
    """The secret key is not the one that sealed this token."""


def new_token() -> str:
    """A token with 256 bits of chance, of characters that no header or Base64 mistake harms."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """The form in which an issued token is stored; so random a value needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode())


def _keyed(key: bytes, value: str) -> str:
    return hmac.digest(key, value.lower().encode(errors="replace"), "sha256").hex()[:16]


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:8]


class Seal:
    """AES-GCM under a key derived from the operator's secret."""

    def __init__(self, secret: str, previous: str | None = None) -> None:
        """What the `previous` secret sealed is opened too; nothing is sealed with it any more."""
        self._tags = _derive(secret, b"ocpi link")
        self._tombstones = _derive(secret, b"ocpi erased")
        given = [each for each in (secret, previous) if each]
        self._marks = [_derive(each, b"ocpi driver") for each in given]
        keys = [_derive(each, b"ocpi token_out") for each in given]
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        vouching = [_derive(each, b"ocpi voucher") for each in given]
        self._vouching = dict(zip(self._ciphers, vouching, strict=True))
        self.key_id = _key_id(keys[0])
        # A hub opens the same few for each message.
        self._opened = lru_cache(4096)(self._open)

    def close(self, token: str) -> str:
        """Seal a token: `key id:Base64 of nonce and ciphertext`."""
        nonce = secrets.token_bytes(12)
        sealed = nonce + self._ciphers[self.key_id].encrypt(
            nonce, token.encode(), self.key_id.encode()
        )
        return f"{self.key_id}:{base64.b64encode(sealed).decode()}"

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed, or vouched for, with the secret that counts now."""
        return sealed.partition(":")[0] == self.key_id

    def vouch(self, text: str) -> str:
        """What proves later that a text was ours: `key id:HMAC`."""
        return f"{self.key_id}:{self._voucher(self.key_id, text)}"

    def vouches(self, text: str, voucher: str) -> bool:
        """Whether one of the secrets given has vouched for a text."""
        key_id, _, given = voucher.partition(":")
        known = key_id in self._vouching
        return known and hmac.compare_digest(
            self._voucher(key_id, text).encode(), given.encode(errors="replace")
        )

    def _voucher(self, key_id: str, text: str) -> str:
        return hmac.digest(self._vouching[key_id], text.encode(), "sha256").hex()

    def tag(self, *parts: str) -> str:
        """Some texts as 43 characters for a URL, which nobody can tell without the secret."""
        digest = hmac.digest(self._tags, encode(parts).encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def mark(self, value: str) -> str:
        """What stands for a driver's id in the message log: `~9f86d081884c7d65.12AB`.

        The same for the same value, without regard to case (CO-08), and nobody can tell the value
        without the secret. Of long values the last four characters are shown.
        """
        return self.marks(value)[0]

    def marks(self, value: str) -> Sequence[str]:
        """The mark, and the one that stands in messages from before the secret was changed."""
        last = _UNSAFE.sub("_", value[-4:].upper()) if len(value) >= 8 else ""
        return [f"~{_keyed(key, value)}.{last}" for key in self._marks]

    def tombstone(self, value: str) -> str:
        """What stands where a driver's id was erased: `ERASED-9f86d081884c7d65`."""
        return f"ERASED-{_keyed(self._tombstones, value)}"

    def open(self, sealed: str) -> str:
        """The token again; raises ``WrongKey`` when another key sealed it."""
        return self._opened(sealed)

    def _open(self, sealed: str) -> str:
        key_id, _, text = sealed.partition(":")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise WrongKey(
                f"This token was sealed with key {key_id}, but the OCPI_SECRET_KEY given is key "
                f"{self.key_id}: give the one that it was sealed with."
            )
        try:
            data = base64.b64decode(text)
            return cipher.decrypt(data[:12], data[12:], key_id.encode()).decode()
        except (InvalidTag, ValueError):
            raise WrongKey("This sealed token was changed after it was stored.") from None
