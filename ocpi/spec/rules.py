"""Forms that several chapters' rules ask for."""

import re
from collections.abc import Hashable, Iterable, Iterator

_COUNTRY_CODE = re.compile(r"[A-Za-z]{2}")
_PARTY_ID = re.compile(r"[A-Za-z0-9]{3}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def owner_rules(country_code: str, party_id: str) -> Iterator[str]:
    """An owner is an ISO 3166-1 alpha-2 country code and a party id of three (ISO 15118)."""
    if not _COUNTRY_CODE.fullmatch(country_code):
        yield f"country_code '{country_code}' is not two letters"
    if not _PARTY_ID.fullmatch(party_id):
        yield f"party_id '{party_id}' is not three letters or digits"


def language_rules(language: str | None) -> Iterator[str]:
    """A language is an ISO 639-1 code (TY-12)."""
    if language is not None and not _LANGUAGE.fullmatch(language):
        yield f"language '{language}' is not two small letters (ISO 639-1)"


def currency_rules(currency: str) -> Iterator[str]:
    """A currency is an ISO 4217 code."""
    if not _CURRENCY.fullmatch(currency):
        yield f"currency '{currency}' is not three capital letters (ISO 4217)"


def clock_rules(**times: str | None) -> Iterator[str]:
    """A local time of day is HH:MM from 00:00 to 23:59."""
    for name, time in times.items():
        if time is not None and not _CLOCK.fullmatch(time):
            yield f"{name} '{time}' is no time of day, HH:MM"


def unique_rules(what: str, keys: Iterable[Hashable]) -> Iterator[str]:
    """Each key stands in the list once."""
    seen = set()
    for key in keys:
        if key in seen:
            yield f"{what} {key} is given more than once"
        seen.add(key)
