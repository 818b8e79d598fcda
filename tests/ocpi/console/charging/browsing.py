"""What stands in for a browser: it asks for pages, and sends the forms that it finds there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape

import httpx

from ocpi.console.access import COOKIE
from ocpi.console.staff import SIGN_IN_LASTS, Role, Staff, StaffSignIn
from ocpi.database import Database, clock
from tests.house import Service, calling


@dataclass(frozen=True)
class Browser:
    """Somebody at their browser."""

    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def signed_in(cls, service: Service, role: str) -> AsyncIterator[Browser]:
        """Sign in somebody new who has a role, and is named by it."""
        cookie = f"cookie-of-the-{role}"
        hashed = hashlib.sha256(cookie.encode()).hexdigest()
        async with service.database.write() as db:
            now = await clock(db)
            # Hashing passwords is slow by design, and not what the pages are about.
            db.add(Staff(name=role, role=Role[role.upper()], password="", created_at=now))
            await db.flush()
            db.add(StaffSignIn(cookie_hash=hashed, name=role, expires_at=now + SIGN_IN_LASTS))
        async with calling(service.app, {}) as http:
            http.cookies.set(COOKIE, cookie)
            yield cls(http)

    async def page(self, path: str, status: int = 200) -> str:
        """Give a page's HTML."""
        answer = await self.http.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return answer.text

    async def text(self, path: str, status: int = 200) -> str:
        """Give what a page says, without its markup and the white space between."""
        return said(await self.page(path, status))

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form with the csrf token of a page of one's own."""
        token = re.search(r'name="csrf" value="([^"]+)"', await self.page("/console/me"))
        assert token is not None
        return await self.http.post(path, data={"csrf": token[1], **fields})


@dataclass(frozen=True)
class Console:
    """The service, and who sits at the console."""

    service: Service
    viewer: Browser
    operator: Browser
    admin: Browser

    @property
    def database(self) -> Database:
        return self.service.database


def said(page: str) -> str:
    """Give the words of a page."""
    main = page[page.index("<main") :]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())
