"""How hard the chaos is: a little of it in `make test`, all of it in `make chaos`."""

import os
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How often, and for how many seconds."""

    kills: int
    longest: float
    """Seconds after which no more are killed: on a slow machine they are fewer."""
    restarts: int
    lost: int
    """Changes that a failover loses."""
    freezes: int
    phase: float
    """Seconds of load without kills, from which delays are measured."""
    races: int
    longest_race: float
    rows: int
    """To number, by `writers` at once."""
    writers: int
    objects: int
    """Of a catalogue that a partner misses while it is away."""
    scarce: float
    """Seconds for which there is too little of something."""
    places: int
    """Locations of ten EVSEs each, of which a partner that is away misses ten changes each."""
    hangs: float
    """How often a partner that never answers in time does so: each time takes 20 s."""
    seed: int


WHOLE = bool(os.environ.get("CHAOS"))
SEED = int(os.environ.get("CHAOS_SEED", "4"))
SCALE = (
    Scale(
        kills=50,
        longest=200,
        restarts=5,
        lost=100,
        freezes=3,
        phase=15,
        races=5000,
        longest_race=100,
        rows=4000,
        writers=8,
        objects=300,
        scarce=60,
        places=500,
        hangs=0.03,
        seed=SEED,
    )
    if WHOLE
    else Scale(
        kills=1,
        longest=60,
        restarts=1,
        lost=40,
        freezes=1,
        phase=1,
        races=40,
        longest_race=60,
        rows=80,
        writers=4,
        objects=15,
        scarce=1,
        places=5,
        hangs=0,
        seed=SEED,
    )
)


def seeded(name: str) -> random.Random:
    """A source of chance for one test: the same seed gives the same choices."""
    return random.Random(f"{SCALE.seed} {name}")  # noqa: S311 - no secret
