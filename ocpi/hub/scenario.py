"""What kind of message this is: a pure function of whom it names and what it asks (RT-09 to RT-36).

The table "Routing headers per leg" tells the kinds apart: addressed to another party it is direct,
to the hub a broadcast or a GET ALL, to nobody an open routing request.
"""

from enum import StrEnum

from ocpi.errors import InvalidParameters, MethodNotOffered
from ocpi.sides import FOR_ALL

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Kind(StrEnum):
    """How a message is routed."""

    DIRECT = "direct"  # To the party that it names.
    OPEN = "open"  # To a party that the hub finds by what the message says.
    BROADCAST = "broadcast"  # Kept here, and told to everybody whom it concerns.
    GET_ALL = "get all"  # Answered here from what was broadcast.
    RESULT = "result"  # Of what the hub itself has asked.


class To(StrEnum):
    """Whom a message names."""

    PARTY = "another party"
    HUB = "the hub"
    NOBODY = "nobody"


_LISTED = frozenset({"locations", "tariffs", "tokens", "sessions", "cdrs"})
_PUSHES = frozenset({"POST", "PUT", "PATCH"})
_NAME_IT = "name the party that it is for in the OCPI-to headers"


def decide(to: To, method: str, interface: str, module: str, *, is_list: bool) -> Kind:
    """How to route a message; `is_list` says that nothing stands behind the module in its URL.

    Raises ``InvalidParameters`` for what may not be asked of a hub, ``MethodNotOffered`` for a
    method that OCPI does not know.
    """
    if method not in METHODS:
        raise MethodNotOffered(f"{method} is not offered here.")
    if to is To.PARTY:
        return Kind.DIRECT
    if _is_result(method, interface, module):
        return Kind.RESULT
    if to is To.HUB:
        return _to_hub(method, interface, module)
    if method == "GET" and is_list and interface == "SENDER" and module in _LISTED:
        # A list of everybody's objects must be asked for as such (RT-33, AT-39).
        raise InvalidParameters(
            f"OCPI-to: a list has no owner to be found by: {_NAME_IT}, or the hub for all of them"
        )
    # Where content tells of no receiver, a push is for everybody (RT-35).
    return Kind.BROADCAST if _is_broadcast(method, interface, module) else Kind.OPEN


def _is_broadcast(method: str, interface: str, module: str) -> bool:
    # Who was told a Tariff for everybody must hear that it is gone, else the price stays (AT-37).
    pushes = method in _PUSHES or (method, module) == ("DELETE", "tariffs")
    return pushes and interface == "RECEIVER" and module in FOR_ALL


def _is_result(method: str, interface: str, module: str) -> bool:
    asked = module in ("commands", "chargingprofiles")
    return asked and interface == "SENDER" and method == "POST"


def _to_hub(method: str, interface: str, module: str) -> Kind:
    if method == "GET" and interface == "SENDER" and module in _LISTED:
        return Kind.GET_ALL
    if (method, interface, module) == ("PUT", "SENDER", "chargingprofiles"):
        return Kind.RESULT  # The profile that is active now, where the hub has set one (CP-11).
    if _is_broadcast(method, interface, module):
        return Kind.BROADCAST
    if method == "GET":
        raise InvalidParameters(f"OCPI-to: a GET is never broadcast: {_NAME_IT}")  # RT-25
    if method == "DELETE":
        raise InvalidParameters(
            f"OCPI-to: of DELETEs only that of a Tariff is broadcast: {_NAME_IT}"
        )
    # RT-26, AT-42: it would be spread to parties that it does not concern.
    raise InvalidParameters(
        f"OCPI-to: {method} of {module} is for one party and never broadcast: {_NAME_IT}"
    )
