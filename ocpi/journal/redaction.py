"""What is taken out of a message before it is stored: tokens whole, drivers' ids but for a mark.

It is done by field, where OCPI has a driver's id, and then by value: what was found once is cut
out wherever else the same exchange repeats it, such as in a sentence about it.
"""

import base64
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from itertools import chain
from urllib.parse import quote

import msgspec

from ocpi.errors import NotAuthenticated
from ocpi.headers import read_tokens
from ocpi.journal.notes import BEGIN
from ocpi.paths import decode_segment
from ocpi.sealing import Seal

EXCERPT = BEGIN
"""Bytes of a body that are kept."""
HIDDEN = "***"
PERSONAL = frozenset(
    {
        "uid",
        "auth_id",
        "contract_id",
        "visual_number",
        "group_id",
        "authorization_reference",
    }
)
_SECRET = "token"  # noqa: S105 - the name of a field.
# Shorter ones would be found in words that have nothing to do with them.
_SHORTEST = 4
_MARK = r"~[0-9a-f]{16}\.\w{0,4}"
_NAMES = sorted({*PERSONAL, _SECRET})


def _escapable(letter: str) -> str:
    return rf"(?:{letter}|\\u00(?:{ord(letter):02x}|{ord(letter.upper()):02x}))"


def _key(names: Iterable[str], first: str) -> re.Pattern[str]:
    # With a look at the first letter before it, it takes a third of the time.
    return re.compile(rf'(?i)"(?=[{first}])({"|".join(names)})"\s*:\s*')


