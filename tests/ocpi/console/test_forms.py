"""Every route of the console, as its routers list them: who gets in, and whose forms count."""

import httpx
import pytest
from fastapi.routing import APIRoute

from ocpi.console.app import ROUTERS
from ocpi.console.staff import Role
from tests.house import Service, open_service
from tests.ocpi.console.desk import Desk, desk_of, paths

# Everybody's own.
OWN = {"/console/sign-out", "/console/me/password"}


def test_there_are_routes_to_test() -> None:
    assert set(paths("POST")) >= OWN
    assert set(paths("GET")) >= {"/console", "/console/partners", "/console/me", "/console/events"}
    # What is changed by a GET could be changed by a link on another site.
    for method in ("PUT", "PATCH", "DELETE"):
        assert paths(method) == []


@pytest.mark.parametrize("path", paths("GET"))
async def test_a_stranger_who_looks_is_led_to_the_sign_in(service: Service, path: str) -> None:
    for cookie in ("", "ocpi_console=stolen"):
        answer = await service.stranger.get(path, headers={"Cookie": cookie})
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith("/console/sign-in?next=/console")


@pytest.mark.parametrize("path", paths("POST"))
async def test_a_stranger_who_acts_is_led_to_the_sign_in(service: Service, path: str) -> None:
    answer = await service.stranger.post(path, data={"csrf": "x"})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/console/sign-in?next=/console"


async def act(desk: Desk, path: str, token: str | None) -> httpx.Response:
    return await desk.browser.post(path, data={} if token is None else {"csrf": token})


@pytest.mark.threat("TA-25")
@pytest.mark.parametrize("path", paths("POST"))
async def test_a_form_of_another_site_does_nothing(service: Service, path: str) -> None:
    async with (
        desk_of(service, Role.ADMIN) as admin,
        desk_of(service, Role.ADMIN, "bert") as other,
    ):
        for token in (None, "", "x", "ä", other.csrf, admin.csrf[:-1], admin.cookie):
            answer = await act(admin, path, token)
            assert answer.status_code == 403, (token, answer.text)
            assert "This form has grown old" in answer.text
        assert (await admin.browser.get("/console/me")).status_code == 200


@pytest.mark.parametrize("path", sorted(set(paths("POST")) - OWN))
async def test_a_viewer_changes_nothing(viewer: Desk, path: str) -> None:
    answer = await viewer.post(path)
    assert answer.status_code == 403, answer.text
    assert "You are a viewer; it takes an " in answer.text
    assert f"ocpi user set {viewer.name} --role " in answer.text


async def test_the_token_may_come_in_a_header(viewer: Desk) -> None:
    answer = await viewer.browser.post("/console/sign-out", headers={"X-CSRF": viewer.csrf})
    assert answer.status_code == 303


async def test_the_sign_in_of_another_person_is_not_reached_by_a_cookie_of_ours(
    service: Service, viewer: Desk
) -> None:
    async with desk_of(service, Role.ADMIN, "bert") as other:
        assert "bert" in (await other.browser.get("/console/me")).text
        assert "bert" not in (await viewer.browser.get("/console/me")).text


async def test_no_field_of_a_form_brings_nul_to_a_database_that_cannot_take_it(
    postgres_url: str,
) -> None:
    async with open_service(postgres_url) as service, desk_of(service, Role.ADMIN) as desk:
        for path, fields in forms("Example eMSP"):
            answer = await desk.post(path, **dict.fromkeys(fields, "\0"))
            assert answer.status_code < 500, (path, answer.text)


def forms(partner: str) -> list[tuple[str, list[str]]]:
    """What takes a form, of this partner where it is of one, and the form's fields."""
    routes = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)]
    return [
        (
            f"/console{each.path_format}".format(
                **{**dict.fromkeys(each.param_convertors, "x"), "name": partner}
            ),
            [field.alias for field in each.dependant.body_params],
        )
        for each in routes
        if "POST" in (each.methods or ())
    ]
