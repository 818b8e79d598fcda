"""The chain of seals over stored CDRs: its tables, and what each seal is a digest of (TA-31).

A seal has a leaf for each CDR of a range of positions and for each lawful erasure in that range,
and names the hash of the seal before it. So the hash of one seal, kept elsewhere as an anchor,
vouches for every CDR up to it. Without an anchor the voucher does: it takes the secret key to make.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel

LEAF = 32
"""Bytes of a leaf."""
NO_SEAL = "0" * 64
"""What stands for the hash of a seal before the first one."""
# Whatever was put below the first position is looked at, too.
LOWEST = -(2**63)


class CDRSeal(SQLModel, table=True):
    """A seal over the CDRs of a range of positions; the database refuses to change or remove it."""

    __tablename__ = "cdr_seal"

    number: int = Field(primary_key=True, sa_type=BigInteger)
    """From 1 on: of two that seal at the same time, one finds its number taken."""
    at: int = Field(sa_type=BigInteger)
    first: int = Field(sa_type=BigInteger)
    """The first position of its range, the next one after the seal before."""
    last: int = Field(sa_type=BigInteger)
    cdrs: int
    erasures: int
    leaves: bytes = Field(sa_type=LargeBinary)
    """A leaf for each CDR and then for each erasure, by position: tells which one was changed."""
    previous: str
    """The hash of the seal before."""
    hash: str
    voucher: str
    """Made of the hash with the secret key, anew when that changes, see `Seal.vouch`."""


class CDRErasure(SQLModel, table=True):
    """That a driver was erased from a CDR, so that this is not taken for tampering."""

    __tablename__ = "cdr_erasure"

    position: int = Field(primary_key=True, sa_type=BigInteger)
    """From the same stream as the CDRs': tells whether a seal was made before or after it."""
    cdr: int = Field(sa_type=BigInteger, index=True)
    """The CDR's position."""
    at: int = Field(sa_type=BigInteger)
    before: str
    """The digest of what was stored; its salt is gone, so nobody can find out what by trying."""
    after: str
    voucher: str
    """Made of the leaf with the secret key: without it nobody can pass a change off as lawful."""

    @property
    def leaf(self) -> bytes:
        """What a seal holds of it."""
        return _leaf("erasure", self.position, self.cdr, self.at, self.before, self.after)


def new_salt() -> str:
    """What makes a CDR's digest tell nothing of it: a driver's uid alone could be guessed."""
    return secrets.token_hex(16)


def digest(salt: bytes, body: bytes) -> str:
    """What stands for a stored body; texts of ours have no line break, which parts the two."""
    return hashlib.sha256(salt + b"\n" + body).hexdigest()


def _leaf(*parts: object) -> bytes:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).digest()


@dataclass(frozen=True)
class Stored:
    """A CDR as it is read, without its body."""

    position: int
    key: str
    owner: str
    last_updated: int
    digest: str
    """Of what is stored now."""
    erasures: Sequence[tuple[int, str, str]] = ()
    """Position, and digests before and after, of each erasure, in their order."""

    def leaf(self, last: int) -> bytes:
        """What a seal up to a position holds of it: later erasures are thought away."""
        later = (before for position, before, _ in self.erasures if position > last)
        then = next(later, self.digest)
        return _leaf("cdr", self.position, self.last_updated, self.owner, then, self.key)

    @property
    def is_sound(self) -> bool:
        """Whether what is stored is what the last erasure, if any, has left."""
        if not self.erasures:
            return True
        befores = [before for _, before, _ in self.erasures[1:]]
        return [after for _, _, after in self.erasures] == [*befores, self.digest]


def hash_of(seal: CDRSeal) -> str:
    """The hash that a seal should have, by all else that its row says but the voucher."""
    parts = (
        seal.number,
        seal.at,
        seal.first,
        seal.last,
        seal.cdrs,
        seal.erasures,
        seal.previous,
        hashlib.sha256(_as_bytes(seal.leaves)).hexdigest(),
    )
    return _leaf("seal", *parts).hex()


def _as_bytes(leaves: bytes | str) -> bytes:
    """What SQLite holds is whatever was put there, whatever the column's type."""
    return leaves if isinstance(leaves, bytes) else leaves.encode()


def anchor_of(seal: CDRSeal) -> str:
    """What is to be kept elsewhere of a seal: `12:9f86d081...`."""
    return f"{seal.number}:{seal.hash}"
