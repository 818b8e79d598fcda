"""A driver as documents name one, and documents without the driver: pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ocpi.journal.redaction import PERSONAL
from ocpi.sealing import Seal

_REFERENCE = "authorization_reference"
# A station signs what its meter said: changed, it would prove nothing any more.
_SIGNED = "signed_data"
# Free text, in which somebody may have written who was charging.
_REMARK = "remark"
ERASED = "(erased)"


@dataclass(frozen=True)
class Person:
    """Who is to be erased: by uids of tokens, by contract ids, or both; all in lower case."""

    uids: frozenset[str] = frozenset()
    contracts: frozenset[str] = frozenset()

    @classmethod
    def named(cls, uid: str | None, contract: str | None) -> "Person":
        """Who is named by a uid, a contract id, or both."""
        uids, contracts = ([each.lower()] if each else [] for each in (uid, contract))
        return cls(frozenset(uids), frozenset(contracts))

    @property
    def names(self) -> list[str]:
        """What this driver is searched by."""
        return sorted(self.uids | self.contracts)

    def is_named_by(self, document: Mapping[str, Any]) -> bool:
        """Whether an object of OCPI is of this driver: a Token, a cdr_token and such."""
        uid, contract = document.get("uid"), document.get("contract_id")
        return _is_of(uid, self.uids) or _is_of(contract, self.contracts)

    def is_within(self, value: Any) -> bool:
        """Whether a document names this driver anywhere."""
        if isinstance(value, dict):
            return self.is_named_by(value) or any(map(self.is_within, value.values()))
        return isinstance(value, list) and any(map(self.is_within, value))

    def names_in(self, value: Any) -> set[str]:
        """All that tells who the driver is in a document that names this driver."""
        children = value.values() if isinstance(value, dict) else value
        if not isinstance(value, (dict, list)):
            return set()
        named = isinstance(value, dict) and self.is_named_by(value)
        fields = PERSONAL if named else {_REFERENCE}
        own = value.items() if isinstance(value, dict) else ()
        names = {each.lower() for name, each in own if name in fields and isinstance(each, str)}
        return names.union(*map(self.names_in, children))

    def cut_from(self, text: str) -> str:
        """A text without the names of this driver, where they stand as words of their own."""
        return self._words.sub(ERASED, text)

    def is_named_in(self, text: str) -> bool:
        """Whether a text says a name of this driver as a word of its own."""
        return self._words.search(text) is not None

    @cached_property
    def _words(self) -> re.Pattern[str]:
        names = "|".join(map(re.escape, sorted(self.names, key=len, reverse=True)))
        return re.compile(rf"(?<!\w)(?:{names})(?!\w)", re.IGNORECASE)

    def uids_in(self, value: Any) -> set[str]:
        """The uids of this driver's tokens that a document tells of."""
        if isinstance(value, dict):
            named = self.is_named_by(value) and isinstance(value.get("uid"), str)
            own = {value["uid"].lower()} if named else set()
            return own.union(*map(self.uids_in, value.values()))
        return set().union(*map(self.uids_in, value)) if isinstance(value, list) else set()


def _is_of(value: Any, names: frozenset[str]) -> bool:
    return isinstance(value, str) and value.lower() in names


def without(document: Any, person: Person, seal: Seal) -> Any:
    """A document that names the driver, with tombstones in place of all that tells who it is.

    Amounts, times, places and the ids of Sessions and CDRs stay: the law on bills wants them kept.
    """
    if isinstance(document, list):
        return [without(each, person, seal) for each in document]
    if isinstance(document, str):
        return _blotted(document, person, seal)
    if not isinstance(document, dict):
        return document
    named = person.is_named_by(document)
    return {
        name: seal.tombstone(value)
        if isinstance(value, str) and (name == _REFERENCE or (named and name in PERSONAL))
        else person.cut_from(value)
        if isinstance(value, str) and name == _REMARK
        else value
        if isinstance(value, str) or name == _SIGNED
        else without(value, person, seal)
        for name, value in document.items()
    }


def _blotted(text: str, person: Person, seal: Seal) -> str:
    """A remark, such as a note of a session's, without the driver."""
    lower = text.lower()
    met = [name for name in person.names if name in lower]
    return seal.tombstone(met[0]) if met else text
