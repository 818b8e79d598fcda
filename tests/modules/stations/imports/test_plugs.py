"""The power of a point and its plugs become Connectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.stations.imports.plugs import Plugs, connectors_of

T2, CCS, EF = "IEC_62196_T2", "IEC_62196_T2_COMBO", "DOMESTIC_E"
ONE, THREE = "AC_1_PHASE", "AC_3_PHASE"
ALL = Plugs(domestic=True, type_2=True, ccs=True, chademo=True)

TABLE = [
    (2_300, Plugs(domestic=True), [(EF, "SOCKET", ONE, 230, 10, 2_300)]),
    (43_000, Plugs(domestic=True), [(EF, "SOCKET", ONE, 230, 16, 3_680)]),
    (7_000, Plugs(type_2=True), [(T2, "SOCKET", ONE, 230, 32, 7_000)]),
    (7_400, Plugs(type_2=True), [(T2, "SOCKET", ONE, 230, 32, 7_400)]),
    (11_000, Plugs(type_2=True), [(T2, "SOCKET", THREE, 230, 16, 11_000)]),
    (22_000, Plugs(type_2=True), [(T2, "SOCKET", THREE, 230, 32, 22_000)]),
    (22_170, Plugs(type_2=True), [(T2, "SOCKET", THREE, 230, 32, 22_170)]),
    (22_000, Plugs(type_2=True, type_2_cable=True), [(T2, "CABLE", THREE, 230, 32, 22_000)]),
    (43_000, Plugs(type_2=True), [(T2, "CABLE", THREE, 230, 63, 43_000)]),
    (90_000, Plugs(type_2=True), [(T2, "CABLE", THREE, 230, 63, 43_470)]),
    (150_000, Plugs(type_2=True, type_2_dc=True), [(T2, "CABLE", "DC", 400, 375, 150_000)]),
    (22_000, Plugs(type_2=True, type_2_dc=True), [(T2, "SOCKET", THREE, 230, 32, 22_000)]),
    (24_000, Plugs(ccs=True), [(CCS, "CABLE", "DC", 500, 48, 24_000)]),
    (350_000, Plugs(ccs=True), [(CCS, "CABLE", "DC", 920, 381, 350_000)]),
    (300_000, Plugs(chademo=True), [("CHADEMO", "CABLE", "DC", 500, 400, 200_000)]),
    (
        150_000,
        ALL,
        [
            (EF, "SOCKET", ONE, 230, 16, 3_680),
            (T2, "SOCKET", THREE, 230, 32, 22_080),
            (CCS, "CABLE", "DC", 920, 164, 150_000),
            ("CHADEMO", "CABLE", "DC", 500, 300, 150_000),
        ],
    ),
    (22_000, Plugs(), []),
]


@pytest.mark.req("LO-31")
@pytest.mark.parametrize(("watts", "plugs", "expected"), TABLE)
def test_each_plug_carries_what_its_kind_can(
    watts: int, plugs: Plugs, expected: list[tuple[object, ...]]
) -> None:
    members = (
        "standard", "format", "power_type", "max_voltage", "max_amperage", "max_electric_power",
    )  # fmt: skip
    connectors = connectors_of(watts, plugs, "2026-01-02T03:04:05Z")
    assert [tuple(each[member] for member in members) for each in connectors] == expected


@given(st.integers(100, 2_000_000))
def test_every_connector_of_a_point_has_its_own_id_and_a_current(watts: int) -> None:
    connectors = connectors_of(watts, ALL, "2026-01-02T03:04:05Z")
    assert [each["id"] for each in connectors] == ["EF", "T2", "CCS", "CHADEMO"]
    assert all(each["max_amperage"] > 0 for each in connectors)
