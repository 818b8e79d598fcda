"""The sample objects are what OCPI 2.2.1 has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ocpi.spec.cdrs import CDR
from ocpi.spec.credentials import Credentials
from ocpi.spec.document import decode, encode
from ocpi.spec.locations import EVSE, Connector, Location
from ocpi.spec.reading import defects
from ocpi.spec.sessions import Session
from ocpi.spec.tariffs import Tariff
from ocpi.spec.tokens import Token
from ocpi.spec.types import OCPIModel
from ocpi.testing import samples

SAMPLES: list[tuple[Callable[..., dict[str, Any]], type[OCPIModel]]] = [
    (samples.credentials, Credentials),
    (samples.location, Location),
    (samples.evse, EVSE),
    (samples.connector, Connector),
    (samples.tariff, Tariff),
    (samples.token, Token),
    (samples.session, Session),
    (samples.cdr, CDR),
]


@pytest.mark.parametrize(("sample", "model"), SAMPLES)
def test_a_sample_has_no_defects_and_survives_the_wire(
    sample: Callable[..., dict[str, Any]], model: type[OCPIModel]
) -> None:
    assert defects(decode(encode(sample())), model) == []
    assert decode(encode(sample())) == sample()


def test_a_location_has_three_evses_with_two_connectors_each() -> None:
    assert [len(evse["connectors"]) for evse in samples.location()["evses"]] == [2, 2, 2]


def test_a_sample_is_fresh_each_time_and_takes_other_members() -> None:
    changed = samples.location(name="Other")
    changed["evses"][0]["status"] = "REMOVED"
    assert samples.location()["evses"][0]["status"] == "AVAILABLE"
    assert changed["name"] == "Other"
