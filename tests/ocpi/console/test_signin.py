"""Signing in and out by the pages, and the cookie."""

import re
from http.cookies import SimpleCookie

import pytest

from ocpi.console import staff
from ocpi.console.staff import Role, add_staff
from tests.house import Service, calling, open_service
from tests.ocpi.console.desk import COOKIE, Desk

SIGN_IN = "/console/sign-in"


async def cookies_of(service: Service, password: str, **fields: str) -> SimpleCookie:
    answer = await service.stranger.post(
        SIGN_IN, data={"name": "anna", "password": password, **fields}
    )
    assert answer.status_code == 303, answer.text
    cookies: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        cookies.load(header)
    return cookies


async def test_who_signs_in_comes_to_the_overview_and_out_again(service: Service) -> None:
    password = await add_staff(service.database, "anna", Role.VIEWER)
    browser = service.stranger
    answer = await browser.post(SIGN_IN, data={"name": " anna ", "password": password})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console")
    page = await browser.get("/console")
    assert page.status_code == 200
    token = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert token is not None
    left = await browser.post("/console/sign-out", data={"csrf": token[1]})
    assert (left.status_code, left.headers["location"]) == (303, SIGN_IN)
    assert COOKIE not in browser.cookies
    assert "You have signed out." in (await browser.get(SIGN_IN)).text
    assert "You have signed out." not in (await browser.get(SIGN_IN)).text
    assert (await browser.get("/console")).status_code == 303


async def test_a_cookie_that_was_signed_out_is_worth_nothing(
    service: Service, viewer: Desk
) -> None:
    assert (await viewer.post("/console/sign-out")).status_code == 303
    async with calling(service.app, {"Cookie": f"{COOKIE}={viewer.cookie}"}) as thief:
        assert (await thief.get("/console")).status_code == 303


@pytest.mark.parametrize(
    ("base_url", "secure"), [("https://cpo.example", True), ("http://127.0.0.1:8000", False)]
)
async def test_the_cookie_is_for_the_console_alone_and_for_tls_where_there_is_tls(
    sqlite_url: str, base_url: str, *, secure: bool
) -> None:
    async with open_service(sqlite_url, base_url=base_url) as service:
        password = await add_staff(service.database, "anna", Role.VIEWER)
        cookie = (await cookies_of(service, password))[COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/console", True, "lax")
    assert cookie["max-age"] == str(12 * 3600)
    assert bool(cookie["secure"]) is secure
    assert cookie["domain"] == ""


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/console/partners", "/console/partners"),
        ("/console/cdrs?from=2026-01-01&q=%C3%A4", "/console/cdrs?from=2026-01-01&q=%C3%A4"),
        ("/console?x=1", "/console?x=1"),
        ("/console", "/console"),
        ("", "/console"),
        ("https://evil.example", "/console"),
        ("https://evil.example/console", "/console"),
        ("//evil.example/console", "/console"),
        ("///evil.example/console", "/console"),
        ("/\\evil.example/console", "/console"),
        ("\\\\evil.example/console", "/console"),
        ("/\t/evil.example/console", "/console"),
        ("\t//evil.example", "/console"),
        (" //evil.example", "/console"),
        ("/console\\@evil.example", "/console"),
        ("/console@evil.example", "/console"),
        ("/console.evil.example", "/console"),
        ("/console/\r\nSet-Cookie: a=b", "/console"),
        ("/console/ä", "/console"),
        ("http:/console", "/console"),
        ("http:evil.example", "/console"),
        ("javascript:alert(1)//console", "/console"),
        ("data:text/html,/console", "/console"),
        ("http://[::1/console", "/console"),
        ("/ocpi/console", "/console"),
        ("console/partners", "/console"),
        ("/console/" + "x" * 3000, None),
    ],
)
async def test_who_signs_in_is_led_to_pages_of_the_console_only(
    service: Service, wanted: str, led_to: str | None
) -> None:
    password = await add_staff(service.database, "anna", Role.VIEWER)
    fields = {"name": "anna", "password": password, "next": wanted}
    answer = await service.stranger.post(SIGN_IN, data=fields)
    assert answer.headers.get("location") == led_to
    assert answer.status_code == (400 if led_to is None else 303)


async def test_strangers_are_led_back_to_the_page_that_they_wanted(service: Service) -> None:
    answer = await service.stranger.get("/console/partners?q=a%26b&x=1")
    assert answer.status_code == 303
    page = await service.stranger.get(answer.headers["location"])
    assert 'name="next" value="/console/partners?q=a%26b&amp;x=1"' in page.text


async def test_a_part_of_a_page_leads_the_whole_page_to_the_sign_in(service: Service) -> None:
    answer = await service.stranger.get("/console", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == f"{SIGN_IN}?next=/console"


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(service: Service) -> None:
    await add_staff(service.database, "anna", Role.VIEWER)
    answers = []
    for name in ("anna", "nobody"):
        for _ in range(8):
            fields = {"name": name, "password": "wrong", "next": "/console/partners"}
            answer = await service.stranger.post(SIGN_IN, data=fields)
            assert "set-cookie" not in answer.headers
            answers.append((answer.status_code, answer.text.replace(name, "NAME")))
    assert len(set(answers)) == 1
    assert answers[0][0] == 401
    assert "The name or the password is wrong" in answers[0][1]
    assert 'value="/console/partners"' in answers[0][1]


async def test_what_was_typed_is_no_markup(service: Service) -> None:
    fields = {"name": '"><script>x</script>', "password": "x", "next": '"><img src=x>'}
    answer = await service.stranger.post(SIGN_IN, data=fields)
    assert answer.status_code == 401
    assert "<script>x" not in answer.text
    assert "<img" not in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_no_other_site_signs_a_browser_in(service: Service, site: str) -> None:
    password = await add_staff(service.database, "anna", Role.VIEWER)
    answer = await service.stranger.post(
        SIGN_IN, data={"name": "anna", "password": password}, headers={"Sec-Fetch-Site": site}
    )
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_the_first_page_says_how_to_add_somebody_as_long_as_there_is_nobody(
    service: Service,
) -> None:
    assert "ocpi user add" in (await service.stranger.get(SIGN_IN)).text
    await add_staff(service.database, "anna", Role.VIEWER)
    assert "ocpi user add" not in (await service.stranger.get(SIGN_IN)).text


async def test_everybody_changes_their_own_password(service: Service, viewer: Desk) -> None:
    path, new = "/console/me/password", "correct horse battery"
    short = await viewer.post(path, old=viewer.password, new="short")
    assert (short.status_code, "at least 12" in short.text) == (400, True)
    wrong = await viewer.post(path, old="wrong", new=new)
    assert (wrong.status_code, "password is wrong" in wrong.text) == (400, True)
    changed = await viewer.post(path, old=viewer.password, new=new)
    assert (changed.status_code, changed.headers["location"]) == (303, SIGN_IN)
    assert (await viewer.browser.get("/console")).status_code == 303
    assert COOKIE in await cookies_of(service, new)


async def test_a_stranger_cannot_send_more_than_a_form(service: Service) -> None:
    answer = await service.stranger.post(SIGN_IN, data={"name": "x" * 2_000_000})
    assert answer.status_code == 413
    assert "larger than" in answer.text
    assert "Content-Security-Policy" in answer.headers


async def test_who_signs_in_where_too_many_do_is_told_when_to_try_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = await add_staff(service.database, "anna", Role.VIEWER)
    monkeypatch.setattr(staff, "MOST_TRIES", 0)
    answer = await service.stranger.post(SIGN_IN, data={"name": "anna", "password": password})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Many are signing in at this moment" in answer.text
