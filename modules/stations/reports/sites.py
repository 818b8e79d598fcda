"""Where a session takes place: what is fixed of Location, EVSE, Connector and Tariffs (CD-13)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.locations.former import tariff_ids_at
from modules.locations.parts import Place, find_part
from modules.locations.store import locations
from modules.tariffs.former import tariff_at
from modules.tariffs.pricing import PricingError, Terms, pick_tariff, read_tariff
from ocpi.editing import Document, object_key
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.golive.mapping import mappings_for
from ocpi.headers import Party
from ocpi.spec.moments import microseconds, parse_moment

NOT_AVAILABLE = "#NA"
_PROFILE = "PROFILE_"
_ADDRESS, _STATE = 45, 20


@dataclass(frozen=True)
class Site:
    """A place where a driver charges, as it is when the session begins."""

    location: Document
    evse: Document | None
    connector: Document | None
    """None of both: a reservation to which the station has assigned none yet (SE-18)."""
    tariff_ids: Sequence[str]
    """Those of the Connector, or of the first one where it is not clear yet which is meant."""

    @property
    def evse_uid(self) -> str:
        return NOT_AVAILABLE if self.evse is None else str(self.evse["uid"])

    @property
    def connector_id(self) -> str:
        return NOT_AVAILABLE if self.connector is None else str(self.connector["id"])

    def cdr_location(self) -> Document:
        """The CdrLocation, whose texts are shorter than the Location's (AT-34, CD-16)."""
        evse, connector = self.evse or {}, self.connector or {}
        whole = {
            "id": self.location["id"],
            "name": self.location.get("name"),
            "address": self.location["address"][:_ADDRESS],
            "city": self.location["city"],
            "postal_code": self.location.get("postal_code"),
            "state": (self.location.get("state") or "")[:_STATE] or None,
            "country": self.location["country"],
            "coordinates": self.location["coordinates"],
            "evse_uid": self.evse_uid,
            # "#NA" is for reservations only, so the uid stands in for an id that nobody gave.
            "evse_id": evse.get("evse_id") or self.evse_uid,
            "connector_id": self.connector_id,
            # Ignored where no Connector is named, but required (CD-16).
            "connector_standard": connector.get("standard", "IEC_62196_T2"),
            "connector_format": connector.get("format", "SOCKET"),
            "connector_power_type": connector.get("power_type", "AC_3_PHASE"),
        }
        return {name: value for name, value in whole.items() if value is not None}


async def find_site(
    db: AsyncSession,
    owner: Party,
    location_id: str,
    evse_uid: str | None,
    connector_id: str | None = None,
    *,
    any_connector: bool = False,
) -> Site:
    """A place at one of our Locations.

    Raises ``UnknownLocation``, and ``InvalidParameters`` where the Connector is not clear: with
    `any_connector` the first one's Tariffs count then, as for a reservation.
    """
    location = await locations.get(db, owner, location_id)
    if location is None:
        raise UnknownLocation(f"There is no Location {location_id}.")
    if evse_uid is None:
        return Site(location, None, None, ())
    evse = find_part(location, Place(location_id, evse_uid))
    unclear = connector_id is None and len(evse["connectors"]) > 1
    if unclear and not any_connector:
        known = ", ".join(each["id"] for each in evse["connectors"])
        raise InvalidParameters(f"connector_id: EVSE {evse_uid} has several: {known}")
    connector = (
        evse["connectors"][0]
        if connector_id is None
        else find_part(location, Place(location_id, evse_uid, connector_id))
    )
    return Site(location, evse, None if unclear else connector, connector.get("tariff_ids", []))


async def tariffs_for(
    db: AsyncSession, owner: Party, site: Site, driver: Party, since: str | None
) -> tuple[list[Document], str | None]:
    """The Tariffs by which a driver of this party pays, and why there are none if some are named.

    They are those of the Connector, or what mappings give the eMSP instead, see `ocpi.mappings`:
    as they were at the moment `since`, or as they are.
    """
    at = None if since is None else microseconds(parse_moment(since))
    named = await _named(db, owner, site, at)
    wanted = (await mappings_for(db, driver)).ids(owner.key, named)
    found = [each for name in wanted if (each := await tariff_at(db, owner, name, at)) is not None]
    if wanted and not found:
        return [], f"None of the Connector's Tariffs is known: {', '.join(wanted)}."
    if found and not readable(found):
        return found, f"None of the Connector's Tariffs can be read: {', '.join(wanted)}."
    return found, None


async def _named(db: AsyncSession, owner: Party, site: Site, at: int | None) -> Sequence[str]:
    if at is None:
        return site.tariff_ids
    key = object_key(owner, site.location["id"])
    former = await tariff_ids_at(db, key, site.evse_uid, site.connector_id, at)
    return site.tariff_ids if former is None else former


def choose_tariff(
    documents: Sequence[Document], moment: str, preference: str, currency: str | None = None
) -> str | None:
    """The id of the Tariff for a driver with this preference; None where none is meant for it.

    Of a session that has its `currency` those in another one are not meant: a bill has one.
    """
    chosen = _choose(_in_currency(documents, currency), moment, preference)
    return None if chosen is None else chosen.id


def profiles_of(
    documents: Sequence[Document], moment: str, currency: str | None = None
) -> set[str]:
    """The ProfileTypes for which `choose_tariff` finds a Tariff of its own, and REGULAR (LO-30)."""
    terms = _in_currency(documents, currency)
    types = {each.type for each in terms if each.type and each.type.startswith(_PROFILE)}
    chosen = {name: _choose(terms, moment, name) for name in types}
    found = {name for name, each in chosen.items() if each is not None and each.type == name}
    return {"REGULAR"} | {name.removeprefix(_PROFILE) for name in found}


def _in_currency(documents: Sequence[Document], currency: str | None) -> list[Terms]:
    terms = readable(documents)
    if currency is None:
        return terms
    return [each for each in terms if (each.currency or currency).upper() == currency.upper()]


def _choose(terms: Sequence[Terms], moment: str, preference: str) -> Terms | None:
    """The Tariff for a driver with this preference.

    An ad hoc tariff is optional, as a profile's is: the regular one stands in (TA-09). One that
    is over is still better than none, since the price a driver was last told is known; by one
    that is yet to come nobody has ever paid.
    """
    wish = "REGULAR" if preference == f"{_PROFILE}REGULAR" else preference
    at = parse_moment(moment)
    for wanted in (wish, "REGULAR"):
        try:
            return pick_tariff(terms, at, wanted)
        except PricingError:
            continue
    over = [(each.end, each) for each in terms if each.end is not None and each.end <= at]
    over.sort(key=lambda ended: ended[0], reverse=True)
    meant = (each for kind in (wish, None, "REGULAR") for _, each in over if each.type == kind)
    return next(meant, None)


def readable(documents: Sequence[Document]) -> list[Terms]:
    """The Tariffs by which something can be priced."""
    terms = []
    for document in documents:
        try:
            terms.append(read_tariff(document))
        except PricingError:
            continue
    return terms
