"""Published tariffs price published sessions, and nobody pays for what OCPI does not know."""

import gzip
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

import ocpi
from modules.tariffs.pricing import Bill, Measured, Reading, bill_session, lint_tariff, read_tariff
from modules.tariffs.pricing.usage import Kind
from ocpi.spec.document import decode
from ocpi.spec.moments import moment_of

DATA = Path(ocpi.__file__).parent / "testing" / "data"
SESSIONS = 1000


def offers() -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = decode(
        gzip.decompress((DATA / "tariffs-tesla-fr.json.gz").read_bytes())
    )["data"]
    return documents


def measurements() -> list[Measured]:
    with gzip.open(DATA / "irve-sessions.json.gz") as file:
        rows = [decode(line) for line in islice(file, SESSIONS + 10)]
    return [measured(row) for row in rows if row["end"] - row["start"] >= 1000][:SESSIONS]


def measured(row: dict[str, Any]) -> Measured:
    start, end = (moment_of(row[name] * 1000) for name in ("start", "end"))
    return Measured(start, end, (Reading(start, Decimal(0)), Reading(end, Decimal(row["energy"]))))


@pytest.mark.req("TA-06", "TA-16", "CD-18")
def test_a_thousand_sessions_are_billed_by_the_published_tariffs() -> None:
    terms = [read_tariff(offer) for offer in offers()]
    sessions = measurements()
    bills = [
        bill_session(session, [each], "Europe/Paris")
        for session, each in zip(sessions, cycle(terms), strict=False)
    ]
    assert len(bills) == SESSIONS
    charged = [bill for bill in bills if bill.billed().get(Kind.ENERGY)]
    assert all(Fraction(1, 5) < mean_price(bill) < Fraction(4, 5) for bill in charged)
    noted = {code for bill in bills for code in bill.codes()}
    assert noted == {"unknown_restriction", "no_price_component", "none_valid"}
    lasting = max(bill.usage.end - bill.usage.start for bill in bills)
    assert lasting > timedelta(hours=4)


def mean_price(bill: Bill) -> Fraction:
    return bill.parts["total_energy_cost"].excl / bill.billed()[Kind.ENERGY]


def test_the_lint_finds_what_is_odd_in_the_published_tariffs() -> None:
    found = Counter(
        code for offer in offers() for code in {finding.code for finding in lint_tariff(offer)}
    )
    assert found == {
        "unknown_restriction": 273,  # min_vehicle_soc and min_congestion_threshold.
        "unusable_element": 273,
        "not_ocpi": 273,  # CONGESTION_TIME.
        "idle_bound": 273,
        "idle_days": 176,
        "never_reached": 176,
        "mergeable": 125,
    }
