"""The URL at which a party is to be called back, replaced by one of ours (RT-22, TA-07)."""

import codecs
import re
from dataclasses import replace
from urllib.parse import quote, unquote_plus

import msgspec

from ocpi.callbacks import check_response_url
from ocpi.context import Context, Interface
from ocpi.errors import InvalidParameters
from ocpi.hub import links
from ocpi.hub.message import Message
from ocpi.hub.targets import Destination
from ocpi.paths import url_in

_FIELD = "response_url"
# What some parser takes for the name: PHP drops blanks and all behind NUL, and makes _ of . and [.
_ALIKE = re.compile(r"[^a-z]*response[^a-z]+url(?![a-z])", re.IGNORECASE)
_CALLING_BACK = frozenset({"commands", "chargingprofiles"})

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_texts = msgspec.json.Decoder(str)


async def with_response_url(
    context: Context, message: Message, destination: Destination
) -> Message:
    """The message as it goes on. Raises ``InvalidParameters`` for a URL that is not the sender's.

    Every other value stays byte for byte as it came (RT-17).
    """
    if message.module not in _CALLING_BACK or message.interface != "RECEIVER":
        return message
    query = await _rewrite_query(context, message, destination)
    body = await _rewrite_body(context, message, destination)
    return replace(message, query=query, body=body)


async def _rewrite_query(context: Context, message: Message, destination: Destination) -> str:
    if ";" in message.query:
        raise InvalidParameters("The query holds a ; at which some parsers would split it.")
    done, parts = list[str](), message.query.split("&")
    while parts:
        part = parts.pop(0)
        name, _, value = part.partition("=")
        meant = unquote_plus(name)
        if _ALIKE.match(meant) and not _is_field(meant):
            raise InvalidParameters(f"{_FIELD}: the query names it in another way")
        if _is_field(meant) and value:
            given, parts = url_in(done, value, parts)
            url = await _link(context, message, destination, given)
            part = f"{name}={quote(url, safe='')}"
        done.append(part)
    return "&".join(done)


async def _rewrite_body(context: Context, message: Message, destination: Destination) -> bytes:
    if not message.body:
        return message.body
    members = _read_members(message.body)
    names = [name for name in members if _is_field(name)]
    for name in names:
        try:
            given = _texts.decode(members[name])
        except msgspec.DecodeError:
            raise InvalidParameters(f"{_FIELD}: a URL is due") from None
        url = await _link(context, message, destination, given)
        members[name] = msgspec.Raw(msgspec.json.encode(url))
    return msgspec.json.encode(members) if names else message.body


def _read_members(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _members.decode(body.removeprefix(codecs.BOM_UTF8))
    except msgspec.ValidationError:
        raise InvalidParameters("The body must be one JSON object.") from None


def _is_field(name: str) -> bool:
    """Many read names without regard to case."""
    return name.casefold() == _FIELD


async def _link(context: Context, message: Message, destination: Destination, given: str) -> str:
    await check_response_url(context, message.caller.partner_id, given)
    meaning = links.Meaning(
        interface=Interface(message.module, "SENDER"),
        method="POST",
        url=given,
        follower=links.End(destination.party, destination.partner_id),
        owner=links.End(message.sender, message.caller.partner_id),
        life=links.RESULT_LIFE,
    )
    return await links.make_link(context, meaning)
