"""Negotiated prices: wherever others get one Tariff of ours, a partner gets another.

What a mapping changes for its partner is dated no earlier than the mapping, so that who asks by
`date_from` gets it. A date must not go back, so it keeps that date when the mapping is removed:
mappings that have ended are kept for their dates alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from ocpi.spec.moments import format_moment, moment_of, parse_moment


class TariffMapping(BaseModel):
    """One Tariff of a party of ours, and which one of the same party stands in for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    country_code: str
    party_id: str
    tariff_id: str
    instead: str
    """The id of the Tariff that the partner gets."""
    since: int
    """When it was set, or, once it has ended, when that was: microseconds of whole milliseconds."""
    ended: bool = False

    @property
    def owner(self) -> str:
        """The key of the party whose Tariffs they are."""
        return f"{self.country_code}*{self.party_id}".lower()

    @property
    def replaced(self) -> str:
        """The key of the Tariff that the partner does not get."""
        return f"{self.owner}*{self.tariff_id.lower()}"

    @property
    def given(self) -> str:
        """The key of the Tariff that the partner gets."""
        return f"{self.owner}*{self.instead.lower()}"

    def __str__(self) -> str:
        """As staff read it."""
        return f"its mapping gives it {self.instead} instead of {self.tariff_id}"


@dataclass(frozen=True)
class Mappings:
    """The mappings of one partner."""

    every: tuple[TariffMapping, ...] = ()
    """Those that have ended among them."""

    def __bool__(self) -> bool:
        """Whether anything is shown differently, be it by its date only."""
        return bool(self.every)

    @cached_property
    def live(self) -> tuple[TariffMapping, ...]:
        """Those in force, oldest first."""
        return tuple(each for each in self.every if not each.ended)

    @cached_property
    def owners(self) -> frozenset[str]:
        """The keys of the parties whose Tariffs they speak of: nothing of others is changed."""
        return frozenset(each.owner for each in self.every)

    @cached_property
    def _live_by_tariff(self) -> Mapping[str, TariffMapping]:
        return {each.replaced: each for each in self.live}

    @cached_property
    def dates(self) -> Mapping[str, int]:
        """When what the partner gets of a Tariff changed last, by key, in microseconds."""
        dates: dict[str, int] = {}
        for each in self.every:
            for key in (each.replaced, each.given):
                dates[key] = max(each.since, dates.get(key, 0))
        return dates

    def of(self, key: str) -> TariffMapping | None:
        """The mapping in force of the Tariff with this key."""
        return self._live_by_tariff.get(key)

    def why(self, key: str) -> str | None:
        """What a mapping does to the Tariff with this key, as staff read it."""
        return next((str(each) for each in self.live if key in (each.replaced, each.given)), None)

    def ids(self, owner: str, ids: Sequence[str]) -> list[str]:
        """The ids of Tariffs of an owner that the partner gets for these: in order, each once."""
        swapped: dict[str, str] = {}
        for name in ids:
            mapping = self.of(f"{owner}*{name.lower()}")
            taken = name if mapping is None else mapping.instead
            swapped.setdefault(taken.lower(), taken)
        return list(swapped.values())

    def date(self, owner: str, ids: Iterable[str], stored: str) -> str:
        """The `last_updated` of what names these Tariffs of an owner: never an older one."""
        known = (self.dates.get(f"{owner}*{name.lower()}") for name in ids)
        since = max((each for each in known if each is not None), default=None)
        if since is None or moment_of(since) <= parse_moment(stored):
            return stored
        return format_moment(moment_of(since))

    def put(self, mapping: TariffMapping) -> "Mappings":
        """With a further mapping; one of the same Tariff ends at that moment."""
        ended = self.end(mapping.replaced, mapping.since)
        return Mappings((*_without(ended.every, mapping), mapping))

    def end(self, key: str, since: int) -> "Mappings":
        """Without the mapping of a Tariff, which has ended."""
        mapping = self.of(key)
        if mapping is None:
            return self
        over = mapping.model_copy(update={"ended": True, "since": since})
        return Mappings((*_without(self.every, mapping), over))


def _without(every: Iterable[TariffMapping], mapping: TariffMapping) -> Iterable[TariffMapping]:
    """The mappings of other pairs of Tariffs: the newest of each pair is enough."""
    pair = (mapping.replaced, mapping.given)
    return (each for each in every if (each.replaced, each.given) != pair)


NO_MAPPINGS = Mappings()
