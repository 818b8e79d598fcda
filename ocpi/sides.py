"""The two sides of each module, and who hears what is meant for everybody."""

from collections.abc import Collection

# Of these modules the CPO has the RECEIVER interface: what eMSPs push, and what they want.
TOWARDS_CPO = frozenset({"tokens", "commands", "chargingprofiles"})
# What is meant for everybody may be broadcast (RT-26).
FOR_ALL = frozenset({"locations", "tariffs", "tokens"})

_TO_CPO = frozenset({"CPO", "HUB"})
_FROM_CPO = frozenset({"EMSP", "NSP", "NAP", "OTHER", "HUB"})


def is_cpo_side(module: str, interface: str) -> bool:
    """Whether an interface of a module is one that a CPO has."""
    return (module in TOWARDS_CPO) == (interface == "RECEIVER")


def hearers(module: str, owner_roles: Collection[str]) -> frozenset[str]:
    """The roles that hear what an owner broadcasts: those opposite to its own (RT-28, AT-38)."""
    of_cpo = module not in TOWARDS_CPO and "CPO" in owner_roles
    return _FROM_CPO if of_cpo else _TO_CPO
