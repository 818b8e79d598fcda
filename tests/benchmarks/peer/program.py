"""Another library's service of Locations, with a store in memory.

Both libraries have one ancestor, so they are put together alike; they differ in what they do then.
"""

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

_PACKAGE = os.environ["BENCH_PEER"]
# One of them demands that what is optional and absent is there as null.
_LOCATION = ("name", "postal_code", "state", "parking_type", "operator", "suboperator", "owner")
_MORE = ("opening_times", "charging_when_closed", "energy_mix")
_EVSE = ("evse_id", "status_schedule", "floor_level", "coordinates", "physical_reference")
_CONNECTOR = ("max_electric_power", "terms_and_conditions")
_DETAILS = ("website", "logo")


def _with_nulls(location: dict[str, Any]) -> dict[str, Any]:
    evses = [
        {
            **dict.fromkeys(_EVSE),
            **evse,
            "connectors": [dict.fromkeys(_CONNECTOR) | each for each in evse["connectors"]],
        }
        for evse in location["evses"]
    ]
    roles: dict[str, Any] = {
        role: dict.fromkeys(_DETAILS) | location[role]
        for role in ("operator", "suboperator", "owner")
        if role in location
    }
    return {**dict.fromkeys(_LOCATION + _MORE), **location, **roles, "evses": evses}


_PAGE = [
    _with_nulls(each) for each in json.loads(Path(os.environ["BENCH_PAGE"]).read_bytes())["data"]
]
_BY_ID = {location["id"].lower(): location for location in _PAGE}
_ENUMS = import_module(f"{_PACKAGE}.core.enums")
_VERSION = import_module(f"{_PACKAGE}.modules.versions.enums").VersionNumber.v_2_2_1
_AUTHENTICATOR: Any = import_module(f"{_PACKAGE}.core.authentication.authenticator").Authenticator


class Tokens(_AUTHENTICATOR):  # type: ignore[misc]
    """Those that it takes."""

    @classmethod
    async def get_valid_token_c(cls) -> list[str]:
        """The one of the benchmark."""
        return [os.environ["BENCH_TOKEN"]]

    @classmethod
    async def get_valid_token_a(cls) -> list[str]:
        """None."""
        return []


class Memory:
    """What the library asks for the objects."""

    @classmethod
    async def list(
        cls, _module: Any, _role: Any, filters: dict[str, Any], *_: Any, **_more: Any
    ) -> tuple[list[Any], int, bool]:
        """A page, how many there are, and whether it is the last one."""
        end = filters["offset"] + filters["limit"]
        return _PAGE[filters["offset"] : end], len(_PAGE), end >= len(_PAGE)

    @classmethod
    async def get(cls, _module: Any, _role: Any, identifier: str, *_: Any, **_more: Any) -> Any:
        """One of them."""
        return _BY_ID[identifier.lower()]


async def ready() -> None:
    """Whether it is there."""


# A line for each request would cost it more.
import_module(f"{_PACKAGE}.core.config").logger.setLevel("WARNING")
app = import_module(_PACKAGE).get_application(
    version_numbers=[_VERSION],
    roles=[_ENUMS.RoleEnum.cpo],
    crud=Memory,
    modules=[_ENUMS.ModuleID.locations],
    authenticator=Tokens,
)
app.add_api_route("/ready", ready)
