"""From the power of a point and its kinds of plug to OCPI Connectors.

Registers state one power for the point; what a plug can carry of it follows from its kind.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

# Ratings of installations in ampere. A power is rounded in registers (7 or 7.4 kW for 32 A), and
# some reckon with 240 V, so the next rating counts as reached up to 5 percent above it.
_RATINGS = (6, 10, 13, 16, 20, 25, 32, 40, 50, 63)
_SLACK = 0.95

_PHASE_VOLTAGE = 230
_LARGEST_ONE_PHASE = 7_400
_LARGEST_DOMESTIC = 16 * _PHASE_VOLTAGE
_LARGEST_SOCKET = 3 * 32 * _PHASE_VOLTAGE
_LARGEST_AC_CABLE = 3 * 63 * _PHASE_VOLTAGE
_LARGEST_CHADEMO = 200_000  # 400 A at 500 V

# Voltage classes of DC outlets: Type 2 carrying DC, CHAdeMO and older CCS, newer CCS.
_TYPE_2_DC_VOLTAGE = 400
_OLDER_DC_VOLTAGE = 500
_NEWER_DC_VOLTAGE = 920
_LARGEST_OLDER_CCS = 100_000


@dataclass(frozen=True, slots=True)
class Plugs:
    """The kinds of plug of one point."""

    domestic: bool = False
    type_2: bool = False
    ccs: bool = False
    chademo: bool = False
    type_2_cable: bool = False
    type_2_dc: bool = False


def connectors_of(watts: int, plugs: Plugs, last_updated: str) -> list[dict[str, Any]]:
    """Return a Connector for each kind of plug, named by its kind so that its id stays."""
    connectors = []
    if plugs.domestic:
        connectors.append(_ac("EF", "DOMESTIC_E", "SOCKET", min(watts, _LARGEST_DOMESTIC)))
    if plugs.type_2:
        connectors.append(_type_2(watts, plugs))
    if plugs.ccs:
        voltage = _OLDER_DC_VOLTAGE if watts <= _LARGEST_OLDER_CCS else _NEWER_DC_VOLTAGE
        connectors.append(_dc("CCS", "IEC_62196_T2_COMBO", watts, voltage))
    if plugs.chademo:
        power = min(watts, _LARGEST_CHADEMO)
        connectors.append(_dc("CHADEMO", "CHADEMO", power, _OLDER_DC_VOLTAGE))
    return [connector | {"last_updated": last_updated} for connector in connectors]


def ac_amperage(watts: int, power_type: str) -> int:
    """Return the rating in ampere per phase that a power at 230 V needs."""
    phases = 3 if power_type == "AC_3_PHASE" else 1
    amperage = watts / (phases * _PHASE_VOLTAGE)
    return next((rating for rating in _RATINGS if rating >= amperage * _SLACK), ceil(amperage))


def ac_power_type(watts: int) -> str:
    return "AC_1_PHASE" if watts <= _LARGEST_ONE_PHASE else "AC_3_PHASE"


def _type_2(watts: int, plugs: Plugs) -> dict[str, Any]:
    """Return a Type 2 outlet, which carries AC of at most 22 kW by socket or 43 kW by cable."""
    if plugs.type_2_dc and watts > _LARGEST_AC_CABLE:
        return _dc("T2", "IEC_62196_T2", watts, _TYPE_2_DC_VOLTAGE)
    beside_dc = plugs.ccs or plugs.chademo
    by_cable = plugs.type_2_cable or (watts > _LARGEST_SOCKET / _SLACK and not beside_dc)
    limit = _LARGEST_AC_CABLE if by_cable else _LARGEST_SOCKET
    power = watts if watts * _SLACK <= limit else limit
    return _ac("T2", "IEC_62196_T2", "CABLE" if by_cable else "SOCKET", power)


def _ac(name: str, standard: str, form: str, watts: int) -> dict[str, Any]:
    power_type = ac_power_type(watts)
    return {
        "id": name,
        "standard": standard,
        "format": form,
        "power_type": power_type,
        "max_voltage": _PHASE_VOLTAGE,
        "max_amperage": ac_amperage(watts, power_type),
        "max_electric_power": watts,
    }


def _dc(name: str, standard: str, watts: int, voltage: int) -> dict[str, Any]:
    return {
        "id": name,
        "standard": standard,
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": voltage,
        "max_amperage": ceil(watts / voltage),
        "max_electric_power": watts,
    }
