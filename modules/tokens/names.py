"""How a Token is named in a URL: its uid in the path, its type in the query."""

from typing import Annotated

from fastapi import Path, Query

from ocpi.request import Segment

TokenUID = Annotated[Segment, Path(description="Token.uid")]
# An asterisk would make it the identifier of another Token, see `named_token`.
TokenKind = Annotated[
    str, Query(alias="type", pattern=r"^[^*]*$", description="Token.type; none means RFID.")
]


def named_token(uid: str, kind: str) -> str:
    """The identifier in the store; no type means RFID (TK-02, TK-10)."""
    return f"{uid}*{kind or 'RFID'}"
