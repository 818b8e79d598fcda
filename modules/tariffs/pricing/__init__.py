"""The price of a session: exact, explained, and without any I/O.

`bill_session` prices what a station measured and gives charging periods for a CDR; `price_cdr`
prices a CDR as it stands, `check_cdr` compares it with its own totals; `estimate` tells what a
session would cost; `lint_tariff` and `lint_connector` find what is wrong with tariffs. All take
OCPI documents with exact numbers (`ocpi.spec.document.decode`), or a tariff compiled once by
`read_tariff`. What OCPI leaves open is in `Policy`. A `Bill` becomes sentences by `explain` and
documents by `cdr_fields`, `cost_fields`, `billed_quantities` and `bill_document`; a `Check` by
`check_document`, a `Finding` by `finding_document`; a tariff becomes sentences by `describe`. Where
there is no price, `PricingError` says why.
"""

from modules.tariffs.pricing.bill import Bill
from modules.tariffs.pricing.checking import Check, Comparison, check_cdr
from modules.tariffs.pricing.describing import describe, example, language_of
from modules.tariffs.pricing.documents import (
    bill_document,
    billed_quantities,
    cdr_fields,
    check_document,
    comparison_document,
    cost_fields,
    finding_document,
)
from modules.tariffs.pricing.entrances import bill_session, price_cdr
from modules.tariffs.pricing.estimate import estimate
from modules.tariffs.pricing.explanation import explain
from modules.tariffs.pricing.lint import Finding, Severity, lint_connector, lint_tariff
from modules.tariffs.pricing.measured import Measured, Reading, State, StateChange, TariffChange
from modules.tariffs.pricing.policy import Policy
from modules.tariffs.pricing.selection import pick_tariff
from modules.tariffs.pricing.terms import Terms, read_tariff
from modules.tariffs.pricing.usage import Note, PricingError
from modules.tariffs.pricing.zones import localized, open_zone

__all__ = [
    "Bill",
    "Check",
    "Comparison",
    "Finding",
    "Measured",
    "Note",
    "Policy",
    "PricingError",
    "Reading",
    "Severity",
    "State",
    "StateChange",
    "TariffChange",
    "Terms",
    "bill_document",
    "bill_session",
    "billed_quantities",
    "cdr_fields",
    "check_cdr",
    "check_document",
    "comparison_document",
    "cost_fields",
    "describe",
    "estimate",
    "example",
    "explain",
    "finding_document",
    "language_of",
    "lint_connector",
    "lint_tariff",
    "localized",
    "open_zone",
    "pick_tariff",
    "price_cdr",
    "read_tariff",
]
