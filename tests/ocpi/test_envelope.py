"""The envelope: what it holds, and that it is JSON whatever the message says."""

import sqlite3
import unicodedata

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.envelope import failure, ok, ok_page, unexpected, wrap
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.spec.document import decode
from ocpi.spec.moments import REGULAR


@pytest.mark.req("EN-01", "EN-02", "EN-05")
@pytest.mark.pitfall("IP-42")
def test_success_without_data_leaves_data_out() -> None:
    answer = ok()
    document = decode(bytes(answer.body))
    assert REGULAR.fullmatch(document.pop("timestamp"))
    assert document == {"status_code": 1000}
    assert (answer.status_code, answer.media_type) == (200, "application/json")


@pytest.mark.req("ST-05")
def test_what_was_created_is_told_by_http_201() -> None:
    assert (ok(created=True).status_code, ok(created=False).status_code) == (201, 200)


@pytest.mark.req("EN-03")
def test_data_is_the_text_as_it_stands() -> None:
    assert wrap([b'{"price":', b"0.10}"]).startswith(b'{"data":{"price":0.10},"status_code":1000,')


@pytest.mark.req("EN-03")
@pytest.mark.parametrize(("bodies", "data"), [([], []), ([b"{}"], [{}]), ([b"1", b"2"], [1, 2])])
def test_a_page_is_a_list(bodies: list[bytes], data: list[object]) -> None:
    answer = ok_page(bodies, {"X-Total-Count": "7"})
    assert decode(bytes(answer.body))["data"] == data
    assert answer.headers["x-total-count"] == "7"


@pytest.mark.req("EN-01", "EN-04")
@pytest.mark.pitfall("IP-43")
def test_a_failure_has_its_codes_and_its_sentence() -> None:
    answer = failure(UnknownLocation("There is no Location X."))
    document = decode(bytes(answer.body))
    del document["timestamp"]
    assert document == {"status_code": 2003, "status_message": "There is no Location X."}
    assert answer.status_code == 404


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_message_breaks_the_envelope(message: str) -> None:
    document = decode(bytes(failure(InvalidParameters(message)).body))
    told = "".join("\ufffd" if unicodedata.category(each) == "Cc" else each for each in message)
    assert document["status_message"] == (told or "A parameter or field is missing or invalid.")


@pytest.mark.parametrize(
    ("error", "http", "after"),
    [
        (asyncpg.DiskFullError("could not extend file"), 503, "5"),
        (sqlite3.OperationalError("database or disk is full"), 503, "5"),
        (ConnectionRefusedError(), 503, "5"),
        (MemoryError(), 503, "5"),
        (asyncpg.UniqueViolationError("duplicate key"), 500, None),
        (sqlite3.IntegrityError("NOT NULL constraint failed"), 500, None),
        (asyncpg.exceptions.InvalidTextRepresentationError("a"), 500, None),
        (RuntimeError(), 500, None),
    ],
)
def test_what_cannot_be_done_now_is_to_be_tried_again(
    error: Exception, http: int, after: str | None
) -> None:
    answer = unexpected(error)
    assert decode(bytes(answer.body))["status_code"] == 3000
    assert (answer.status_code, answer.headers.get("retry-after")) == (http, after)