# Only the names that are meant: who took any text for one would, where it holds escaped quotation
# marks, begin anew at each and go on to its end.
_FIRST = "".join({name[0] for name in _NAMES})
_NAMED = _key(_NAMES, _FIRST)
_NAMED_ESCAPED = _key(("".join(map(_escapable, name)) for name in _NAMES), rf"\\{_FIRST}")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)("?)')
# A bare word, or what stands where no list or object belongs.
_OTHER = re.compile(r"\[[^\]]*\]?|\{[^}]*\}?|[^\s,}\]]*")
_PARAMETER = re.compile(r"(?i)(^|&)([^=&]*)=([^&]*)")


class Redactor:
    """Takes secrets and drivers' ids out of one exchange."""

    def __init__(self, seal: Seal, secret: str, module: str | None) -> None:
        self._seal = seal
        # In a Location it is an EVSE that has a uid.
        self._personal = PERSONAL - {"uid"} if module == "locations" else PERSONAL
        self._credentials = module == "credentials"
        self._presented = _presented(secret)
        self._hidden: set[str] = set()
        self.marks: dict[str, str] = {}
        """The drivers' ids found so far, and what stands for each."""

    def mark(self, value: str) -> str:
        """What stands for a driver's id."""
        return self.marks.setdefault(value, self._seal.mark(value))

    def segment(self, text: str) -> str:
        """What stands for a driver's id in a path."""
        return self.mark(decode_segment(text))

    def query(self, text: str) -> str:
        """A URL's query, whose parameters may be named as fields are."""
        return _PARAMETER.sub(self._parameter, text)

    def _parameter(self, match: re.Match[str]) -> str:
        name = match[2].lower()
        if name == _SECRET:
            return f"{match[1]}{match[2]}={HIDDEN}"
        if name in self._personal and match[3]:
            return f"{match[1]}{match[2]}={self.segment(match[3])}"
        return match[0]

    def body(self, data: bytes) -> str:
        """The begin of a body, without tokens and drivers' ids where fields of OCPI hold them."""
        text = data[:EXCERPT].decode(errors="replace").replace("\0", "\ufffd")
        pieces: list[str] = []
        position = 0
        for key in (_NAMED_ESCAPED if "\\" in text else _NAMED).finditer(text):
            if key.start() < position:
                continue
            end = self._value(pieces, _unescaped(key[1]).lower(), text, position, key.end())
            position = max(position, end)
        pieces.append(text[position:])
        return "".join(pieces)

    def _value(self, pieces: list[str], name: str, text: str, start: int, at: int) -> int:
        """Put the text up to the value of a field and what stands for that; gives where it ends."""
        if name not in self._personal and name != _SECRET:
            return start
        # The Token of a command is an object, whose fields are looked at one by one.
        if name == _SECRET and text[at : at + 1] in "{[" and not self._credentials:
            return start
        value = _TEXT.match(text, at) or _OTHER.match(text, at)
        assert value is not None
        if value[0] == "null":
            return start
        pieces += (text[start:at], f'"{self._stand_in(name, value)}"')
        return value.end()

    def _stand_in(self, name: str, value: re.Match[str]) -> str:
        if value.re is _TEXT:
            whole, plain = bool(value[2]), _unescaped(value[1])
        else:
            whole, plain = value[0][:1] not in ("[", "{"), value[0]
        if name == _SECRET or not whole:
            if len(plain) >= _SHORTEST:
                self._hidden.add(plain)
            return HIDDEN
        return self.mark(plain) if plain else ""

    @cached_property
    def _instead(self) -> Mapping[str, str]:
        """What stands for each value in each of its forms, once all parts were looked through."""
        instead = dict(self._presented)
        for value, stand_in in self.marks.items():
            instead |= dict.fromkeys(_forms(value), stand_in)
        for value in self._hidden:
            instead |= dict.fromkeys(_forms(value), HIDDEN)
        return instead

    def everywhere(
        self, texts: Mapping[str, str | None], cut: Collection[str]
    ) -> Mapping[str, str | None]:
        """Texts without the values that were found in any part of the exchange.

        Those of the names in `cut` are begins, which may end within a value.
        """
        texts = {
            name: self._without_half(text) if text and name in cut else text
            for name, text in texts.items()
        }
        instead = self._instead
        # Most exchanges repeat nothing, and one look at all texts tells.
        lower = "\0".join(filter(None, texts.values())).lower()
        met = sorted((value for value in instead if value in lower), key=len, reverse=True)
        if not met:
            return texts
        # Marks come first, so that nothing is found within one.
        pattern = re.compile("|".join([_MARK, *map(re.escape, met)]), re.IGNORECASE)

        def stand_in(match: re.Match[str]) -> str:
            return instead.get(match[0].lower(), match[0])

        return {name: text and pattern.sub(stand_in, text) for name, text in texts.items()}

    def _without_half(self, text: str) -> str:
        # Of a character that was cut through, this is left.
        text = text.rstrip("\ufffd")
        lower = text.lower()
        found = [(_begun(lower, value), stand_in) for value, stand_in in self._instead.items()]
        most, stand_in = max(found, default=(0, ""))
        return text[:-most] + stand_in if most else text


def is_json(data: bytes) -> bool:
    """Whether a body is JSON, so that its fields can be told apart."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        value: str = msgspec.json.decode(f'"{text}"', type=str)
    except msgspec.DecodeError:
        return text
    return value


def _begun(text: str, value: str) -> int:
    """How many characters at the text's end begin a value, 0 where they are too few to tell."""
    at = text.find(value[:_SHORTEST], max(len(text) - len(value), 0))
    while at >= 0 and not value.startswith(text[at:]):
        at = text.find(value[:_SHORTEST], at + 1)
    return len(text) - at if at >= 0 else 0


def _forms(value: str) -> Iterable[str]:
    """A value as it may be repeated, in lower case; short ones would be found by chance."""
    forms = {value.lower(), quote(value, safe="").lower()}
    return [each for each in forms if len(each) >= _SHORTEST]


@lru_cache(maxsize=1024)
def _presented(secret: str) -> Mapping[str, str]:
    """The forms of a token, out of a header or as it is, with what stands for them.

    They are worked out once for each partner, not for each of its messages.
    """
    if not secret:
        return {}
    try:
        tokens = read_tokens(secret)
    except NotAuthenticated:
        tokens = [secret, secret.partition(" ")[2]]
    forms = (_forms(each) for token in tokens if token for each in (token, _base64(token)))
    return dict.fromkeys(chain.from_iterable(forms), HIDDEN)


def _base64(token: str) -> str:
    # Some leave the padding out.
    return base64.b64encode(token.encode()).decode().rstrip("=")
