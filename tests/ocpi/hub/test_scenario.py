"""The table of scenarios, over every combination of whom, what and where."""

from itertools import product

import pytest

from ocpi.errors import InvalidParameters, MethodNotOffered
from ocpi.hub.scenario import METHODS, Kind, To, decide

MODULES = (
    *("locations", "tariffs", "tokens", "sessions", "cdrs", "commands", "chargingprofiles"),
    "custom",
)
INTERFACES = ("SENDER", "RECEIVER")
FOR_ALL = {"locations", "tariffs", "tokens"}
LISTED = {*FOR_ALL, "sessions", "cdrs"}
REFUSED = "refused"


def expected(to: To, method: str, interface: str, module: str, *, is_list: bool) -> str:
    """Give what the specification wants, written down another way than the product does."""
    push = method in {"POST", "PUT", "PATCH"}
    result = (method, interface) == ("POST", "SENDER") and module in {
        "commands",
        "chargingprofiles",
    }
    rows = [
        (to is To.PARTY, Kind.DIRECT),
        (result, Kind.RESULT),
        (
            (to, method, interface, module) == (To.HUB, "PUT", "SENDER", "chargingprofiles"),
            Kind.RESULT,
        ),
        (push and interface == "RECEIVER" and module in FOR_ALL, Kind.BROADCAST),
        (
            (method, interface, module) == ("DELETE", "RECEIVER", "tariffs"),
            Kind.BROADCAST,
        ),
        (
            to is To.HUB and method == "GET" and interface == "SENDER" and module in LISTED,
            Kind.GET_ALL,
        ),
        (to is To.HUB, REFUSED),
        (method == "GET" and is_list and interface == "SENDER" and module in LISTED, REFUSED),
        (True, Kind.OPEN),
    ]
    return next(kind for holds, kind in rows if holds)


@pytest.mark.req("RT-24", "RT-25", "RT-26", "RT-33", "RT-36")
@pytest.mark.parametrize("to", list(To))
@pytest.mark.parametrize("module", MODULES)
def test_every_combination_is_routed_as_the_table_says(to: To, module: str) -> None:
    for method, interface, is_list in product(METHODS, INTERFACES, (True, False)):
        wanted = expected(to, method, interface, module, is_list=is_list)
        case = (to, method, interface, module, is_list)
        if wanted is REFUSED:
            with pytest.raises(InvalidParameters, match="OCPI-to"):
                decide(to, method, interface, module, is_list=is_list)
        else:
            assert decide(to, method, interface, module, is_list=is_list) == wanted, case


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PURGE"])
def test_a_method_that_ocpi_does_not_know_is_not_routed(method: str) -> None:
    with pytest.raises(MethodNotOffered):
        decide(To.PARTY, method, "SENDER", "locations", is_list=True)
