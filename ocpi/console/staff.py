"""Who may use the console: staff with a role and a password, and their browsers' sign-ins."""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import BigInteger, Column, ForeignKey, delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, clock
from ocpi.errors import InvalidParameters, NotAuthenticated, Overloaded, UnknownObject

T = TypeVar("T")

SECOND = 1_000_000
SIGN_IN_LASTS = 12 * 3600 * SECOND
SHORTEST_PASSWORD = 12
# Wrong passwords in a row that cost nothing; each further one doubles the wait.
FREE_FAILURES = 5
FIRST_WAIT = 15 * SECOND
LONGEST_WAIT = 900 * SECOND

_NAME = re.compile(r"[\w.@+-]{1,64}")
# A flood of sign-ins may not eat the memory, nor the threads that others need.
_HASHERS = ThreadPoolExecutor(2, "password")
# Of those who wait for them the last one does so for half a second.
MOST_TRIES = 20
_tries = 0


class Role(IntEnum):
    """What somebody may do; each may do what those below may."""

    VIEWER = 1
    """See everything."""
    OPERATOR = 2
    """Act on deliveries, stations and sessions."""
    ADMIN = 3
    """Act on partners, their credentials and agreements."""


class Staff(SQLModel, table=True):
    """A person, by the name that is signed in with."""

    __tablename__ = "staff"

    name: str = Field(primary_key=True)
    role: int
    password: str
    """Argon2id, as a PHC string."""
    failures: int = 0
    """Wrong passwords in a row."""
    blocked_until: int = Field(default=0, sa_type=BigInteger)
    created_at: int = Field(sa_type=BigInteger)


class StaffSignIn(SQLModel, table=True):
    """A browser that somebody has signed in with."""

    __tablename__ = "staff_sign_in"

    cookie_hash: str = Field(primary_key=True)
    name: str = Field(
        sa_column=Column(ForeignKey("staff.name", ondelete="CASCADE"), nullable=False, index=True)
    )
    expires_at: int = Field(sa_type=BigInteger)


@dataclass(frozen=True)
class Person:
    """Who sits at the browser."""

    name: str
    role: Role
    csrf: str
    """What each form of theirs must bring along; it cannot be told without their cookie."""


class WrongPassword(NotAuthenticated):
    """The name or the password is wrong; after several wrong ones, wait up to 15 minutes."""


async def add_staff(database: Database, name: str, role: Role) -> str:
    """Add somebody, and make their password.

    Raises ``InvalidParameters`` when they are there, or the name is none.
    """
    if not _NAME.fullmatch(name):
        raise InvalidParameters("A name has 1 to 64 letters, digits and . _ - + @, and no blanks.")
    password = secrets.token_urlsafe(15)
    hashed = await _hash(password)
    try:
        async with database.write() as db:
            now = await clock(db)
            db.add(Staff(name=name, role=role, password=hashed, created_at=now))
    except IntegrityError:
        raise InvalidParameters(
            f"{name} is there already: `ocpi user set {name} --role` changes the role, "
            f"`ocpi user reset {name}` the password."
        ) from None
    return password


async def list_staff(database: Database) -> list[Staff]:
    """All of them, by name."""
    async with database.read() as db:
        return list((await db.exec(select(Staff).order_by(col(Staff.name)))).all())


async def set_role(database: Database, name: str, role: Role) -> None:
    """Change what somebody may do, from their next click on; raises ``UnknownObject``."""
    async with database.write() as db:
        (await _staff(db, name)).role = role


async def reset_password(database: Database, name: str) -> str:
    """Make a new password and end all sign-ins; raises ``UnknownObject``."""
    password = secrets.token_urlsafe(15)
    hashed = await _hash(password)
    async with database.write() as db:
        await _replace(db, await _staff(db, name), hashed)
    return password


async def remove_staff(database: Database, name: str) -> None:
    """Forget somebody, and end all sign-ins; raises ``UnknownObject``."""
    async with database.write() as db:
        await db.delete(await _staff(db, name))


async def change_password(database: Database, name: str, old: str, new: str) -> None:
    """Change it at one's own wish; ends all sign-ins.

    Raises ``WrongPassword``, and ``InvalidParameters`` when the new one is too short.
    """
    if len(new) < SHORTEST_PASSWORD:
        raise InvalidParameters(f"A password has at least {SHORTEST_PASSWORD} characters.")
    known = await _check(database, name, old)
    hashed = await _hash(new)
    async with database.write() as db:
        await _replace(db, await _cleared(db, name, known), hashed)


