"""The mock CPO takes Tokens, and asks whether they may charge."""

from __future__ import annotations

import pytest

from ocpi.testing import samples
from ocpi.testing.mock.state import State
from ocpi.testing.mock.wire import Answer, Document, Incoming, ok
from tests.ocpi.testing.pair import registered, violations

LATER = "2026-02-01T00:00:00Z"
PATH = "/DE/MSP/04A1B2C3D4E5F6"


async def test_a_token_is_taken_changed_and_read_back() -> None:
    cpo, emsp = await registered()
    token = samples.token()
    assert (await emsp.push_token(token)).http_status == 201
    assert (await emsp.push_token(token)).http_status == 200
    await emsp.patch_token(token, {"valid": False, "last_updated": LATER})
    shown = await emsp.ask("GET", "RECEIVER", "tokens", PATH)
    assert [shown.data] == cpo.documents("tokens") == emsp.documents("tokens")
    assert shown.data["valid"] is False
    assert violations(cpo, emsp) == []


async def test_tokens_of_one_uid_are_told_apart_by_their_type() -> None:
    cpo, emsp = await registered()
    card, app = samples.token(), samples.token(type="APP_USER")
    await emsp.push_token(card)
    await emsp.push_token(app)
    assert cpo.documents("tokens") == [card, app]
    shown = await emsp.ask("GET", "RECEIVER", "tokens", f"{PATH}?type=APP_USER")
    assert shown.data == app
    missing = await emsp.ask("GET", "RECEIVER", "tokens", f"{PATH}?type=OTHER")
    assert (missing.http_status, missing.status_code) == (404, 2004)
    wrong = await emsp.ask("PUT", "RECEIVER", "tokens", f"{PATH}?type=OTHER", body=card)
    assert wrong.status_code == 2001
    assert violations(cpo) == ["type is 'RFID' in the body and 'OTHER' in the URL"]


async def test_tokens_can_be_pulled() -> None:
    cpo, emsp = await registered()
    for number in range(150):
        emsp.issue_token(samples.token(uid=f"TOKEN-{number}"))
    assert await cpo.pull() == {"tokens": 150}
    assert cpo.objects["tokens"] == emsp.objects["tokens"]
    assert violations(cpo, emsp) == []


@pytest.mark.parametrize("references", [None, {"location_id": "LOC-1", "evse_uids": ["EVSE-1"]}])
async def test_who_may_charge_is_asked(references: Document | None) -> None:
    cpo, emsp = await registered()
    await cpo.put_location(samples.location())
    emsp.issue_token(samples.token(), "NO_CREDIT")
    emsp.issue_token(samples.token(type="APP_USER"))
    refused = await cpo.authorize("04A1B2C3D4E5F6", "RFID", references)
    assert refused.data["allowed"] == "NO_CREDIT"
    allowed = await cpo.authorize("04A1B2C3D4E5F6", "APP_USER", references)
    assert (allowed.data["allowed"], allowed.data.get("location")) == ("ALLOWED", references)
    unknown = await cpo.authorize("NOBODY")
    assert (unknown.http_status, unknown.status_code) == (404, 2004)
    assert violations(cpo, emsp) == []


async def test_an_answer_that_is_no_authorization_info_is_a_violation() -> None:
    cpo, emsp = await registered()

    async def answer(_state: State, _incoming: Incoming) -> Answer:
        return ok({"allowed": "ALLOWED"})

    emsp.interfaces = {**emsp.interfaces, ("sender", "tokens"): {("POST", 2): answer}}
    await cpo.authorize("ANY")
    [violation] = violations(cpo)
    assert violation.startswith("the AuthorizationInfo is not as OCPI has it: token")
