"""Agreements: which party may send messages of which module to which other party of the hub."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, func, literal_column, or_, select
from sqlmodel import Field, SQLModel, col

from ocpi.database import Database

ANY = "*"
"""Stands for every party, or every module."""
# The modules by which parties talk with each other; what one may send none of is as unknown.
FUNCTIONAL = (
    *("locations", "tariffs", "sessions", "cdrs", "tokens", "commands", "chargingprofiles"),
)

RuleKey = tuple[str, str, str]
Rules = Mapping[RuleKey, bool]


def module_named(word: str) -> str:
    """A module as messages name it: OCPI's own in lower case; any other word is a custom one."""
    return word.lower() if word.lower() in FUNCTIONAL else word


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


class AgreementDefault(SQLModel, table=True):
    """The one row that says what last held where no rule does, by OCPI_HUB_AGREEMENTS."""

    __tablename__ = "agreement_default"

    id: int | None = Field(default=None, primary_key=True)
    is_open: bool


class Agreements:
    """All rules that may matter, and what holds where none does."""

    def __init__(self, rules: Rules, *, default: bool) -> None:
        self._rules = rules
        self._default = default
        self._named = {party for sender, receiver, _ in rules for party in (sender, receiver)}
        self._knows: dict[tuple[str, str], bool] = {}

    def may(self, sender: str, receiver: str, module: str) -> bool:
        """Whether a party may send another one messages of a module; parties by their keys.

        The rule that names more parties wins, then the one that names the module; of two that
        name as much, the one that denies.
        """
        if not self._rules:
            return self._default
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

    def but(self, key: RuleKey, *, said: bool | None) -> "Agreements":
        """These, but for one rule: what it says now, or None where it is taken back."""
        rules = {each: word for each, word in self._rules.items() if each != key}
        return Agreements(rules if said is None else {**rules, key: said}, default=self._default)

    def by_default(self, *, default: bool) -> "Agreements":
        """These, but for what holds where none does."""
        return Agreements(self._rules, default=default)

    def knows(self, party: str, other: str) -> bool:
        """Whether two parties may exchange anything: who may not does not see the other one."""
        # Of those that no rule names the same holds: for most of the pairs at a hub of thousands.
        one, two = (each if each in self._named else "" for each in (party, other))
        known = self._knows.get((one, two))
        if known is None:
            known = any(
                self.may(one, two, module) or self.may(two, one, module) for module in FUNCTIONAL
            )
            if not (one and two):
                self._knows[one, two] = known
        return known


_RULES = select(
    col(Agreement.from_party),
    col(Agreement.to_party),
    col(Agreement.module),
    col(Agreement.allowed),
)
_CONCERNING = (
    or_(col(Agreement.from_party) == bindparam("sender"), col(Agreement.from_party) == ANY),
    or_(col(Agreement.to_party) == bindparam("receiver"), col(Agreement.to_party) == ANY),
)


_BLANK: ColumnElement[str] = literal_column("' '")
_SAID: ColumnElement[str] = case(
    (col(Agreement.allowed).is_(True), literal_column("'1'")), else_=literal_column("'0'")
)
_NAMED = (col(Agreement.from_party), col(Agreement.to_party), col(Agreement.module))
_WORDS = _NAMED[0] + _BLANK + _NAMED[1] + _BLANK + _NAMED[2] + _BLANK + _SAID
RULES_BETWEEN = (
    # A separator that is a str would be a parameter, to be known before it is compiled.
    select(func.aggregate_strings(_WORDS, _BLANK))  # type: ignore[arg-type]
    .where(*_CONCERNING)
    .scalar_subquery()
)
"""The rules that may matter between two parties, as one text: for statements that ask for more.

Four words are a rule; keys of parties have no blanks.
"""


@lru_cache(maxsize=4096)
def may_by(rules: str | None, sender: str, receiver: str, module: str, *, default: bool) -> bool:
    """Whether a party may send another one messages of a module, by `RULES_BETWEEN` as read."""
    words = iter((rules or "").split())
    rules_of = zip(words, words, words, words, strict=True)
    said = {(one, other, about): word == "1" for one, other, about, word in rules_of}
    return Agreements(said, default=default).may(sender, receiver, module)


_BETWEEN = _RULES.where(*_CONCERNING)
_OF = _RULES.where(or_(*_CONCERNING))


async def read_agreements(database: Database, *, default: bool) -> Agreements:
    """Every rule."""
    return _agreements(await database.fetch("agreements", _RULES, {}), default=default)


async def agreements_of(database: Database, party: str, *, default: bool) -> Agreements:
    """The rules that may matter to what a party sends and is sent."""

    async def read() -> Agreements:
        given = {"sender": party, "receiver": party}
        return _agreements(await database.fetch("agreements.of", _OF, given), default=default)

    return await database.kept.get(("agreements.of", party, default), read)


async def may_send(
    database: Database, sender: str, receiver: str, module: str, *, default: bool
) -> bool:
    """Whether a party may send another one messages of a module, as the rules are now."""
    given = {"sender": sender, "receiver": receiver}
    rows = await database.fetch("agreements.between", _BETWEEN, given)
    return _agreements(rows, default=default).may(sender, receiver, module)


def _agreements(rows: Any, *, default: bool) -> Agreements:
    return Agreements({(*row[:3],): bool(row[3]) for row in rows}, default=default)
