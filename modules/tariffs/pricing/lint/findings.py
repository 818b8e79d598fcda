"""What a lint says: a stable code, how bad it is, where, and a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from modules.tariffs.pricing.terms import TariffToPrice, Terms


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # It will be priced wrongly, or can't be priced.
    WARNING = "warning"  # Probably not what was meant.
    INFO = "info"  # A matter of style.


@dataclass(frozen=True)
class Finding:
    """One finding; `pointer` is a JSON pointer into the tariff."""

    code: str
    severity: Severity
    pointer: str
    sentence: str


def error(code: str, pointer: str, sentence: str) -> Finding:
    return Finding(code, Severity.ERROR, pointer, sentence)


def warning(code: str, pointer: str, sentence: str) -> Finding:
    return Finding(code, Severity.WARNING, pointer, sentence)


def info(code: str, pointer: str, sentence: str) -> Finding:
    return Finding(code, Severity.INFO, pointer, sentence)


@dataclass(frozen=True)
class Subject:
    """A readable tariff under examination, and what the caller knows about its surroundings."""

    document: Mapping[str, Any]
    tariff: TariffToPrice
    terms: Terms
    zone: str | None
    now: datetime | None
