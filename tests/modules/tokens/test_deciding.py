"""The decision table, whole: what is known, what the eMSP said, and the partner's option."""

from itertools import product
from typing import Any

import pytest

from modules.tokens.deciding import Decision, Heard, Outcome, decide, settled
from ocpi.spec.cdrs import AuthMethod
from ocpi.spec.tokens import AllowedType
from ocpi.testing import samples

WHITELISTS = ("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER", "SOMETIMES")
TOLD = samples.token(contract_id="TOLD")
REFERENCE = "REFERENCE-1"


def token(whitelist: str, *, valid: bool) -> dict[str, Any]:
    return samples.token(whitelist=whitelist, valid=valid)


def outcome(heard: Heard, allowed: str = "") -> Outcome:
    if heard is not Heard.VERDICT:
        return Outcome(heard, "Why.")
    return Outcome(heard, "Why.", allowed, TOLD, REFERENCE)


def verdict(decision: Decision | None) -> tuple[str, str | None]:
    assert decision is not None
    return decision.allowed, decision.method


# What a stored Token comes to when nobody is asked; None: the eMSP is.
UNASKED = {
    ("ALWAYS", True): ("ALLOWED", "WHITELIST"),
    ("ALWAYS", False): ("BLOCKED", None),  # AT-63
    ("ALLOWED", True): ("ALLOWED", "WHITELIST"),
    ("ALLOWED", False): None,
    ("ALLOWED_OFFLINE", True): None,
    ("ALLOWED_OFFLINE", False): None,
    ("NEVER", True): None,
    ("NEVER", False): None,
    ("SOMETIMES", True): None,
    ("SOMETIMES", False): None,
}
COMMAND = {"token": TOLD, "authorization_reference": REFERENCE}


@pytest.mark.req("TK-14", "TK-15", "TK-16", "TK-17", "TK-18")
@pytest.mark.parametrize(("whitelist", "valid"), UNASKED)
def test_the_whitelist_tells_who_is_asked(whitelist: str, *, valid: bool) -> None:
    stored = token(whitelist, valid=valid)
    decision = settled(stored, None)
    assert (decision and verdict(decision)) == UNASKED[whitelist, valid]
    assert decision is None or decision.token == stored


@pytest.mark.req("CM-14", "CM-15", "CM-16", "CM-17", "TK-20")
@pytest.mark.parametrize("stored", [None, *(token(word, valid=valid) for word, valid in UNASKED)])
def test_after_a_command_nobody_is_asked_and_nothing_is_checked(
    stored: dict[str, Any] | None,
) -> None:
    decision = settled(stored, COMMAND)
    assert decision == Decision(
        "ALLOWED",
        "The eMSP has sent a command for this Token.",
        TOLD,
        AuthMethod.COMMAND,
        REFERENCE,
    )
    assert verdict(settled(stored, {"token": TOLD})) == ("ALLOWED", "COMMAND")


def test_an_unknown_token_without_a_command_is_not_settled() -> None:
    assert settled(None, None) is None


@pytest.mark.req("TK-16", "TK-17", "TK-18")
@pytest.mark.parametrize(
    ("whitelist", "valid", "allowed", "option"),
    list(product(WHITELISTS, (True, False), [*AllowedType, "CONCURRENT"], (True, False))),
)
def test_what_the_emsp_says_goes_before_what_is_stored(
    *, whitelist: str, valid: bool, allowed: str, option: bool
) -> None:
    told = outcome(Heard.VERDICT, allowed)
    decision = decide(token(whitelist, valid=valid), told, allows_unasked=option)
    method = "AUTH_REQUEST" if allowed == "ALLOWED" else None
    assert verdict(decision) == (allowed, method)
    assert (decision.token, decision.reference) == (TOLD, REFERENCE)
    assert decision.granted == (allowed == "ALLOWED")


# What an answer without a verdict comes to for a stored Token, whatever it is and may.
DENIED = {Heard.UNKNOWN: "UNKNOWN", Heard.NEEDS_MORE: "NOT_ALLOWED", Heard.UNUSABLE: "NOT_ALLOWED"}


@pytest.mark.parametrize(
    ("whitelist", "valid", "heard", "option"),
    list(product(WHITELISTS, (True, False), DENIED, (True, False))),
)
@pytest.mark.pitfall("IP-12")
def test_an_answer_without_a_verdict_is_a_no(
    *, whitelist: str, valid: bool, heard: Heard, option: bool
) -> None:
    decision = decide(token(whitelist, valid=valid), outcome(heard), allows_unasked=option)
    assert verdict(decision) == (DENIED[heard], None)


# What a stored Token comes to when the eMSP should be asked and cannot: by option.
UNREACHABLE = {
    ("ALLOWED", False): ("BLOCKED", "BLOCKED"),
    ("ALLOWED_OFFLINE", True): ("ALLOWED", "ALLOWED"),
    ("ALLOWED_OFFLINE", False): ("BLOCKED", "BLOCKED"),
    ("NEVER", True): ("NOT_ALLOWED", "ALLOWED"),
    ("NEVER", False): ("NOT_ALLOWED", "BLOCKED"),
    ("SOMETIMES", True): ("NOT_ALLOWED", "ALLOWED"),
    ("SOMETIMES", False): ("NOT_ALLOWED", "BLOCKED"),
}


@pytest.mark.req("TK-16", "TK-17")
@pytest.mark.parametrize(("whitelist", "valid"), UNREACHABLE)
def test_an_emsp_that_cannot_be_asked_leaves_it_to_the_whitelist(
    whitelist: str, *, valid: bool
) -> None:
    assert set(UNREACHABLE) == {key for key, decision in UNASKED.items() if decision is None}
    stored = token(whitelist, valid=valid)
    for option, allowed in zip((False, True), UNREACHABLE[whitelist, valid], strict=True):
        decision = decide(stored, outcome(Heard.UNREACHABLE), allows_unasked=option)
        method = "WHITELIST" if allowed == "ALLOWED" else None
        assert (option, *verdict(decision)) == (option, allowed, method)


@pytest.mark.req("TK-19")
@pytest.mark.parametrize("option", [False, True])
@pytest.mark.parametrize("heard", [each for each in Heard if each is not Heard.VERDICT])
def test_an_unknown_token_is_denied_unless_somebody_vouches_for_it(
    heard: Heard, *, option: bool
) -> None:
    assert verdict(decide(None, outcome(heard), allows_unasked=option)) == ("UNKNOWN", None)


@pytest.mark.req("TK-19")
@pytest.mark.parametrize("allowed", [*AllowedType, "CONCURRENT"])
def test_an_unknown_token_is_what_its_emsp_says(allowed: str) -> None:
    decision = decide(None, outcome(Heard.VERDICT, allowed))
    assert verdict(decision) == (allowed, "AUTH_REQUEST" if allowed == "ALLOWED" else None)
    assert decision.token == TOLD


def test_an_unknown_token_may_charge_unasked_where_the_option_says_so() -> None:
    presumed = Outcome(Heard.UNREACHABLE, "Why.", token=samples.token(whitelist="NEVER"))
    assert verdict(decide(None, presumed)) == ("UNKNOWN", None)
    assert verdict(decide(None, presumed, allows_unasked=True)) == ("ALLOWED", "WHITELIST")
