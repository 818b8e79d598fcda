"""What a partner's platform offers: its versions, and the endpoints of the one that we speak."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from credentials.exchange import Elsewhere, Unusable, ask
from ocpi.client import Target
from ocpi.context import Context
from ocpi.egress import EgressRefused, check_url
from ocpi.errors import EndpointsMissing, VersionUnsupported
from ocpi.forgiving import Habit, forgive, read
from ocpi.homes import foreign_places, home_of
from ocpi.messages import log
from ocpi.parties import VERSION
from ocpi.spec import reading
from ocpi.spec.kinds import known_word
from ocpi.spec.reading import problems
from ocpi.spec.types import OCPIModel
from ocpi.spec.versions import Endpoint, InterfaceRole, ModuleID, Version, VersionDetails

Model = TypeVar("Model", bound=OCPIModel)


@dataclass(frozen=True)
class Offer:
    """The endpoints of version 2.2.1 by (identifier, role), and what staff should know of them."""

    endpoints: Mapping[tuple[str, str], str]
    remarks: tuple[str, ...] = ()

    @property
    def credentials_url(self) -> str:
        """Where the partner exchanges credentials; its role there says nothing (VE-07)."""
        return next(url for (module, _), url in self.endpoints.items() if module == "credentials")


async def discover(
    context: Context,
    target: Target,
    url: str,
    *,
    platform: str,
    approved: Collection[str] = (),
    known: str | None = None,
    correlation_id: str | None = None,
) -> Offer:
    """Read versions and details, for exactly 2.2.1, never by order of the list (IP-29, TA-27).

    A URL that answers with the details themselves is taken as well (IP-03, PD-11). Details that are
    neither at home nor at an `approved` place are not asked for. An endpoint that cannot be used is
    left out, unless our `platform` needs it. `known` is the versions URL of a partner that is
    registered already.
    Raises ``PeerUnusable``, ``VersionUnsupported`` or ``EndpointsMissing``.
    """
    data = await ask(context, target, "GET", url, correlation_id=correlation_id)
    remarks: list[str] = []
    details_url = url
    if isinstance(data, dict) and "endpoints" in data:
        remarks.append(
            f"{url} is the URL of the version details, not of the versions; it was used."
        )
    else:
        with context.hearing(target.name):
            details_url = _details_url(data, url)
        # Whoever asks at a URL that must not be called is told the reason.
        for place in foreign_places([details_url], url, approved):
            raise Elsewhere("The version details lie", place)
        data = await ask(context, target, "GET", details_url, correlation_id=correlation_id)
    with context.hearing(target.name):
        if remarks:
            forgive(Habit.DETAILS_URL)
        needed = _needed(context, platform)
        details = _read(VersionDetails, _without_useless(data, needed, remarks), details_url)
        if details.version != VERSION:
            raise Unusable(
                f"GET {details_url} answers with the details of version {details.version}."
            )
        endpoints = _endpoints(context, details, needed, target.name, remarks)
    home = home_of(known, url, approved)
    if home != url:
        remarks.append(f"It says that its versions URL is {url} from now on.")
    places = foreign_places([url, *endpoints.values()], home, approved)
    if places:
        remarks.append(
            f"{', '.join(places)} is not the host of the versions URL: what lies there has to be "
            f"approved (`ocpi partner approve {target.name}`)."
        )
    return Offer(endpoints, tuple(remarks))


def _details_url(data: Any, url: str) -> str:
    if not isinstance(data, list):
        raise Unusable(f"GET {url} answers with neither a list of versions nor version details.")
    offered: list[str] = []
    for item in data:
        try:
            version = read(Version, item)
        except ValidationError:
            # One entry that cannot be read must not hide the others (IP-09).
            continue
        if version.version == VERSION:
            return version.url
        offered.append(str(version.version)[:20])
    listed = ", ".join(offered) or "none"
    raise VersionUnsupported(f"GET {url} does not list version {VERSION}; it lists {listed}.")


def _read(model: type[Model], data: Any, url: str) -> Model:
    try:
        return read(model, data)
    except ValidationError as error:
        raise Unusable(f"GET {url} answers with unusable details: {problems(error)}.") from None


def _needed(context: Context, platform: str) -> set[tuple[str, str]]:
    """The endpoints that we would call: the other side of each interface that we offer.

    Who is behind a partner only a hub tells, and any other may have that endpoint all the same.
    """
    sides = {
        InterfaceRole.SENDER: InterfaceRole.RECEIVER,
        InterfaceRole.RECEIVER: InterfaceRole.SENDER,
    }
    return {
        (each.module, sides[InterfaceRole(each.role)])
        for each in context.interfaces.get(platform, ())
        if each.module != ModuleID.HUBCLIENTINFO
    }


def _without_useless(data: Any, needed: Collection[tuple[str, str]], remarks: list[str]) -> Any:
    """The details without the endpoints that cannot be read and are not needed (IP-09)."""
    listed = data.get("endpoints") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return data
    kept = []
    for place, item in enumerate(map(_with_role, listed)):
        try:
            reading.read(Endpoint, item)
        except ValidationError as error:
            if not _may_be_needed(item, needed):
                remarks.append(f"endpoints.{place} is left out: {problems(error)}.")
                continue
        kept.append(item)
    return {**data, "endpoints": kept}


def _with_role(item: Any) -> Any:
    """A credentials endpoint with a role: what it has says nothing (VE-07)."""
    if not isinstance(item, dict) or item.get("role"):
        return item
    if known_word(ModuleID, str(item.get("identifier"))) is not ModuleID.CREDENTIALS:
        return item
    forgive(Habit.NO_ROLE)
    return {**item, "role": InterfaceRole.SENDER.value}


def _may_be_needed(item: Any, needed: Collection[tuple[str, str]]) -> bool:
    if not isinstance(item, dict):
        return False
    module = known_word(ModuleID, str(item.get("identifier")))
    role = known_word(InterfaceRole, str(item.get("role")))
    return module is ModuleID.CREDENTIALS or any(
        module == each and role in (None, side) for each, side in needed
    )


def _endpoints(
    context: Context,
    details: VersionDetails,
    needed: Collection[tuple[str, str]],
    name: str,
    remarks: list[str],
) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for endpoint in details.endpoints:
        key = (str(endpoint.identifier), str(endpoint.role))
        if key in found:
            forgive(Habit.LISTED_TWICE, " ".join(key))
            log.warning("endpoint listed twice", partner=name, module=key[0], role=key[1])
            remarks.append(f"{key[0]} {key[1]} is listed twice; the first URL was taken.")
            continue
        try:
            check_url(
                endpoint.url,
                allow_private=context.settings.allow_private_networks,
                ports=context.settings.partner_port_numbers,
            )
        except EgressRefused as error:
            sentence = f"The endpoint {key[0]} {key[1]} cannot be called: {error.reason}."
            if key in needed or key[0] == ModuleID.CREDENTIALS:
                raise Unusable(sentence) from None
            remarks.append(f"{sentence} It is left out.")
            continue
        found[key] = endpoint.url
    if not any(module == "credentials" for module, _ in found):
        raise EndpointsMissing("The version details list no credentials endpoint.")
    return found
