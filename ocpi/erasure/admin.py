"""The admin API of erasing a driver."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ocpi.erasure.erasing import erase
from ocpi.erasure.person import Person
from ocpi.request import Here

router = APIRouter(prefix="/gdpr", tags=["gdpr"])


class ErasureWish(BaseModel):
    """Who is to be erased: by the uid of a token, a contract id, or both."""

    token: str | None = Field(None, min_length=1, max_length=255, description="The whole uid.")
    contract: str | None = Field(None, min_length=1, max_length=255)
    dry_run: bool = Field(default=False, description="Only say what is held.")


class ErasureView(BaseModel):
    """What was found of a driver, and what became of it."""

    erased: bool
    held: dict[str, int] = Field(
        description="How many rows name the driver, by table.", examples=[{"session": 3, "cdr": 3}]
    )
    hindrances: list[str] = Field(
        description="What must come to its end first; with any, nothing is erased."
    )
    remarks: list[str]


@router.post("/erase", summary="Erase a driver")
async def post_erase(here: Here, wish: ErasureWish) -> ErasureView:
    """Put tombstones where a driver's ids stand; amounts, times and places stay.

    All or nothing: while a session goes on or a CDR is not accepted, nothing is erased.
    """
    done = await erase(here, Person.named(wish.token, wish.contract), dry_run=wish.dry_run)
    return ErasureView(**vars(done))
