"""Fixes at the beginning of a session what its bill is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.commands.reservations import Reservation
from modules.stations.reports.billing import Fixed
from modules.stations.reports.origins import Origin
from modules.stations.reports.sites import NOT_AVAILABLE, Site, choose_tariff, tariffs_for
from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.spec.document import decode

_PREFERENCES = "CHARGING_PREFERENCES_CAPABLE"


async def fix(
    db: AsyncSession,
    owner: Party,
    site: Site,
    origin: Origin,
    *,
    session_id: str,
    since: str,
    currency: str,
) -> Fixed:
    """Take down who charges where, and by which Tariff from `since` on.

    `currency` is that of places without a Tariff.
    """
    preference = _preference(site, origin.token)
    priced = await _priced(db, owner, site, origin, preference, since)
    if priced.problem is not None:
        # Staff mend what cannot be used; to look at it as it was would find it broken for ever.
        priced = await _priced(db, owner, site, origin, preference, since, as_now=True)
    session = {
        "session_id": session_id,
        "cdr_token": origin.cdr_token,
        "auth_method": origin.auth_method,
        "authorization_reference": origin.reference,
        "location_id": site.location["id"],
        "evse_uid": site.evse_uid,
        "connector_id": site.connector_id,
        "cdr_location": site.cdr_location(),
        "time_zone": site.location.get("time_zone"),
        "currency": currency,
        "unpriced": priced.problem,
    }
    return Fixed(
        {name: value for name, value in session.items() if value is not None},
        priced.tariffs,
        [] if priced.chosen is None else [{"at": since, "tariff_id": priced.chosen}],
    )


@dataclass(frozen=True)
class _Priced:
    tariffs: list[Document]
    chosen: str | None
    problem: str | None
    """Why none of the Tariffs can be used, where there are any."""


async def _priced(
    db: AsyncSession,
    owner: Party,
    site: Site,
    origin: Origin,
    preference: str,
    since: str,
    *,
    as_now: bool = False,
) -> _Priced:
    """By which Tariff a driver pays from `since` on: as it was then, or `as_now`."""
    driver = Party(origin.token["country_code"], origin.token["party_id"])
    tariffs, problem = await tariffs_for(db, owner, site, driver, None if as_now else since)
    chosen = choose_tariff(tariffs, since, preference)
    return _Priced(tariffs, chosen, problem or _unpriced(tariffs, chosen, preference, since))


def fixed_of_reservation(reservation: Reservation) -> Fixed | None:
    """What fixed the price of a reservation when it began; None where nothing did.

    Nothing does where no EVSE was assigned to it, or no Tariff could be used.
    """
    if reservation.record is None:
        return None
    fixed = Fixed(**decode(reservation.record))
    unknown = fixed.session["evse_uid"] == NOT_AVAILABLE or "unpriced" in fixed.session
    return None if unknown else fixed


def behind_reservation(fixed: Fixed, reserved: Fixed) -> Fixed:
    """What a start fixes, behind the reservation that it uses, which keeps its own price (CD-13).

    A CDR holds a Tariff once: of one that changed meanwhile it is the version of the reservation.
    """
    changes = list(reserved.tariff_changes)
    named = {each["tariff_id"].lower() for each in changes}
    kept = {name: each for each in reserved.tariffs if (name := each["id"].lower()) in named}
    changes += [each for each in fixed.tariff_changes if each["tariff_id"].lower() not in named]
    tariffs = [kept.pop(each["id"].lower(), each) for each in fixed.tariffs]
    return Fixed(fixed.session, [*tariffs, *kept.values()], changes)


def _unpriced(
    tariffs: Sequence[Document], chosen: str | None, preference: str, since: str
) -> str | None:
    if chosen is not None or not tariffs:
        return None
    names = ", ".join(each["id"] for each in tariffs)
    return f"No Tariff of the Connector is for {preference} at {since}: {names}."


def _preference(site: Site, token: Document) -> str:
    """The TariffType that fits the driver best (TK-22, LO-30)."""
    if token.get("type") == "AD_HOC_USER":
        return "AD_HOC_PAYMENT"
    profile = token.get("default_profile_type")
    able = _PREFERENCES in (site.evse or {}).get("capabilities", [])
    return f"PROFILE_{profile}" if able and profile else "REGULAR"
