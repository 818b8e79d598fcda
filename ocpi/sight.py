"""What a partner may see of Locations and Tariffs: rules of ours, as SQL and as plain judgement.

A rule shows or hides the objects that meet all of its conditions. Where rules of a module show
something, only that is seen; what a rule hides is not seen, whatever another one shows. Lists make
SQL of the rules, so that pages and counts need no parsing; the push asks `admits`. Both are tested
to agree. Of Tariffs, a partner's mappings come before its rules: see `ocpi.mappings`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from iso3166 import countries
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy import ColumnElement, Table, and_, bindparam, literal, not_, or_

from ocpi.mappings import NO_MAPPINGS, Mappings, TariffMapping
from ocpi.spec.document import decode

RULED = ("locations", "tariffs")
"""The modules that rules speak of."""
_TEXTS = ("id", "country", "tag", "group")


@dataclass(frozen=True)
class Facts:
    """What rules look at in an object; a Tariff has no more than its key."""

    key: str
    """Owner and id in lower case, see `ocpi.store.object_key`."""
    owner: str
    country: str = ""
    """Alpha-3, in lower case."""
    publish: bool = True
    tags: str = "|"
    """Our own words for it, in lower case, as `listed` writes them."""
    allowed_groups: str = "|"
    """The groups in `publish_allowed_to`, in lower case, as `listed` writes them."""


def listed(words: Iterable[str]) -> str:
    """Words as a column holds them: `|fast|paris|`, each once, in lower case."""
    return "|".join(["", *sorted({word.lower() for word in words}), ""])


def read_facts(names: Sequence[str], row: Sequence[Any]) -> Facts:
    """Facts as they come from the columns with these names."""
    values = dict(zip(names, row, strict=True))
    if "publish" in values:
        values["publish"] = bool(values["publish"])
    return Facts(**values)


class SightRule(BaseModel):
    """What one rule shows or hides: the objects that meet all conditions given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(0, description="By which it is removed.", examples=[1])
    module: Literal["locations", "tariffs"]
    hide: bool = Field(False, description="Hide these objects; else only such are shown.")
    id: str | None = Field(None, min_length=1, max_length=36, examples=["LOC1"])
    country: str | None = Field(
        None, description="Location.country, in two or three letters.", examples=["FRA"]
    )
    tag: str | None = Field(
        None, pattern=r"^[^|\s]{1,36}$", description="One of our own tags.", examples=["fleet"]
    )
    group: str | None = Field(
        None,
        pattern=r"^[^|]{1,36}$",
        description="A group_id in `publish_allowed_to`.",
    )
    publish: bool | None = Field(None, description="Whether it may be shown to everybody (LO-16).")

    @field_validator("country")
    @classmethod
    def _alpha3(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return str(countries.get(value).alpha3)
        except KeyError:
            raise ValueError(f"{value[:10]!r} is no country of ISO 3166, such as FR") from None

    @model_validator(mode="after")
    def _of_locations(self) -> "SightRule":
        others = [name for name in ("country", "tag", "group", "publish") if self.has(name)]
        if self.module == "tariffs" and others:
            raise ValueError(f"{others[0]}: is no condition for Tariffs, which have an id only")
        return self

    def has(self, condition: str) -> bool:
        """Whether a condition is given."""
        return getattr(self, condition) is not None

    def meets(self, facts: Facts) -> bool:
        """Whether an object meets all conditions."""
        given = self.texts
        return (
            ("id" not in given or facts.key == f"{facts.owner}*{given['id']}")
            and ("country" not in given or facts.country == given["country"])
            and ("tag" not in given or f"|{given['tag']}|" in facts.tags)
            and ("group" not in given or f"|{given['group']}|" in facts.allowed_groups)
            and self.publish in (None, facts.publish)
        )

    @property
    def texts(self) -> Mapping[str, str]:
        """The conditions that are texts, in lower case."""
        return {name: getattr(self, name).lower() for name in _TEXTS if self.has(name)}

    def __str__(self) -> str:
        """As staff read it."""
        given = [f"{name} {getattr(self, name)}" for name in _TEXTS if self.has(name)]
        given += [] if self.publish is None else [f"publish {str(self.publish).lower()}"]
        kind = "hides" if self.hide else "shows only"
        return f"rule {self.number} {kind} {self.module} with {', '.join(given) or 'any id'}"


@dataclass(frozen=True)
class Sight:
    """The rules and mappings of one partner."""

    rules: tuple[SightRule, ...] = ()
    mappings: Mappings = NO_MAPPINGS

    @cached_property
    def _by_module(self) -> Mapping[str, "ModuleSight"]:
        return {
            module: ModuleSight(
                tuple(each for each in self.rules if each.module == module),
                self.mappings,
                self.mappings.live if module == "tariffs" else (),
            )
            for module in RULED
        }

    def of(self, module: str) -> "ModuleSight":
        """What it sees of one module."""
        return self._by_module.get(module, EVERYTHING)


@dataclass(frozen=True)
class ModuleSight:
    """The rules and mappings of one partner for one module."""

    rules: tuple[SightRule, ...] = ()
    mappings: Mappings = NO_MAPPINGS
    """By which what it sees is told differently."""
    swapped: tuple[TariffMapping, ...] = ()
    """Those that decide over the objects themselves, whatever the rules say."""

    def __bool__(self) -> bool:
        """Whether anything may be hidden."""
        return bool(self.rules or self.swapped)

    def admits(self, facts: Facts) -> bool:
        """Whether the partner may see an object."""
        return self.why_not(facts) is None

    def why_not(self, facts: Facts) -> str | None:
        """Why an object is hidden; None: it is not."""
        for mapping in self.swapped:
            if facts.key in (mapping.replaced, mapping.given):
                return str(mapping) if facts.key == mapping.replaced else None
        for rule in self.rules:
            if rule.hide and rule.meets(facts):
                return str(rule)
        shown = [rule for rule in self.rules if not rule.hide]
        if shown and not any(rule.meets(facts) for rule in shown):
            return f"no rule shows it ({'; '.join(str(rule) for rule in shown)})"
        return None

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """The values of the SQL conditions, by names that tell `conditions` what to build."""
        values: dict[str, Any] = {}
        for number, rule in enumerate(self.rules):
            prefix = f"rule_{number}_{'hide' if rule.hide else 'show'}"
            values[prefix] = True
            for name, text in rule.texts.items():
                values[f"{prefix}_{name}"] = _like(text) if name in ("tag", "group") else text
            if rule.publish is not None:
                values[f"{prefix}_{'published' if rule.publish else 'unpublished'}"] = True
        for number, mapping in enumerate(self.swapped):
            values[f"always_{number}"] = mapping.given
            values[f"never_{number}"] = mapping.replaced
        return values

    def redated(self, name: str, moment: int) -> Mapping[str, Any]:
        """The values of `naming` for what mappings date at a moment or later."""
        dates = self.mappings.dates.items()
        return named(name, (key for key, since in dates if since >= moment))


EVERYTHING = ModuleSight()
ALL = Sight()


def _like(word: str) -> str:
    escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%|{escaped}|%"


def conditions(table: Table, given: Sequence[str]) -> list[ColumnElement[bool]]:
    """The SQL conditions of rules and mappings among some parameters, see `ModuleSight.given`."""
    ruled = _rule_conditions(table, given)
    always = [table.c.key == bindparam(name) for name in given if name.startswith("always_")]
    if not always:
        return ruled
    never = [table.c.key != bindparam(name) for name in given if name.startswith("never_")]
    return [or_(*always, and_(*never, *ruled))]


def named(name: str, tariffs: Iterable[str]) -> Mapping[str, Any]:
    """The values of `naming` for Tariffs, by their keys."""
    return {f"{name}_{number}": _like(key) for number, key in enumerate(tariffs)}


def naming(table: Table, given: Sequence[str], name: str) -> list[ColumnElement[bool]]:
    """The SQL conditions of what is or names one of the Tariffs among some parameters."""
    columns = table.c
    keys = columns.tariffs if "tariffs" in columns else literal("|") + columns.key + literal("|")
    these = (each for each in given if each.startswith(f"{name}_"))
    return [keys.like(bindparam(each), escape="\\") for each in these]


def _rule_conditions(table: Table, given: Sequence[str]) -> list[ColumnElement[bool]]:
    rules: dict[str, list[ColumnElement[bool]]] = {}
    for name, prefix, condition in _split(given):
        met = rules.setdefault(prefix, [])
        if condition:
            met.append(_condition(table, name, condition))
    met_by = {prefix: and_(literal(True), *met) for prefix, met in rules.items()}
    shown = [met for prefix, met in met_by.items() if prefix.endswith("show")]
    hidden = [met for prefix, met in met_by.items() if prefix.endswith("hide")]
    return [*([or_(*shown)] if shown else []), *(not_(met) for met in hidden)]


def _split(given: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for name in given:
        if name.startswith("rule_"):
            number, kind, *condition = name.removeprefix("rule_").split("_")
            yield name, f"{number}_{kind}", "".join(condition)


def _condition(table: Table, name: str, condition: str) -> ColumnElement[bool]:
    columns = table.c
    match condition:
        case "id":
            return columns.key == columns.owner + literal("*") + bindparam(name)
        case "country":
            return columns.country == bindparam(name)
        case "tag":
            return columns.tags.like(bindparam(name), escape="\\")
        case "group":
            return columns.allowed_groups.like(bindparam(name), escape="\\")
    return columns.publish.is_(condition == "published")


@lru_cache(maxsize=4096)
def read_sight(rules: str | None, mappings: str | None = None) -> Sight:
    """The rules and mappings of a partner as its row holds them, as JSON texts."""
    listed_rules, listed_mappings = _read(rules), _read(mappings)
    if not listed_rules and not listed_mappings:
        return ALL
    return sight_from(listed_rules, listed_mappings)


def _read(stored: str | None) -> list[Any]:
    return (decode(stored) if stored else None) or []


def sight_from(rules: Iterable[Any], mappings: Iterable[Any]) -> Sight:
    """The rules and mappings of a partner as its row holds them."""
    return Sight(
        tuple(SightRule.model_validate(each) for each in rules),
        Mappings(tuple(TariffMapping.model_validate(each) for each in mappings)),
    )
