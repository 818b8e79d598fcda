"""The two sides of each module: who owns its objects, who asks for what, and who hears of it."""

from collections.abc import Collection

# Of these modules the CPO has the RECEIVER interface: what eMSPs push, and what they want.
TOWARDS_CPO = frozenset({"tokens", "commands", "chargingprofiles"})
# What is meant for everybody may be broadcast (RT-26).
FOR_ALL = frozenset({"locations", "tariffs", "tokens"})

_TO_CPO = frozenset({"CPO", "HUB"})
_FROM_CPO = frozenset({"EMSP", "NSP", "NAP", "OTHER", "HUB"})

# All but a CPO may have drivers: OTHER is "seen as an eMSP type of role", an NSP is "like an eMSP",
# and OCPI says "read eMSP as SCSP".
OF_DRIVERS = ("EMSP", "NSP", "OTHER", "SCSP", "NAP", "HUB")
# The roles that may own a module's objects, its "Data owner" first; a NAP is sender of two modules,
# and a hub of all ("Typical OCPI implementations per Role").
_OWNERS = {
    "locations": ("CPO", "NAP", "HUB"),
    "tariffs": ("CPO", "NAP", "HUB"),
    "sessions": ("CPO", "HUB"),
    "cdrs": ("CPO", "HUB"),
    "tokens": OF_DRIVERS,
}
# What only those ask for who have drivers: their charging, what it costs, and what it does next.
_FOR_DRIVERS = frozenset(
    {
        ("sessions", "SENDER"),
        ("cdrs", "SENDER"),
        ("commands", "RECEIVER"),
        ("chargingprofiles", "RECEIVER"),
    }
)


def is_cpo_side(module: str, interface: str) -> bool:
    """Whether an interface of a module is one that a CPO has."""
    return (module in TOWARDS_CPO) == (interface == "RECEIVER")


def owners(module: str) -> tuple[str, ...]:
    """The roles that may own a module's objects: of a party's connections, the first one counts."""
    return _OWNERS.get(module, ())


def owning(module: str, roles: Collection[str]) -> str | None:
    """By which of its roles a party owns objects of a module; None: by none of them."""
    return next((role for role in owners(module) if role in roles), None)


def askers(module: str, interface: str) -> tuple[str, ...] | None:
    """The roles that may ask something of an interface; None: every role may."""
    return OF_DRIVERS if (module, interface) in _FOR_DRIVERS else None


def hearers(module: str, owner_roles: Collection[str]) -> frozenset[str]:
    """The roles that hear what an owner broadcasts: those opposite to its own (RT-28, AT-38)."""
    if owning(module, owner_roles) is None:
        return frozenset()
    return _TO_CPO if module in TOWARDS_CPO else _FROM_CPO
