"""Where a station is: its time zone by its coordinates, its town and postal code by its address."""

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from tzfpy import get_tz

from modules.stations.imports.records import Draft, UnusableError
from ocpi.spec.kinds import LATITUDE, LONGITUDE

UNKNOWN_CITY = "#NA"
_POLE = 90

_REGIONS = (
    "auvergne-rhône-alpes|bourgogne-franche-comté|bretagne|centre-val de loire|corse|grand est|"
    "hauts-de-france|île-de-france|normandie|nouvelle-aquitaine|occitanie|pays de la loire|"
    "provence-alpes-côte d'azur|france"
)
_COUNTRY = re.compile(r"franc?e?", re.IGNORECASE)
_REGION = re.compile(rf"(?:{_REGIONS})", re.IGNORECASE)
_TOWN = re.compile(r"\b([0-9]{5})\b[\s,]+([^\W\d_][^\d,()]*)")
_TAIL = re.compile(rf"(?:[\s,]|\([0-9AB]{{2,3}}\)|{_REGIONS})*", re.IGNORECASE)
_PLUS_CODE = re.compile(r"^[0-9A-Z]{4}\+[0-9A-Z]{2,3}\s+")
_STREET = re.compile(
    r"(?:(?:all(?:ée)?s?|av(?:enue)?|bd|boulevard|centre|chem(?:in)?|cours|imp(?:asse)?|lieu|"
    r"lotissement|parc|parking|pl(?:ace)?|quai|quartier|rdpt|rn|rond|route|rte|rue|za|zac|zc|zi|"
    r"zone|aire|la crx|cc|c\.c|z\.i|z\.a)\b|[an][0-9])",
    re.IGNORECASE,
)
_LONGEST_CITY = 45

# Municipalities with arrondissements, each of which has a postal code that its INSEE code tells.
_ARRONDISSEMENTS = {"751": ("Paris", "750"), "6938": ("Lyon", "6900"), "132": ("Marseille", "130")}


@dataclass(frozen=True, slots=True)
class Place:
    street: str
    postal_code: str | None = None
    city: str | None = None


class Towns:
    """What the addresses of a file tell about its municipalities, by INSEE code."""

    def __init__(self) -> None:
        self._cities: dict[str, Counter[str]] = {}
        self._postal_codes: dict[str, set[str]] = {}

    def learn(self, insee: str, place: Place) -> None:
        if place.city and place.postal_code:
            self._cities.setdefault(insee, Counter())[place.city] += 1
            self._postal_codes.setdefault(insee, set()).add(place.postal_code)

    def find(self, insee: str) -> tuple[str | None, str | None]:
        """Return city and postal code as far as the file leaves no doubt.

        Some operators write one INSEE code everywhere, so the city needs a majority.
        """
        for prefix, (city, postal_prefix) in _ARRONDISSEMENTS.items():
            if insee.startswith(prefix) and len(insee) == 5:
                return city, postal_prefix + insee[len(prefix) :]
        cities = self._cities.get(insee)
        if not cities:
            return None, None
        city, count = cities.most_common(1)[0]
        if 2 * count <= cities.total():
            return None, None
        postal_codes = self._postal_codes[insee]
        return city, next(iter(postal_codes)) if len(postal_codes) == 1 else None


def parse_address(text: str) -> Place:
    """Take a French address apart: `12 Rue X, 66000 Perpignan, France` and its many relatives."""
    for match in reversed(list(_TOWN.finditer(text))):
        city = match[2].strip(" -.")
        if _REGION.match(city) or len(city) > _LONGEST_CITY:
            continue
        tail_is_known = _TAIL.fullmatch(text[match.end() :])
        street = text[: match.start()].strip(" ,") if tail_is_known else ""
        return Place(street or text, match[1], city)
    postal_codes = re.findall(r"\b[0-9]{5}\b", text)
    return Place(text, postal_codes[-1] if postal_codes else None, _last_part(text))


def city_in_name(name: str) -> str | None:
    """Return the town of a name such as `Montélimar, France - Sud`."""
    town, comma, rest = name.partition(", ")
    named = comma and _COUNTRY.match(rest) and not re.search(r"\d", town)
    return town if named and len(town) <= _LONGEST_CITY else None


def coordinate(text: str | None, column: str, reach: int) -> str:
    """Return a coordinate as OCPI writes it, with five decimals at least (LO-22)."""
    try:
        number = Decimal((text or "").strip().replace(",", "."))
        within = number.is_finite() and abs(number) <= reach
    except InvalidOperation:
        within = False
    if not within:
        raise UnusableError(column, f"'{text}' is no coordinate in degrees")
    kind = LATITUDE if reach == _POLE else LONGITUDE
    return str(kind.mend(number)[0])


def add_time_zone(draft: Draft, default: str | None) -> None:
    """Give a Location without a time zone that of its coordinates (LO-21)."""
    coordinates = draft.document.get("coordinates")
    if draft.document.get("time_zone") or not isinstance(coordinates, dict):
        return
    zone = time_zone_at(coordinates.get("latitude"), coordinates.get("longitude"))
    if not zone and not default:
        raise UnusableError(
            "time_zone", "is missing, and the coordinates tell none: name one by --time-zone"
        )
    draft.document["time_zone"] = zone or default
    source = "taken from the coordinates" if zone else "the default of this import"
    draft.remark("time_zone", f"was missing: {source}")


def time_zone_at(latitude: object, longitude: object) -> str | None:
    """Return the IANA zone of a place, or None at sea and where there is no such place."""
    try:
        zone = get_tz(float(str(longitude)), float(str(latitude)))
    except ValueError:
        return None
    return None if not zone or zone.startswith("Etc/") else zone


def _last_part(text: str) -> str | None:
    """Return the last part of an address if it can be a town: `Rue X, , Merlines`."""
    parts = [part.strip() for part in text.split(",")]
    parts = [part for part in parts if part and not _COUNTRY.fullmatch(part)]
    named_country = bool(_COUNTRY.fullmatch(text.rpartition(",")[2].strip()))
    if not parts or (len(parts) == 1 and not named_country):
        return None
    town = _PLUS_CODE.sub("", parts[-1])
    if re.search(r"\d", town) or _STREET.match(town) or len(town) > _LONGEST_CITY:
        return None
    return town
