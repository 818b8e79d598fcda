"""Every way a request fails, as a tree, each with its OCPI status code and HTTP status.

::

    OCPIError
    ├── ClientError                 2000, HTTP 200
    │   ├── InvalidParameters       2001       ├── NotJSON            2001, 400
    │   │   └── ForeignSender
    │   ├── Unchecked               2000
    │   ├── NotEnoughInformation    2002       ├── NotAuthenticated   2000, 401
    │   ├── UnknownObject           2000, 404  ├── MethodNotOffered   2000, 405
    │   │   ├── UnknownLocation     2003, 404  │   ├── AlreadyRegistered
    │   │   ├── UnknownToken        2004, 404  │   └── NotRegistered
    │   │   └── ForeignOwner        2000, 404
    │   ├── Conflict                2001, 409  ├── TooLarge           2000, 413
    │   ├── TooSlow                 2000, 408  ├── UnsupportedEncoding 2000, 415
    │   └── TooMany                 2000, 429  └── Malformed          2000, 400
    ├── ServerFailure               3000, HTTP 200
    │   ├── PeerUnusable            3001       ├── Crash              3000, 500
    │   ├── VersionUnsupported      3002       └── Overloaded         3000, 503
    │   └── EndpointsMissing        3003
    └── RoutingFailure              4000, HTTP 200
        ├── UnknownReceiver         4001
        ├── ReceiverTooSlow         4002
        └── ReceiverAway            4003

The pairs are those of the matrix "HTTP status and OCPI status per situation" (ST-01 to ST-15).
A class's docstring is its message where the one who raises it gives none.
"""

from collections.abc import Iterable
from typing import ClassVar


class OCPIError(Exception):
    """The request failed."""

    status_code: ClassVar[int] = 3000
    http_status: ClassVar[int] = 200
    retry_after: ClassVar[int | None] = None
    """Seconds after which the same request may succeed, where time alone can mend it."""

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's headers tell of it."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class ClientError(OCPIError):
    """The request cannot be handled as it was sent."""

    status_code = 2000


class Unchecked(ClientError):
    """The check that comes before live data has not been passed yet: ask us for its report."""


class InvalidParameters(ClientError):
    """A parameter or field is missing or invalid."""

    status_code = 2001


class ForeignSender(InvalidParameters):
    """The message comes from a party that is not the caller's (RT-08, TA-06)."""


class NotEnoughInformation(ClientError):
    """The request holds too little information to decide."""

    status_code = 2002


class UnknownObject(ClientError):
    """There is no such object."""

    http_status = 404


def missing(what: str, identifier: str, owners: Iterable[object]) -> UnknownObject:
    """What is told of an object, such as a CDR, that none of some parties has."""
    whose = ", ".join(map(str, owners)) or "any party of ours"
    return UnknownObject(f"There is no {what} {identifier} of {whose}.")


class UnknownLocation(UnknownObject):
    """There is no such Location, EVSE or Connector."""

    status_code = 2003


class UnknownToken(UnknownObject):
    """There is no such Token."""

    status_code = 2004


class ForeignOwner(UnknownObject):
    """The object is of a party that is not the caller's."""


class Conflict(ClientError):
    """The object is newer than the change, or another object stands in the way."""

    status_code = 2001
    http_status = 409


class NotJSON(ClientError):
    """The body is not JSON."""

    status_code = 2001
    http_status = 400


class NotAuthenticated(ClientError):
    """The Authorization header is missing, malformed or names no token that is valid here."""

    http_status = 401


class MethodNotOffered(ClientError):
    """Not offered here."""

    http_status = 405


class AlreadyRegistered(MethodNotOffered):
    """Registered already: use PUT to change credentials."""


class NotRegistered(MethodNotOffered):
    """Not registered: use POST to register first."""


class TooSlow(ClientError):
    """The body did not arrive in time."""

    http_status = 408


class Malformed(ClientError):
    """The request is no proper HTTP message."""

    http_status = 400


class TooLarge(ClientError):
    """The body is larger than this endpoint reads."""

    http_status = 413


class UnsupportedEncoding(ClientError):
    """Request bodies are read without Content-Encoding only."""

    http_status = 415


class TooMany(ClientError):
    """Too many requests: wait before the next one."""

    http_status = 429
    retry_after = 60


class ServerFailure(OCPIError):
    """The request was understood, but processing it failed here."""


class PeerUnusable(ServerFailure):
    """The platform's API could not be used."""

    status_code = 3001


class VersionUnsupported(ServerFailure):
    """The platform does not offer the version of this endpoint."""

    status_code = 3002


class EndpointsMissing(ServerFailure):
    """The platform lacks endpoints that are needed."""

    status_code = 3003


class Crash(ServerFailure):
    """An unexpected failure; it is logged under the X-Request-ID of this answer."""

    http_status = 500


class Overloaded(ServerFailure):
    """The service cannot take the request now: try again later."""

    http_status = 503
    retry_after = 5


class RoutingFailure(OCPIError):
    """The message could not be routed."""

    status_code = 4000


class UnknownReceiver(RoutingFailure):
    """The party that the message is for is not known here."""

    status_code = 4001


class ReceiverTooSlow(RoutingFailure):
    """The party that the message is for did not answer in time."""

    status_code = 4002


class ReceiverAway(RoutingFailure):
    """The party that the message is for is not connected."""

    status_code = 4003
