"""Hostile text in every part of every request: a proper answer, and nothing is the worse for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlmodel import SQLModel

import ocpi
from modules.locations.store import LocationRow, locations
from ocpi.headers import Party
from ocpi.spec.document import encode
from ocpi.spec.locations import Location
from ocpi.spec.reading import dump, read, read_patch
from ocpi.testing import samples
from tests.house import envelope_of
from tests.ocpi.hub.test_matrix import NAMES, ROWS, UNADDRESSED
from tests.ocpi.hub.town import CPO1, Town, open_town

HOSTILE = (
    "' OR '1'='1",
    "'; DROP TABLE partner; --",
    '" OR ""="',
    "1) UNION SELECT token_out FROM partner --",
    "x' AND 1=(SELECT COUNT(*) FROM sqlite_master) --",
    "$1; SELECT pg_sleep(10)",
    "%' ESCAPE '!",
    ":owner_0",
    "{0}%s%n",
    "\x00",
    "\ud800",
    "\u202e\x1b[2J",
    "../../admin/partners",
    "NaN",
    "1e999",
    "9" * 400,
    "__proto__",
    "<script>alert(1)</script>",
)
EVERY_ROUTE = [*ROWS.items(), *UNADDRESSED.items()]


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        await opened.cpo1.send("PUT", "receiver/locations/BE/BEC/X1", _location("X1"))
        yield opened


def _location(identifier: str, **over: Any) -> dict[str, Any]:
    return samples.location(country_code="BE", party_id="BEC", id=identifier, **over)


def poisoned(document: Any, text: str) -> Any:
    """Give the document with this text in place of every text but the owner's codes."""
    if isinstance(document, dict):
        return {
            key: each if key in ("country_code", "party_id") else poisoned(each, text)
            for key, each in document.items()
        } | {text: text}
    if isinstance(document, list):
        return [poisoned(each, text) for each in document]
    return text if isinstance(document, str) else document


async def rows(town: Town) -> dict[str, int]:
    """Give how many rows those tables have that no partner's objects are in."""
    kept = ("partner", "partner_role", "our_party", "issued_token", "partner_endpoint", "agreement")
    counts = {}
    async with town.context.database.read() as db:
        for name in kept:
            table = SQLModel.metadata.tables[name]
            counts[name] = (await db.exec(select(func.count()).select_from(table))).scalar_one()  # type: ignore[call-overload]
    return counts


QUERIED = ("offset", "limit", "date_from", "date_to", "type", "response_url", "duration")
OWNER = {"country_code": "BE", "party_id": "BEC"}


def requests_with(text: str, path: str, body: Any) -> Iterator[tuple[str, bytes | None]]:
    """Give URLs that have the text in their path or in their query, each with the body."""
    segment = quote(text.encode("utf-8", "surrogatepass"), safe="")
    content = None
    if body is not None:
        spelled = b"\\ud800" if text == "\ud800" else encode(text)[1:-1].encode()
        content = encode(poisoned(body, "@HOSTILE@")).encode().replace(b"@HOSTILE@", spelled)
    yield path.format(**dict.fromkeys(NAMES, segment) | OWNER), content
    query = "&".join(f"{name}={segment}" for name in QUERIED)
    yield f"{path.format(**NAMES, **OWNER)}?{query}", content


@pytest.mark.threat("TA-19", "TA-20")
async def test_no_text_anywhere_in_a_request_does_harm(town: Town) -> None:
    before = await rows(town)
    for (method, path), make in EVERY_ROUTE:
        # Who has left cannot go on.
        if (method, path) == ("DELETE", "credentials"):
            continue
        for text in HOSTILE:
            for url, content in requests_with(text, path, make(CPO1.party)):
                answer = await town.cpo1.send(method, url, content)
                assert answer.status_code < 500, (method, url, text, answer.text)
                envelope_of(answer)
    assert await rows(town) == before
    for module in ("locations", "tariffs", "sessions", "cdrs", "tokens"):
        url = f"sender/{module}?date_from=2020-01-01T00:00:00Z"
        for reader in (town.cpo1, town.emsp1):
            envelope_of(await reader.send("GET", url))


def test_statements_are_never_put_together_from_text() -> None:
    """What a linter cannot see: `text(` with anything but a literal."""
    root = Path(ocpi.__file__).parents[1]
    for package in ("ocpi", "credentials", "modules"):
        for file in (root / package).rglob("*.py"):
            if "migrations" not in file.parts:
                source = file.read_text(encoding="utf-8")
                for word in ("text(f", 'text("".join', ".exec_driver_sql(f"):
                    assert f" {word}" not in source, file
                    assert f"({word}" not in source, file


INTERNAL = ("position", "key", "owner", "last_updated", "body", "absent_since", "id")
ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=5))


@pytest.mark.threat("TA-21")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(extra=st.dictionaries(st.sampled_from([*INTERNAL, "country_code", "party_id"]), ANYTHING))
def test_no_patch_changes_whose_object_it_is(extra: dict[str, Any]) -> None:
    stored = dump_of(_location("X1"))
    try:
        changes = read_patch(Location, {**extra, "last_updated": "2031-01-01T00:00:00Z"})
    except ValueError:
        return
    merged = locations.merged(stored, changes)
    columns = locations.columns(merged)
    assert not set(columns) & {"position", "key", "owner", "body", "last_updated"}
    same = all(
        str(merged[name]).lower() == str(stored[name]).lower()
        for name in ("id", "country_code", "party_id")
    )
    try:
        locations.require_same(Party("BE", "BEC"), "X1", merged)
    except Exception:  # noqa: BLE001 - refused, in whatever way.
        assert not same
    else:
        assert same


def dump_of(document: dict[str, Any]) -> dict[str, Any]:
    return dump(read(Location, document))


@pytest.mark.threat("TA-21")
async def test_columns_of_ours_are_not_set_by_members_of_their_names(town: Town) -> None:
    at = "receiver/locations/BE/BEC/X1"
    change = {
        **dict.fromkeys(("position", "key", "body", "absent_since", "audience"), "fr*frc*other"),
        # This one is a field of OCPI's, and the name of a column.
        "owner": {"name": "fr*frc"},
        "last_updated": "2031-01-01T00:00:00Z",
    }
    answer = await town.cpo1.send("PATCH", at, change, to=Party("NL", "HUB"))
    assert envelope_of(answer)["status_code"] == 1000
    async with town.context.database.read() as db:
        [row] = (await db.exec(select(LocationRow))).scalars().all()  # type: ignore[call-overload]
    assert (row.owner, row.key) == ("be*bec", "be*bec*x1")
    assert (row.absent_since, CPO1.party.key) == (None, "be*bec")
