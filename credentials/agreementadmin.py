"""Agreements between parties of the hub in the admin API."""

from typing import Annotated

from fastapi import APIRouter, Query

from credentials.agreements import (
    ModuleName,
    PartyName,
    Rule,
    RuleView,
    forget_rule,
    list_rules,
    set_rule,
)
from ocpi.agreements import ANY
from ocpi.request import Here

router = APIRouter(prefix="/agreements", tags=["hub"])


@router.get("", summary="Who may talk to whom")
async def list_all(here: Here) -> list[RuleView]:
    """Every rule; where none speaks of two parties, OCPI_HUB_AGREEMENTS does."""
    return await list_rules(here)


@router.put("", summary="Allow or deny")
async def put(here: Here, rule: Rule) -> RuleView:
    """The rule that names more parties wins, then the one that names the module, then a denial."""
    return await set_rule(here, rule)


@router.delete("", summary="Take a rule back", status_code=204)
async def delete(
    here: Here,
    from_party: Annotated[PartyName, Query()],
    to_party: Annotated[PartyName, Query()],
    module: Annotated[ModuleName, Query()] = ANY,
) -> None:
    """What the rule said holds no longer."""
    await forget_rule(here, from_party, to_party, module)
