"""The admin API's frame: its token, its limits, and its one form of error."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from structlog.testing import capture_logs

import ocpi.arrival
from ocpi.spec.document import encode
from tests.house import ADMIN_TOKEN, TOKEN, Service, calling, open_service, present

URL = "/admin/tariffs/NL/TNM/T1"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


def error_of(answer: httpx.Response) -> tuple[int, str]:
    document = answer.json()
    assert set(document) == {"error"}
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, document["error"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        ADMIN_TOKEN,
        f"Token {ADMIN_TOKEN}",
        f"Bearer {ADMIN_TOKEN}x",
        "Bearer ",
        "Bearer é",
    ],
)
@pytest.mark.threat("TA-25")
async def test_only_the_admin_token_opens_it(service: Service, value: str | None) -> None:
    headers = {} if value is None else {b"Authorization": value.encode("latin-1")}
    for path in (URL, "/admin/", "/admin/nowhere", "/admin//partners"):
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            answer = await service.stranger.request(method, path, headers=headers)
            assert error_of(answer)[0] == 401, (method, path)


@pytest.mark.threat("TA-05")
async def test_a_partners_token_does_not_open_it(service: Service) -> None:
    assert error_of(await service.stranger.get(URL, headers=present(TOKEN)))[0] == 401


@pytest.mark.threat("TA-32")
async def test_without_a_setting_it_is_off(sqlite_url: str) -> None:
    async with open_service(sqlite_url, admin_token=None) as service:
        for token in ("", "None", ADMIN_TOKEN):
            async with calling(service.app, {"Authorization": f"Bearer {token}"}) as client:
                status, sentence = error_of(await client.get(URL))
                assert (status, "OCPI_ADMIN_TOKEN" in sentence) == (401, True)


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_a_body_is_json_whatever_its_content_type_says(
    service: Service, kind: str | None
) -> None:
    """`curl -d` says that it is a form."""
    headers = {} if kind is None else {"Content-Type": kind}
    role = {"role": "EMSP", "country_code": "DE", "party_id": "OTH"}
    partner = {"name": "other", "roles": [role]}
    for path, body, status in (
        ("/admin/authorize", {"uid": "A"}, 200),
        ("/admin/partners", partner, 201),
    ):
        answer = await service.admin.post(path, content=encode(body), headers=headers)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("path", ["/admin/authorize", "/admin/partners", "/admin/cdrs"])
async def test_a_body_that_is_no_json_is_called_so(service: Service, path: str) -> None:
    status, sentence = error_of(await service.admin.post(path, content=b'{"uid": '))
    assert status == 400
    assert sentence.startswith("The body is not JSON: ")


BODIES: list[tuple[dict[str, Any], int]] = [
    ({"content": b""}, 400),
    ({"content": b"{"}, 400),
    ({"content": b"[]"}, 400),
    ({"content": b'"text"'}, 400),
    ({"content": b'{"a":1e999}'}, 400),
    ({"content": b"[" * 99_999}, 400),
    ({"content": b" " * (4 * 2**20 + 1)}, 413),
    ({"content": b"{}", "headers": {"Content-Encoding": "gzip"}}, 415),
]


@pytest.mark.parametrize(("how", "status"), BODIES, ids=range(len(BODIES)))
async def test_a_body_that_cannot_be_read_is_refused(
    service: Service, how: dict[str, Any], status: int
) -> None:
    assert error_of(await service.admin.put(URL, **how))[0] == status


@pytest.mark.pitfall("IP-22")
async def test_no_text_with_nul_comes_to_a_database_that_cannot_take_it(postgres_url: str) -> None:
    async with open_service(postgres_url) as service:
        for method, path, body in (
            ("PUT", "/admin/partners/other/tariffs/NL/TNM/T1", {"instead": "T\0"}),
            ("POST", "/admin/gdpr/erase", {"token": "\0"}),
            ("POST", "/admin/partners/other/rules", {"module": "locations", "tag": "\0"}),
            ("POST", "/admin/tokens/authorize", {"uid": "\0"}),
            ("PUT", URL, {"id": "\0"}),
        ):
            status, sentence = error_of(await service.admin.request(method, path, json=body))
            assert (status, "NUL" in sentence) == (400, True), (path, sentence)
        # A backslash before `u0000` is none.
        answer = await service.admin.post("/admin/gdpr/erase", json={"token": "\\u0000"})
        assert answer.json()["held"] == {}, answer.text


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b" " * 2**20


async def slow() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.01)


@pytest.mark.threat("TA-14")
async def test_a_body_without_end_is_cut_off(service: Service) -> None:
    assert error_of(await service.admin.put(URL, content=endless()))[0] == 413


async def test_the_token_is_judged_before_the_body_is_read(service: Service) -> None:
    assert error_of(await service.stranger.put(URL, content=endless()))[0] == 401


@pytest.mark.threat("TA-16")
async def test_a_slow_body_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocpi.arrival, "BODY_DEADLINE", 0.05)
    assert error_of(await service.admin.put(URL, content=slow()))[0] == 408


@pytest.mark.threat("TA-09")
async def test_a_crash_says_nothing_and_is_logged(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError("what nobody should see")

    monkeypatch.setattr("modules.tariffs.admin.delete_own", crash)
    with capture_logs() as lines:
        answer = await service.admin.delete(URL)
    assert error_of(answer) == (500, "An unexpected failure; it is logged.")
    assert [line["event"] for line in lines] == ["crash", "admin"]


async def test_what_the_database_cannot_do_now_is_to_be_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise asyncpg.DiskFullError("could not extend file")

    monkeypatch.setattr("modules.tariffs.admin.delete_own", fail)
    with capture_logs() as lines:
        answer = await service.admin.delete(URL)
    assert error_of(answer)[0] == 503
    assert answer.headers["retry-after"] == "5"
    # It is no defect of ours: no trace, and nothing that is counted.
    assert [line["event"] for line in lines] == ["not possible now", "admin"]
    assert "ocpi_crashes_total 0.0" in (await service.admin.get("/metrics")).text


async def test_slashes_more_or_less_change_nothing(service: Service) -> None:
    for form in (URL, f"{URL}/", f"{URL}//", f"/{URL}", URL.replace("/", "//")):
        answer = await service.admin.get(f"https://cpo.example{form}")
        assert error_of(answer) == (404, "There is no such object."), form


async def test_what_is_not_there_is_told_in_the_same_form(service: Service) -> None:
    assert error_of(await service.admin.get("/admin/nowhere")) == (404, "Not Found")
    assert error_of(await service.admin.post(URL)) == (405, "Method Not Allowed")


@pytest.mark.threat("TA-20")
@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/messages?{name}=%00"
            for name in ("partner", "object", "correlation", "module", "token")
        ),
        "/tokens?uid=%00",
    ],
)
async def test_a_query_with_nul_finds_nothing(postgres_url: str, path: str) -> None:
    async with open_service(postgres_url) as service:
        answer = await service.admin.get(f"/admin{path}")
        assert (answer.status_code, answer.json()) == (200, [])


async def test_an_offset_beyond_all_numbers_of_a_database_is_refused(sqlite_url: str) -> None:
    async with open_service(sqlite_url) as service:
        answer = await service.admin.get("/admin/tokens", params={"offset": 2**63})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("offset: ")
