"""Prices in the admin API: of a session, of a received CDR, of a session to come."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from modules.tariffs.answers import BillAnswer, CheckAnswer, LintAnswer
from modules.tariffs.pricing import (
    PricingError,
    Severity,
    bill_document,
    check_cdr,
    estimate,
    finding_document,
    lint_tariff,
    open_zone,
    price_cdr,
)
from modules.tariffs.questions import CheckQuestion, EstimateQuestion, LintQuestion, PriceQuestion
from modules.tariffs.verdicts import dispute_document
from ocpi.admin import document_answer
from ocpi.editing import Document
from ocpi.errors import InvalidParameters
from ocpi.request import Body

# Endpoints that reckon are no coroutines, so that they run in threads and hold nobody up.
router = APIRouter(tags=["prices"])


def _asks(model: type[BaseModel]) -> Document:
    """The body of a question, which is read by `Body` to keep its numbers exact."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


@contextmanager
def _answering() -> Iterator[None]:
    """Refuse with 400 what has no price."""
    try:
        yield
    except PricingError as error:
        raise InvalidParameters(f"{error} ({error.code})") from None


@router.post(
    "/cdrs/price",
    response_model=BillAnswer,
    summary="Price a session",
    openapi_extra=_asks(PriceQuestion),
)
def price(body: Body) -> Response:
    """The costs of a CDR's session, with everything that led to them."""
    asked = PriceQuestion.model_validate(body)
    with _answering():
        bill = price_cdr(
            asked.cdr, asked.tariffs, asked.time_zone, expired=asked.reservation_expired
        )
    return document_answer(bill_document(bill))


@router.post(
    "/cdrs/check",
    response_model=CheckAnswer,
    summary="Check what a CDR asks for",
    openapi_extra=_asks(CheckQuestion),
)
def check(body: Body) -> Response:
    """Each total against the tariffs and the CDR's own periods; a dispute is an answer, too."""
    asked = CheckQuestion.model_validate(body)
    with _answering():
        checked = check_cdr(
            asked.cdr, asked.tariffs, asked.time_zone, expired=asked.reservation_expired
        )
    return document_answer(dispute_document(asked.cdr, checked))


@router.post(
    "/tariffs/lint",
    response_model=LintAnswer,
    summary="Examine a Tariff",
    openapi_extra=_asks(LintQuestion),
)
def lint(body: Body) -> Response:
    """What is wrong with a Tariff or probably not meant, whether or not it is stored here."""
    asked = LintQuestion.model_validate(body)
    with _answering():
        if asked.time_zone:
            open_zone(asked.time_zone)
        findings = lint_tariff(asked.tariff, zone=asked.time_zone, now=datetime.now(UTC))
    errors = sum(each.severity == Severity.ERROR for each in findings)
    found = [finding_document(each) for each in findings]
    return document_answer({"errors": errors, "findings": found})


@router.post(
    "/tariffs/estimate",
    response_model=BillAnswer,
    summary="Estimate what a session would cost",
    openapi_extra=_asks(EstimateQuestion),
)
def estimate_session(body: Body) -> Response:
    """The price of a stay; what is left of it after charging at an even power is parking."""
    asked = EstimateQuestion.model_validate(body)
    with _answering():
        bill = estimate(
            asked.tariff,
            asked.start,
            asked.minutes,
            asked.kwh,
            asked.power,
            asked.time_zone,
            current=asked.current,
        )
    return document_answer(bill_document(bill))
