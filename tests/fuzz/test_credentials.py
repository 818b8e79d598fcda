"""Whatever is done with credentials, in whatever order: who may come in is what a model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from credentials.partners import add_partner, reissue, remove, show_partner, suspend
from ocpi.headers import Party
from ocpi.parties import PlatformID
from tests.credentials.network import EMSP, House, Network, Puppet, credentials, open_house
from tests.fuzz.playing import Step, play

FOREIGN = ("EMSP", Party("FR", "OTH"))
TOKENS = st.integers(0, 7)
STEPS = st.one_of(
    st.tuples(st.just("use"), TOKENS),
    st.tuples(st.just("post"), TOKENS),
    st.tuples(st.just("put"), TOKENS),
    st.tuples(st.just("claim"), TOKENS),
    st.tuples(st.just("leave"), TOKENS),
    st.tuples(st.sampled_from(["reissue", "suspend", "resume", "remove"])),
)


@dataclass
class Token:
    text: str
    registration: bool
    used: bool


@dataclass
class Model:
    """What is so by the specification: tokens from oldest to newest, the dead ones apart."""

    alive: list[Token] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    suspended: bool = False

    def keep(self, kept: list[Token]) -> None:
        self.dead += [each.text for each in self.alive if each not in kept]
        self.alive = kept

    def named(self, number: int) -> Token | str:
        """Give a token that lives, one that is dead, or one that never was."""
        every: list[Token | str] = [*self.alive, *self.dead, "never-issued"]
        return every[number % len(every)]

    def presented(self, token: Token) -> None:
        """The first use of a token retires those that are older (AT-08)."""
        if not token.registration and not token.used:
            token.used = True
            self.keep(self.alive[self.alive.index(token) :])

    def issued(self, text: str, *, registration: bool = False) -> None:
        self.alive.append(Token(text, registration, used=False))


def test_credentials_let_in_who_holds_a_living_token_and_nobody_else() -> None:
    play(STEPS, _story)


async def _story(url: str, steps: Sequence[Step]) -> None:
    network = Network()
    network.hosts["emsp.test"] = Puppet()
    async with open_house(url, network) as house:
        model = Model()
        await _offer(house, model)
        for step in steps:
            await _step(house, model, step)
            await _check(house, model)


async def _offer(house: House, model: Model) -> None:
    offered = await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])
    model.issued(offered.token, registration=True)


async def _step(house: House, model: Model, step: Step) -> None:
    match step:
        case ("reissue",):
            model.keep([each for each in model.alive if not each.registration])
            model.issued((await reissue(house.context, "acme")).token, registration=True)
        case ("suspend" | "resume" as word,):
            model.suspended = word == "suspend"
            await suspend(house.context, "acme", suspended=model.suspended)
        case ("remove",):
            await remove(house.context, "acme", force=True)
            model.keep([])
            model.suspended = False
            await _offer(house, model)
        case (str() as word, int() as number):
            await _ask(house, model, word, model.named(number))


async def _ask(house: House, model: Model, word: str, token: Token | str) -> None:
    text = token if isinstance(token, str) else token.text
    body = credentials(roles=(FOREIGN,)) if word == "claim" else credentials()
    method = {"post": "POST", "put": "PUT", "claim": "PUT", "leave": "DELETE"}.get(word, "GET")
    if word == "use":
        answer = await house.request("GET", "/versions", text)
    else:
        answer = await house.credentials(method, text, None if word == "leave" else body)
    found = (answer.status_code, answer.json()["status_code"])
    if isinstance(token, str) or model.suspended:
        assert found == (401, 2000), (word, answer.text)
        return
    model.presented(token)
    if word == "use":
        assert found == (200, 1000)
    elif token.registration != (word == "post"):
        assert found == (405, 2000), (word, answer.text)
    elif word == "claim":
        assert found == (200, 2001), answer.text
    elif word == "leave":
        assert found == (200, 1000)
        model.keep([])
    else:
        assert found == (200, 1000), answer.text
        if word == "post":
            model.keep([each for each in model.alive if each.registration or each.used])
        model.issued(answer.json()["data"]["token"])


async def _check(house: House, model: Model) -> None:
    """Dead tokens open nothing, living ones are those of the model, and roles stay as agreed."""
    for text in model.dead[-3:]:
        assert (await house.request("GET", "/versions", text)).status_code == 401
    stored = await house.tokens()
    assert len(stored) == len(model.alive)
    assert sum(not each.registration and each.used_at is not None for each in stored) <= 1
    for token in model.alive:
        if token.registration or token.used:
            status = (await house.request("GET", "/versions", token.text)).status_code
            assert status == (401 if model.suspended else 200)
    view = await show_partner(house.context, "acme")
    assert [(each.role, each.country_code, each.party_id) for each in view.roles] == [
        ("EMSP", "DE", "MSP")
    ]
