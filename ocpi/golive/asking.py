"""Asks a partner the questions of a check, one at a time, and writes down what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import quote, urlencode

from ocpi.client import Client, ExchangeFailed, Target
from ocpi.golive import specimens
from ocpi.golive.listchecks import FAR, FUTURE
from ocpi.golive.recording import MODELS, Asked, Recording
from ocpi.headers import Party, routing_headers
from ocpi.parties import VERSION
from ocpi.spec.document import encode
from ocpi.spec.moments import parse_moment

MOST_PAGES = 20
"""Of each list; what is behind is not read."""
_SINCE = "2015-01-01T00:00:00Z"
_LARGEST = 16 * 1024 * 1024
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Writes:
    """What the partner agreed that it is told for a test."""

    agreed: bool = False
    cdr: bool = False
    """Also a CDR, which cannot be taken back."""


NOTHING = Writes()


@dataclass
class Asker:
    """One pass over a partner's endpoints."""

    client: Client
    target: Target
    ours: Party
    theirs: Party | None
    record: Recording
    progress: Callable[[str], None]
    name: str = field(default_factory=lambda: f"ocpi-check-{token_hex(6)}")
    """Of objects that nobody has, and of test objects."""

    @property
    def _routing(self) -> dict[str, str]:
        return routing_headers(self.theirs, self.ours)

    async def ask(
        self,
        step: str,
        method: str,
        url: str,
        *,
        body: Any = None,
        target: Target | None = None,
        routed: bool = True,
        compare: str = "",
    ) -> Asked:
        """Ask one question and write the answer down."""
        self.progress(step)
        asked = Asked(step, method, url, step_value=compare)
        try:
            reply = await self.client.request(
                target or self.target,
                method,
                url,
                body=None if body is None else encode(body),
                headers=self._routing if routed else {},
                timeout=_TIMEOUT,
                limit=_LARGEST,
            )
            asked = replace(asked, reply=reply)
        except ExchangeFailed as failure:
            asked = replace(asked, failure=failure.sentence)
        self.record.asked.append(asked)
        return asked

    async def platform(self) -> None:
        """Versions, tokens and details; the rest goes on with the token form that is known."""
        url = self.record.versions_url
        other = replace(self.target, raw_token=not self.target.raw_token)
        usual = await self.ask("versions", "GET", url, routed=False)
        if usual.reply is None:
            return
        second = await self.ask("versions/other token form", "GET", url, target=other, routed=False)
        if not usual.ok:
            if not second.ok:
                return
            self.target, usual = other, second
        wrong = replace(self.target, token=token_urlsafe(24))
        await self.ask("versions/wrong token", "GET", url, target=wrong, routed=False)
        path, question, query = url.partition("?")
        slashed = path.rstrip("/") if path.endswith("/") else f"{path}/"
        await self.ask("versions/slash", "GET", f"{slashed}{question}{query}", routed=False)
        details = _details_url(usual)
        if details is None:
            return
        if not self.record.is_home(details):
            self.record.withheld = {("the version", "details"): details}
            return
        found = _endpoints(await self.ask("details", "GET", details, routed=False))
        may = {key for key, url in found.items() if self.record.is_home(url)}
        self.record.endpoints = {key: url for key, url in found.items() if key in may}
        self.record.withheld = {key: url for key, url in found.items() if key not in may}
        await self.ask("unknown path", "GET", f"{details.rstrip('/')}/{self.name}", routed=False)

    async def lists(self) -> None:
        """Every list that is offered: its pages, and how it takes parameters."""
        for module in MODELS:
            url = self.record.endpoints.get((module, "SENDER"))
            if url is not None:
                await self._list(module, url)
        sender = self.record.endpoints.get(("locations", "SENDER"))
        if sender is not None:
            await self.ask("locations/unknown", "GET", f"{sender.rstrip('/')}/{self.name}")

    async def _list(self, module: str, url: str) -> None:
        always = {"date_from": _SINCE} if module == "sessions" else {}
        newest = await self._crawl(module, url, always)
        for step, query in (
            ("limit", {**always, "limit": "1"}),
            ("beyond", {**always, "offset": str(FAR)}),
            ("future", {"date_from": FUTURE}),
            ("unreadable", {**always, "date_from": "yesterday"}),
        ):
            await self.ask(f"{module}/{step}", "GET", f"{url}?{urlencode(query)}")
        if newest is not None:
            since = f"{url}?{urlencode({'date_from': newest})}"
            await self.ask(f"{module}/since", "GET", since, compare=newest)

    async def _crawl(self, module: str, url: str, query: Mapping[str, str]) -> str | None:
        """Read pages, and give the newest `last_updated` on them."""
        self.progress(f"{module}/page")
        moments: list[str] = []
        number = 0
        try:
            pages = self.client.pages(
                self.target,
                url,
                params=query,
                headers=self._routing,
                timeout=_TIMEOUT,
                limit=_LARGEST,
            )
            async for reply in pages:
                number += 1
                self.record.asked.append(Asked(f"{module}/page/{number}", "GET", url, reply))
                if isinstance(reply.data, list):
                    moments += [each["last_updated"] for each in reply.data if _is_dated(each)]
                if number == MOST_PAGES:
                    break
        except ExchangeFailed as failure:
            step = f"{module}/crawl" if number else f"{module}/page/1"
            self.record.asked.append(Asked(step, "GET", url, failure=failure.sentence))
        return max(moments, key=parse_moment, default=None)

    async def receivers(self) -> None:
        """What receivers say to an object of ours that they cannot have."""
        for module in ("locations", "sessions", "tariffs", "tokens"):
            url = self._object_url(module)
            if url is not None:
                await self.ask(f"{module}/receiver/unknown", "GET", url)

    def _object_url(self, module: str) -> str | None:
        endpoint = self.record.endpoints.get((module, "RECEIVER"))
        if endpoint is None:
            return None
        codes = (self.ours.country_code, self.ours.party_id, self.name)
        return "/".join((endpoint.rstrip("/"), *(quote(code, safe="") for code in codes)))

    async def writes(self, wishes: Writes, moment: str) -> None:
        """Tell test objects, change them, read them back and withdraw them again."""
        self.record.wrote = True
        await self._write_location(moment)
        await self._write_tariff(moment)
        await self._write_session(moment)
        url = self.record.endpoints.get(("cdrs", "RECEIVER"))
        if wishes.cdr and url is not None and self.theirs is not None:
            cdr = specimens.cdr(self.ours, self.theirs, self.name, moment)
            await self.ask("write/cdrs/post", "POST", url, body=cdr)

    async def _write_location(self, moment: str) -> None:
        url = self._object_url("locations")
        if url is None:
            return
        step, evse = "write/locations", f"{url}/{self.name}"
        new = specimens.location(self.ours, self.name, moment, "INOPERATIVE")
        await self.ask(f"{step}/put", "PUT", url, body=new)
        change = {"status": "BLOCKED", "last_updated": moment}
        await self.ask(f"{step}/patch", "PATCH", evse, body=change)
        await self.ask(f"{step}/get", "GET", evse, compare="status=BLOCKED")
        gone = specimens.location(self.ours, self.name, moment, "REMOVED")
        await self.ask(f"{step}/withdraw", "PUT", url, body=gone)

    async def _write_tariff(self, moment: str) -> None:
        url = self._object_url("tariffs")
        if url is None:
            return
        step, new = "write/tariffs", specimens.tariff(self.ours, self.name, moment)
        await self.ask(f"{step}/put", "PUT", url, body=new)
        await self.ask(f"{step}/get", "GET", url, compare=f"id={self.name}")
        await self.ask(f"{step}/withdraw", "DELETE", url)
        await self.ask(f"{step}/gone", "GET", url)

    async def _write_session(self, moment: str) -> None:
        url = self._object_url("sessions")
        if url is None or self.theirs is None:
            return
        step, who = "write/sessions", (self.ours, self.theirs, self.name, moment)
        await self.ask(f"{step}/put", "PUT", url, body=specimens.session(*who, "PENDING"))
        change = {"status": "ACTIVE", "last_updated": moment}
        await self.ask(f"{step}/patch", "PATCH", url, body=change)
        await self.ask(f"{step}/get", "GET", url, compare="status=ACTIVE")
        gone = specimens.session(*who, "INVALID")
        await self.ask(f"{step}/withdraw", "PUT", url, body=gone)


def _details_url(versions: Asked) -> str | None:
    data = versions.reply.data if versions.reply is not None else None
    for each in data if isinstance(data, list) else ():
        if isinstance(each, dict) and each.get("version") == VERSION:
            url = each.get("url")
            return url if isinstance(url, str) else None
    return None


def _endpoints(details: Asked) -> dict[tuple[str, str], str]:
    data = details.reply.data if details.ok and details.reply is not None else None
    found = {}
    for each in data.get("endpoints") or () if isinstance(data, dict) else ():
        names = [each.get(name) for name in ("identifier", "role", "url")]
        if all(isinstance(name, str) for name in names):
            found[names[0], names[1]] = names[2]
    return found


def _is_dated(document: Any) -> bool:
    try:
        parse_moment(document["last_updated"])
    except (ValueError, TypeError, KeyError):
        return False
    return True
