"""What every answer of the console has, whatever has gone wrong."""

import re
from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest
from structlog.testing import capture_logs

import ocpi.console.overview
from ocpi.app import create_app
from ocpi.catalogue import mounted
from ocpi.console.files import FOLDER
from ocpi.console.frame import HEADERS
from tests.house import Service, calling, context_of, settings_of
from tests.ocpi.console.desk import Desk, paths

FILES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file())


def assert_guarded(answer: httpx.Response) -> None:
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", sorted(set(paths("GET")) - {"/console/events"}))
async def test_pages_are_guarded_and_kept_by_no_browser(viewer: Desk, path: str) -> None:
    answer = await viewer.browser.get(path)
    assert_guarded(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert "style=" not in answer.text
    assert not re.search(r"<script(?! src=\"/console/static/)|\son\w+=", answer.text)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/console/nowhere", 404),
        ("GET", "/console/static/nothing.js", 404),
        ("GET", "/console/static/../app.py", 404),
        ("GET", "/console/static/%2e%2e/app.py", 404),
        ("DELETE", "/console", 405),
        ("POST", "/console/static/console.js", 405),
        ("GET", "/console/static", 404),
        ("POST", "/console/sign-out", 403),
    ],
)
async def test_errors_are_pages_in_words_and_guarded(
    viewer: Desk, method: str, path: str, status: int
) -> None:
    answer = await viewer.browser.request(method, path)
    assert answer.status_code == status, answer.text
    assert_guarded(answer)
    assert HTTPStatus(status).phrase in answer.text or 'role="alert"' in answer.text
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_slash_too_many_leads_to_the_same_page(viewer: Desk) -> None:
    assert (await viewer.browser.get("/console/partners/")).status_code == 200
    assert (await viewer.browser.get("/console/")).status_code == 200


async def test_a_crash_is_a_page_and_is_logged(
    viewer: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_given: object, **_values: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(ocpi.console.overview, "page", crash)
    with capture_logs() as logs:
        answer = await viewer.browser.get("/console")
    assert answer.status_code == 500
    assert "An unexpected failure; it is logged." in answer.text
    assert "secret" not in answer.text
    assert_guarded(answer)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["crash"]


@pytest.fixture
async def abandoned() -> AsyncIterator[httpx.AsyncClient]:
    """Give a browser with a cookie, whose service has lost its database."""
    away = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
    context = mounted(context_of(settings_of(away)))
    async with calling(create_app(context, worker=False), {"Cookie": "ocpi_console=x"}) as browser:
        yield browser
    await context.close()


@pytest.mark.parametrize("path", [*paths("GET"), "/console/sign-in"])
async def test_without_the_database_every_page_says_so(
    abandoned: httpx.AsyncClient, path: str
) -> None:
    answer = await abandoned.get(path)
    assert answer.status_code == 503
    assert "The database does not answer. Try again in a moment." in answer.text
    assert_guarded(answer)


async def test_without_the_database_nobody_signs_in_and_is_told_why(
    abandoned: httpx.AsyncClient,
) -> None:
    answer = await abandoned.post("/console/sign-in", data={"name": "anna", "password": "x"})
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text


@pytest.mark.parametrize("name", FILES)
async def test_files_are_kept_as_long_as_they_are_the_same(service: Service, name: str) -> None:
    asked = f"/console/static/{name}"
    plain = await service.stranger.get(asked)
    assert plain.status_code == 200
    assert_guarded(plain)
    assert plain.headers["cache-control"] == "no-cache"
    again = await service.stranger.get(asked, headers={"If-None-Match": plain.headers["etag"]})
    assert again.status_code == 304
    assert_guarded(again)


async def test_every_file_of_a_page_is_there_and_kept_for_good(service: Service) -> None:
    page = await service.stranger.get("/console/sign-in")
    found = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page.text)
    assert len(found) >= 6
    for url in found:
        file = await service.stranger.get(url.replace("&amp;", "&"))
        assert file.status_code == 200
        assert file.headers["cache-control"] == "private, max-age=31536000, immutable", url


async def test_what_another_version_asks_for_is_not_kept(service: Service) -> None:
    answer = await service.stranger.get("/console/static/console.js?v=other")
    assert answer.headers["cache-control"] == "no-cache"


async def test_nothing_comes_from_another_site() -> None:
    templates = FOLDER.parent / "templates"
    for path in sorted(templates.rglob("*.html")):
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', path.read_text()), path.name
    assert set(HEADERS) >= {"Content-Security-Policy", "Cache-Control"}


async def test_what_staff_do_is_logged_with_their_name_and_without_secrets(viewer: Desk) -> None:
    with capture_logs() as logs:
        await viewer.post("/console/me/password", old="wrong-password", new="correct horse battery")
    line = next(each for each in logs if each["event"] == "console")
    assert (line["who"], line["method"], line["path"], line["http"]) == (
        "anna",
        "POST",
        "/console/me/password",
        400,
    )
    assert "wrong-password" not in str(logs)
    assert viewer.csrf not in str(logs)
