"""What answers mean, as one table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ocpi.client import ExchangeFailed
from ocpi.push.outcome import Doubt, Kind, judge
from ocpi.reply import Reply, asked_wait

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALL = ("PUT", "PATCH", "DELETE", "POST")


def reply(http: int, code: int | None, text: str = "?", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(http, code, text if code else None, None, named, text, 0.1)


# HTTP status, OCPI status, methods, kind.
TABLE: list[tuple[int, int | None, tuple[str, ...], Kind]] = [
    (200, 1000, ALL, Kind.DELIVERED),
    (201, 1000, ALL, Kind.DELIVERED),
    (200, 1999, ALL, Kind.DELIVERED),
    (200, 2000, ALL, Kind.OBJECT_FAULT),
    (200, 2001, ALL, Kind.OBJECT_FAULT),
    (200, 2003, ("PUT", "PATCH"), Kind.UNKNOWN_OBJECT),
    (200, 2003, ("POST",), Kind.OBJECT_FAULT),
    (200, 2003, ("DELETE",), Kind.DELIVERED),
    (200, 2004, ("PATCH",), Kind.UNKNOWN_OBJECT),
    (200, 3000, ALL, Kind.PARTNER_FAULT),
    (200, 3001, ALL, Kind.PARTNER_FAULT),
    (200, 4001, ALL, Kind.PARTNER_FAULT),
    (200, 4002, ALL, Kind.PARTNER_FAULT),
    (200, 0, ALL, Kind.PARTNER_FAULT),
    (200, 200, ALL, Kind.PARTNER_FAULT),
    (200, None, ALL, Kind.PARTNER_FAULT),
    (301, None, ALL, Kind.PARTNER_FAULT),
    (302, 1000, ALL, Kind.PARTNER_FAULT),
    (307, None, ALL, Kind.PARTNER_FAULT),
    (400, 2001, ALL, Kind.OBJECT_FAULT),
    (400, None, ALL, Kind.OBJECT_FAULT),
    (400, 3000, ALL, Kind.PARTNER_FAULT),
    (401, 2000, ALL, Kind.AUTH),
    (401, None, ALL, Kind.AUTH),
    (403, 2000, ALL, Kind.AUTH),
    (404, 2000, ("PUT", "PATCH"), Kind.UNKNOWN_OBJECT),
    (404, 2003, ("PUT", "PATCH"), Kind.UNKNOWN_OBJECT),
    (404, None, ("PUT", "PATCH"), Kind.UNKNOWN_OBJECT),
    (404, 2000, ("DELETE",), Kind.DELIVERED),
    (404, 2003, ("DELETE",), Kind.DELIVERED),
    (404, None, ("DELETE",), Kind.OBJECT_FAULT),
    (404, 2003, ("POST",), Kind.OBJECT_FAULT),
    (404, 4001, ALL, Kind.PARTNER_FAULT),
    (405, 2000, ALL, Kind.OBJECT_FAULT),
    (408, None, ALL, Kind.PARTNER_FAULT),
    (409, 2001, ALL, Kind.OBJECT_FAULT),
    (410, None, ALL, Kind.GONE),
    (410, 2003, ("PUT", "PATCH", "POST"), Kind.GONE),
    (410, 2003, ("DELETE",), Kind.DELIVERED),
    (413, None, ALL, Kind.OBJECT_FAULT),
    (415, None, ALL, Kind.OBJECT_FAULT),
    (422, None, ALL, Kind.OBJECT_FAULT),
    (425, None, ALL, Kind.PARTNER_FAULT),
    (429, 2000, ALL, Kind.THROTTLE),
    (429, None, ALL, Kind.THROTTLE),
    (500, None, ALL, Kind.PARTNER_FAULT),
    (500, 2001, ALL, Kind.PARTNER_FAULT),
    (501, None, ALL, Kind.OBJECT_FAULT),
    (502, None, ALL, Kind.PARTNER_FAULT),
    (503, 3000, ALL, Kind.PARTNER_FAULT),
    (504, None, ALL, Kind.PARTNER_FAULT),
]


@pytest.mark.parametrize(("http", "code", "methods", "kind"), TABLE)
@pytest.mark.pitfall("IP-06", "IP-07", "IP-37")
def test_an_answer_means(http: int, code: int | None, methods: tuple[str, ...], kind: Kind) -> None:
    assert {method: judge(method, reply(http, code), now=NOW).kind for method in methods} == (
        dict.fromkeys(methods, kind)
    )


@pytest.mark.parametrize(
    ("http", "code", "kind"),
    [
        (200, 2004, Kind.THROTTLE),
        (404, 2004, Kind.THROTTLE),
        (403, 2004, Kind.THROTTLE),
        (200, 2002, Kind.AUTH),
        (429, 2002, Kind.THROTTLE),
        (400, 2000, Kind.PARTNER_FAULT),
        (200, 2001, Kind.OBJECT_FAULT),
        (200, 1000, Kind.DELIVERED),
    ],
)
@pytest.mark.pitfall("IP-37")
def test_a_code_means_what_it_means_to_the_partner(http: int, code: int, kind: Kind) -> None:
    codes = {2004: Kind.THROTTLE, 2002: Kind.AUTH, 2000: Kind.PARTNER_FAULT}
    for method in ALL:
        outcome = judge(method, reply(http, code, retry_after="7"), now=NOW, codes=codes)
        assert outcome.kind is kind
        assert outcome.retry_after == (7 if kind is Kind.THROTTLE else None)
        assert outcome.doubtful is (kind is Kind.PARTNER_FAULT)


@pytest.mark.parametrize(
    ("method", "http", "kind", "doubtful"),
    [
        ("PUT", 200, Kind.DELIVERED, False),
        ("PATCH", 204, Kind.DELIVERED, False),
        ("DELETE", 204, Kind.DELIVERED, False),
        ("POST", 204, Kind.PARTNER_FAULT, True),
        ("POST", 201, Kind.PARTNER_FAULT, True),
    ],
)
@pytest.mark.pitfall("IP-06", "IP-42")
def test_an_empty_answer_is_success_but_no_proof_that_a_cdr_arrived(
    method: str, http: int, kind: Kind, *, doubtful: bool
) -> None:
    outcome = judge(method, reply(http, None, " \n"), now=NOW)
    assert (outcome.kind, outcome.doubtful) == (kind, doubtful)


@pytest.mark.parametrize("http", [200, 404, 500, 504])
@pytest.mark.parametrize(
    ("code", "doubtful"), [(3000, True), (4000, True), (4001, False), (4002, True), (4003, False)]
)
@pytest.mark.pitfall("IP-06")
def test_what_a_hub_could_not_carry_to_its_receiver_has_not_arrived(
    code: int, http: int, *, doubtful: bool
) -> None:
    outcome = judge("POST", reply(http, code), now=NOW)
    assert (outcome.kind, outcome.doubtful) == (Kind.PARTNER_FAULT, doubtful)


@pytest.mark.parametrize(
    ("failure", "doubtful"),
    [
        ("refused", False),
        ("dns", False),
        ("connect", False),
        ("tls", False),
        ("timeout", True),
        ("too_large", True),
        ("protocol", True),
    ],
)
def test_no_answer_is_the_partners_fault_and_may_have_arrived_once_connected(
    failure: str, *, doubtful: bool
) -> None:
    outcome = judge("POST", ExchangeFailed(failure, "why"), now=NOW)  # type: ignore[arg-type]
    assert (outcome.kind, outcome.sentence, outcome.doubtful) == (
        Kind.PARTNER_FAULT,
        "why",
        doubtful,
    )


def test_a_process_without_a_connection_left_pauses_and_blames_nobody() -> None:
    outcome = judge("POST", ExchangeFailed("exhausted", "why"), now=NOW)
    assert (outcome.kind, outcome.retry_after, outcome.doubtful) == (Kind.THROTTLE, 1.0, False)


@pytest.mark.parametrize(
    ("http", "code", "text", "doubt", "kind"),
    [
        (409, 2001, "?", Doubt.FAILED, Kind.DELIVERED),
        (409, 2001, "?", Doubt.OLD, Kind.OBJECT_FAULT),
        (409, 2001, "The Session of this CDR is still ACTIVE", Doubt.OLD, Kind.OBJECT_FAULT),
        (409, 2001, "?", Doubt.NONE, Kind.OBJECT_FAULT),
        (409, 2001, "CDR already exists", Doubt.OLD, Kind.DELIVERED),
        (200, 2001, "CDR already exists", Doubt.FAILED, Kind.DELIVERED),
        (200, 2001, "CDR already exists", Doubt.OLD, Kind.DELIVERED),
        (400, 2000, "duplicate CDR", Doubt.FAILED, Kind.DELIVERED),
        (200, 2001, "CDR already exists", Doubt.NONE, Kind.OBJECT_FAULT),
        (200, 2001, "The session does not exist", Doubt.FAILED, Kind.OBJECT_FAULT),
    ],
)
def test_a_cdr_that_exists_is_delivered_when_an_earlier_post_may_have_arrived(
    http: int, code: int, text: str, doubt: Doubt, kind: Kind
) -> None:
    assert judge("POST", reply(http, code, text), now=NOW, doubt=doubt).kind is kind


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        ("0", 1),
        ("1000000000", 3600),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 1),
        ("Fri, 02 Jan 2099 00:00:00 GMT", 3600),
        ("Fri, 02 Jan 2026 03:05:05 -0000", 60),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("", None),
    ],
)
@pytest.mark.pitfall("IP-38")
def test_retry_after_is_read_within_bounds(text: str, seconds: float | None) -> None:
    assert asked_wait(reply(429, None, retry_after=text), NOW) == seconds
    assert judge("PUT", reply(429, None, retry_after=text), now=NOW).retry_after == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Fri, 02 Jan 2026 04:04:05 GMT", 30),
        ("Fri, 02 Jan 2026 02:04:05 GMT", 3600),
        ("yesterday", 3600),
        ("", 3600),
    ],
)
@pytest.mark.pitfall("IP-38")
def test_until_when_to_wait_is_read_by_the_partners_own_clock(date: str, seconds: float) -> None:
    until = "Fri, 02 Jan 2026 04:04:35 GMT"
    assert asked_wait(reply(429, None, retry_after=until, date=date), NOW) == seconds
    assert asked_wait(reply(429, None, retry_after="7", date=date), NOW) == 7


@pytest.mark.pitfall("IP-38")
def test_what_a_503_asks_to_wait_for_may_have_arrived_behind_a_gateway() -> None:
    assert judge("POST", reply(503, None, retry_after="7"), now=NOW).doubtful
    assert not judge("POST", reply(429, None, retry_after="7"), now=NOW).doubtful


@pytest.mark.pitfall("IP-38")
def test_a_503_is_a_request_to_wait_only_when_it_says_how_long() -> None:
    asked = judge("PUT", reply(503, None, retry_after="7"), now=NOW)
    assert (asked.kind, asked.retry_after) == (Kind.THROTTLE, 7)
    assert judge("PUT", reply(503, None, retry_after="x"), now=NOW).kind is Kind.PARTNER_FAULT


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (reply(400, 2001, "bad\nid"), "HTTP 400, OCPI 2001: bad id"),
        (reply(200, None, "<html>"), "HTTP 200 without an OCPI envelope: <html>"),
        (reply(200, None, "\x00"), "HTTP 200 without an OCPI envelope"),
        (
            reply(302, None, "", location="/elsewhere"),
            "HTTP 302 without an OCPI envelope, a redirect to /elsewhere that is not followed",
        ),
        (
            reply(302, None, "", location="/" * 8000),
            f"HTTP 302 without an OCPI envelope, a redirect to {'/' * 300} that is not followed",
        ),
    ],
)
def test_the_sentence_tells_staff_what_the_partner_said(answer: Reply, sentence: str) -> None:
    assert judge("PUT", answer, now=NOW).sentence == sentence