async def sign_in(database: Database, name: str, password: str) -> str:
    """A cookie for somebody who knows their password; raises ``WrongPassword``."""
    known = await _check(database, name, password)
    cookie = secrets.token_urlsafe(32)
    async with database.write() as db:
        now = await clock(db)
        await _cleared(db, name, known)
        await db.exec(delete(StaffSignIn).where(col(StaffSignIn.expires_at) < now))
        db.add(StaffSignIn(cookie_hash=_digest(cookie), name=name, expires_at=now + SIGN_IN_LASTS))
    return cookie


async def sign_out(database: Database, cookie: str) -> None:
    """End one sign-in."""
    async with database.write() as db:
        await db.exec(delete(StaffSignIn).where(col(StaffSignIn.cookie_hash) == _digest(cookie)))


async def person_of(database: Database, cookie: str) -> Person | None:
    """Who signed in with this cookie; None when it has ended."""
    async with database.read() as db:
        found = await db.exec(
            select(Staff)
            .join(StaffSignIn)
            .where(
                col(StaffSignIn.cookie_hash) == _digest(cookie),
                col(StaffSignIn.expires_at) > await clock(db),
            )
        )
        staff = found.one_or_none()
    if staff is None:
        return None
    return Person(staff.name, Role(staff.role), _digest(f"csrf {cookie}"))


async def _staff(db: AsyncSession, name: str) -> Staff:
    staff = await db.get(Staff, name)
    if staff is None:
        raise UnknownObject(f"There is no {name}: see `ocpi user list`.")
    return staff


@contextmanager
def _waiting() -> Iterator[None]:
    """Wait for a hasher, unless there are many who do; raises ``Overloaded``."""
    global _tries  # noqa: PLW0603 - As the hashers are, it is the process's.
    if _tries >= MOST_TRIES:
        raise Overloaded("Many are signing in at this moment: try again in a few seconds.")
    _tries += 1
    try:
        yield
    finally:
        _tries -= 1


async def _check(database: Database, name: str, password: str) -> str:
    """The hash that the password fits; each failure above a few makes the next one wait.

    Raises ``WrongPassword``, in the same words and after the same time whether there is nobody of
    that name, the password is wrong, or it is not looked at: so names cannot be guessed.
    Raises ``Overloaded`` where too many wait, before anything is counted as a failure.
    """
    with _waiting():
        return await _try(database, name, password)


async def _try(database: Database, name: str, password: str) -> str:
    stored = await _claim_try(database, name) if _NAME.fullmatch(name) else None
    if stored is None or not await _fits(password, stored):
        if stored is None:
            await _hash(password)
        raise WrongPassword
    return stored


async def _claim_try(database: Database, name: str) -> str | None:
    """The hash to try a password on; None where there is none, or it may not be tried now."""
    async with database.write() as db:
        staff = await db.get(Staff, name, with_for_update=True)
        now = await clock(db)
        if staff is None or staff.blocked_until > now:
            return None
        # It counts as a failure until it has been looked at, or many could try at once.
        staff.failures += 1
        staff.blocked_until = now + _wait(staff.failures)
        return staff.password


async def _cleared(db: AsyncSession, name: str, known: str) -> Staff:
    """Somebody whose password was found right; raises ``WrongPassword`` if it changed meanwhile."""
    staff = await db.get(Staff, name, with_for_update=True)
    if staff is None or staff.password != known:
        raise WrongPassword
    staff.failures, staff.blocked_until = 0, 0
    return staff


def _wait(failures: int) -> int:
    excess = failures - FREE_FAILURES
    return 0 if excess <= 0 else min(FIRST_WAIT << min(excess - 1, 20), LONGEST_WAIT)


async def _replace(db: AsyncSession, staff: Staff, hashed: str) -> None:
    staff.password, staff.failures, staff.blocked_until = hashed, 0, 0
    await db.exec(delete(StaffSignIn).where(col(StaffSignIn.name) == staff.name))


async def _hash(password: str) -> str:
    # As OWASP advises: 19 MiB, two passes. It takes 40 ms of one core, on a thread of its own.
    hasher = Argon2id(
        salt=secrets.token_bytes(16), length=32, iterations=2, lanes=1, memory_cost=19 * 1024
    )
    return await _in_turn(hasher.derive_phc_encoded, password.encode())


async def _fits(password: str, stored: str) -> bool:
    try:
        await _in_turn(Argon2id.verify_phc_encoded, password.encode(), stored)
    except InvalidKey:
        return False
    return True


async def _in_turn(work: Callable[..., T], *given: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(_HASHERS, work, *given)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
