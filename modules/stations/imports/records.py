"""What reading a file gives: documents, remarks on them, and refusals of what could not be used."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Document = dict[str, Any]

# The parts of a Location that a file has, but that could not be used: EVSE uid and Connector id,
# either None where it cannot be read.
Parts = set[tuple[str | None, str | None]]
UNCLEAR = (None, None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is lost: a whole Location, or one EVSE (`LOC1/EVSE1`) or Connector of it."""

    record: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something in a record that was repaired, derived, or kept though OCPI doesn't know it."""

    record: str
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A canonical OCPI 2.2.1 document, and what is to be said about it."""

    document: Document
    remarks: list[Remark]
    refused: Parts = field(default_factory=set)

    @property
    def owner(self) -> tuple[str, str]:
        """Return the country code and party id that the document itself names."""
        return self.document["country_code"], self.document["party_id"]


@dataclass(frozen=True, slots=True)
class Found:
    """A record as it stands in the file, under the name that a person finds it by."""

    label: str
    values: Document

    @property
    def name(self) -> str:
        """The id of a document, or where it stands when it has none."""
        name = self.values.get("id")
        return name if isinstance(name, str) and name else self.label


@dataclass(slots=True)
class Draft:
    """A document on its way to OCPI 2.2.1, not yet validated."""

    record: str
    document: Document
    remarks: list[Remark] = field(default_factory=list)
    refused: Parts = field(default_factory=set)

    def remark(self, path: str, reason: str) -> None:
        self.remarks.append(Remark(self.record, path, reason))


@dataclass(frozen=True, slots=True)
class Importer:
    """What the one who imports adds to documents that don't say it."""

    country_code: str
    party_id: str
    moment: datetime  # `last_updated` of what has none
    default_time_zone: str | None = None  # where coordinates tell none, as at sea

    def own(self, found: Found) -> Draft:
        """Return a draft with the owner that the record names, or else the importing party."""
        owner = {"country_code": self.country_code, "party_id": self.party_id}
        draft = Draft(found.name, owner | found.values)
        if not owner.keys() <= found.values.keys():
            draft.remark("party_id", "was missing: the importing party is the owner")
        return draft


class UnreadableFileError(ValueError):
    """The file as a whole can't be used; the text says what was expected and what was seen."""


class UnusableError(ValueError):
    """A record can't be used because of one field."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"{field}: {reason}")
