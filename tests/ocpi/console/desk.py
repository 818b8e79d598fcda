"""Staff at their browsers, as tests have them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.routing import Route

from ocpi.console.app import ROUTERS
from ocpi.console.staff import Role, add_staff, person_of, sign_in
from tests.house import Service, calling

COOKIE = "ocpi_console"


@dataclass(frozen=True)
class Desk:
    """A browser that somebody has signed in with."""

    name: str
    password: str
    cookie: str
    csrf: str
    browser: httpx.AsyncClient

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """Send a form as the console's own pages do."""
        return await self.browser.post(path, data={"csrf": self.csrf, **fields})


@asynccontextmanager
async def desk_of(
    service: Service, role: Role = Role.VIEWER, name: str = "anna"
) -> AsyncIterator[Desk]:
    """Somebody who was not there yet, signed in."""
    password = await add_staff(service.database, name, role)
    cookie = await sign_in(service.database, name, password)
    person = await person_of(service.database, cookie)
    assert person is not None
    async with calling(service.app, {"Cookie": f"{COOKIE}={cookie}"}) as browser:
        yield Desk(name, password, cookie, person.csrf, browser)


def paths(method: str) -> list[str]:
    """What of the console takes this method, but for signing in; `x` stands for what is named."""
    found = []
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            if method in (route.methods or ()):
                names = dict.fromkeys(route.param_convertors, "x")
                found.append("/console" + route.path.replace(":path", "").format(**names))
    return sorted(set(found))
