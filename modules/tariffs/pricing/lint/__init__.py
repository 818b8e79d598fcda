"""What is wrong, or probably not meant, in tariffs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modules.tariffs.pricing.lint.findings import Finding, Severity, Subject, error
from modules.tariffs.pricing.lint.form import lint_form
from modules.tariffs.pricing.lint.prices import lint_prices
from modules.tariffs.pricing.lint.reach import lint_reach
from modules.tariffs.pricing.lint.references import lint_connector
from modules.tariffs.pricing.lint.restricted import lint_restrictions
from modules.tariffs.pricing.lint.whole import lint_whole
from modules.tariffs.pricing.terms import TariffToPrice, read_tariff
from modules.tariffs.pricing.usage import PricingError
from ocpi.spec.reading import read

__all__ = ["Finding", "Severity", "lint_connector", "lint_tariff"]

_WORST_FIRST = list(Severity)


def lint_tariff(
    document: Mapping[str, Any],
    *,
    zone: str | None = None,
    now: datetime | None = None,
) -> list[Finding]:
    """Examine a Tariff document, worst findings first; what is not told is not judged."""
    findings = list(lint_form(document))
    try:
        terms = read_tariff(document)
    except PricingError as unreadable:
        if not any(each.severity == Severity.ERROR for each in findings):
            findings.append(error("unreadable", "", f"It can't be priced by: {unreadable}."))
        return _sorted(findings)
    tariff = read(TariffToPrice, dict(document))
    subject = Subject(document, tariff, terms, zone, now)
    for lint in (lint_reach, lint_restrictions, lint_prices, lint_whole):
        findings.extend(lint(subject))
    return _sorted(findings)


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(dict.fromkeys(findings), key=lambda each: _WORST_FIRST.index(each.severity))
