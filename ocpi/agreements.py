"""Agreements: which party may send messages of which module to which other party of the hub."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, bindparam, or_, select
from sqlmodel import Field, SQLModel, col

from ocpi.database import Database

ANY = "*"
"""Stands for every party, or every module."""
# The modules by which parties talk with each other; what one may send none of is as unknown.
FUNCTIONAL = (
    *("locations", "tariffs", "sessions", "cdrs", "tokens", "commands", "chargingprofiles"),
)

Rules = Mapping[tuple[str, str, str], bool]


class Agreement(SQLModel, table=True):
    """One rule; the answers to what is allowed, results of commands among them, go back freely."""

    __tablename__ = "agreement"

    from_party: str = Field(primary_key=True)
    """Key of the party that sends, or `*`."""
    to_party: str = Field(primary_key=True)
    """Key of the party that receives, or `*`."""
    module: str = Field(primary_key=True)
    """A module's id, or `*`."""
    allowed: bool
    created_at: int = Field(sa_type=BigInteger)


class Agreements:
    """All rules that may matter, and what holds where none does."""

    def __init__(self, rules: Rules, *, default: bool) -> None:
        self._rules = rules
        self._default = default

    def may(self, sender: str, receiver: str, module: str) -> bool:
        """Whether a party may send another one messages of a module; parties by their keys.

        The rule that names more parties wins, then the one that names the module; of two that
        name as much, the one that denies.
        """
        for pairs in (
            ((sender, receiver),),
            ((sender, ANY), (ANY, receiver)),
            ((ANY, ANY),),
        ):
            for named in (module, ANY):
                said = [self._rules.get((*pair, named)) for pair in pairs]
                if any(each is not None for each in said):
                    return False not in said
        return self._default

    def knows(self, party: str, other: str) -> bool:
        """Whether two parties may exchange anything: who may not does not see the other one."""
        return any(
            self.may(party, other, module) or self.may(other, party, module)
            for module in FUNCTIONAL
        )


_RULES = select(
    col(Agreement.from_party),
    col(Agreement.to_party),
    col(Agreement.module),
    col(Agreement.allowed),
)
_BETWEEN = _RULES.where(
    or_(col(Agreement.from_party) == bindparam("sender"), col(Agreement.from_party) == ANY),
    or_(col(Agreement.to_party) == bindparam("receiver"), col(Agreement.to_party) == ANY),
)


async def read_agreements(database: Database, *, default: bool) -> Agreements:
    """Every rule."""
    return _agreements(await database.fetch("agreements", _RULES, {}), default=default)


async def may_send(
    database: Database, sender: str, receiver: str, module: str, *, default: bool
) -> bool:
    """Whether a party may send another one messages of a module, as the rules are now."""
    given = {"sender": sender, "receiver": receiver}
    rows = await database.fetch("agreements.between", _BETWEEN, given)
    return _agreements(rows, default=default).may(sender, receiver, module)


def _agreements(rows: Any, *, default: bool) -> Agreements:
    return Agreements({(*row[:3],): bool(row[3]) for row in rows}, default=default)
