"""The Link header of paged answers, read as RFC 8288 has it."""

import re

_LONGEST_HEADER = 8192
_BLANKS = re.compile(r"[ \t]*+")
_SEPARATORS = re.compile(r"[ \t,]*+")
_TARGET = re.compile(r"<([^>]*+)>")
_PRINTABLE = re.compile(r"[\x20-\x7e]*+")
_NAME = re.compile(r"[^ \t;,=\"<>]++")
_BARE = re.compile(r"[^ \t;,\"]*+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"')


def next_link(header: str) -> str | None:
    """The target of the first link whose relations include `next`, as it stands (PG-10).

    Links may be several and `rel` unquoted (IP-23), and a title may be in any script. A header that
    cannot be read, or a target with characters that no URL has, raises ``ValueError``: taking it
    for the last page would pass off half a list as the whole. No byte is looked at more than a few
    times, whatever the header holds (TA-29).
    """
    if len(header) > _LONGEST_HEADER:
        raise ValueError(f"the Link header is longer than {_LONGEST_HEADER} bytes")
    position = _past(_SEPARATORS, header, 0)
    while position < len(header):
        target = _TARGET.match(header, position)
        if target is None:
            raise ValueError("a link of the Link header does not begin with <URL>")
        relations, position = _read_relations(header, target.end())
        if "next" in relations:
            return _readable(target[1].strip())
        position = _past(_SEPARATORS, header, position)
    return None


def _readable(url: str) -> str:
    if not _PRINTABLE.fullmatch(url):
        raise ValueError("the next URL of the Link header is not printable ASCII")
    return url


def _read_relations(header: str, position: int) -> tuple[list[str], int]:
    """The words of the first `rel` parameter, and the position behind the link's parameters."""
    relations: list[str] | None = None
    position = _past(_BLANKS, header, position)
    while position < len(header) and header[position] != ",":
        if header[position] != ";":
            raise ValueError("a parameter of the Link header does not begin with a semicolon")
        position = _past(_BLANKS, header, position + 1)
        name = _NAME.match(header, position)
        if name is None:
            continue
        value, position = _read_value(header, _past(_BLANKS, header, name.end()))
        if name[0].lower() == "rel" and relations is None:
            relations = value.lower().split()
    return relations or [], position


def _read_value(header: str, position: int) -> tuple[str, int]:
    """A parameter's value, bare, quoted or absent, and the position behind it and its blanks."""
    if not header.startswith("=", position):
        return "", position
    position = _past(_BLANKS, header, position + 1)
    if header.startswith('"', position):
        quoted = _QUOTED.match(header, position)
        if quoted is None:
            raise ValueError("a quotation mark of the Link header is never closed")
        return re.sub(r"\\(.)", r"\1", quoted[1]), _past(_BLANKS, header, quoted.end())
    end = _past(_BARE, header, position)
    return header[position:end], _past(_BLANKS, header, end)


def _past(pattern: re.Pattern[str], header: str, position: int) -> int:
    match = pattern.match(header, position)
    return match.end() if match else position
