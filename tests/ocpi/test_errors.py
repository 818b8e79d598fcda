"""Every failure has the codes that the matrix of situations gives it."""

import pytest

from ocpi import errors
from ocpi.errors import OCPIError


def _all(error: type[OCPIError]) -> list[type[OCPIError]]:
    return [error, *(each for child in error.__subclasses__() for each in _all(child))]


OF_THE_TREE = [each for each in _all(OCPIError) if each.__module__ == "ocpi.errors"]


@pytest.mark.req("ST-06", "ST-07", "ST-08", "ST-09", "ST-10", "ST-11", "ST-12")
@pytest.mark.pitfall("IP-07")
def test_the_codes_are_those_of_the_matrix() -> None:
    assert {each.__name__: (each.status_code, each.http_status) for each in OF_THE_TREE} == {
        "OCPIError": (3000, 200),
        "ClientError": (2000, 200),
        "Unchecked": (2000, 200),
        "InvalidParameters": (2001, 200),
        "NotEnoughInformation": (2002, 200),
        "UnknownObject": (2000, 404),
        "ForeignOwner": (2000, 404),
        "ForeignSender": (2001, 200),
        "UnknownLocation": (2003, 404),
        "UnknownToken": (2004, 404),
        "Conflict": (2001, 409),
        "NotJSON": (2001, 400),
        "NotAuthenticated": (2000, 401),
        "MethodNotOffered": (2000, 405),
        "AlreadyRegistered": (2000, 405),
        "NotRegistered": (2000, 405),
        "TooSlow": (2000, 408),
        "Malformed": (2000, 400),
        "TooLarge": (2000, 413),
        "UnsupportedEncoding": (2000, 415),
        "TooMany": (2000, 429),
        "ServerFailure": (3000, 200),
        "PeerUnusable": (3001, 200),
        "VersionUnsupported": (3002, 200),
        "EndpointsMissing": (3003, 200),
        "Crash": (3000, 500),
        "Overloaded": (3000, 503),
        "RoutingFailure": (4000, 200),
        "UnknownReceiver": (4001, 200),
        "ReceiverTooSlow": (4002, 200),
        "ReceiverAway": (4003, 200),
    }


@pytest.mark.parametrize("error", OF_THE_TREE)
def test_without_a_message_the_docstring_is_the_message(error: type[OCPIError]) -> None:
    assert error().message == (error.__doc__ or "").strip()
    assert error().message.endswith(".")
    assert str(error("That is wrong.")) == error("That is wrong.").message == "That is wrong."


def test_the_tree_that_is_drawn_names_every_failure() -> None:
    drawn = errors.__doc__ or ""
    assert [each.__name__ for each in OF_THE_TREE if each.__name__ not in drawn] == []
