"""What lies inside stored JSON texts, asked of the database: the same question for both databases.

A result is a piece of JSON text, a string in its quotes, so that it can be spliced into an answer
unread. Names of fields are our own words, never a caller's.
"""

import re
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ocpi.spec.document import encode

_NAME = re.compile("[a-z_]+")


class _AsJSON(FunctionElement[Any]):
    """A text that is JSON, as what the operators for JSON take."""

    name = "as_json"
    inherit_cache = True


class ListOf(FunctionElement[str]):
    """Pieces as one JSON array; what is not there is null in it."""

    name = "list_of"
    inherit_cache = True
    type = Text()


class _EachOf(FunctionElement[str]):
    name = "each_of"
    inherit_cache = True
    type = Text()


def inside(body: Any, *path: str) -> ColumnElement[Any]:
    """The piece at a path of fields; NULL where there is none."""
    piece: ColumnElement[Any] = _AsJSON(body)
    for name in path:
        piece = piece.op("->")(_quoted(name))
    return piece


def each_inside(body: Any, members: str, name: str) -> ColumnElement[str]:
    """A field of each member of a list, as a JSON array; empty without such a list."""
    return _EachOf(_AsJSON(body), _quoted(members), _quoted(name))


def holds(piece: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a text occurs in a piece, without regard to case (SQLite: of ASCII letters)."""
    return cast(piece, Text).icontains(encode(text)[1:-1], autoescape=True)


def is_text(piece: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Whether a piece is this string, without regard to case (SQLite: of ASCII letters)."""
    return cast(piece, Text).ilike(_escaped(encode(text)), escape="/")


def _escaped(text: str) -> str:
    return re.sub("([/%_])", r"/\1", text)


def _quoted(name: str) -> ColumnElement[str]:
    assert _NAME.fullmatch(name)
    return literal_column(f"'{name}'")


@compiles(_AsJSON, "sqlite")
def _text_as_it_is(element: _AsJSON, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_AsJSON, "postgresql")
def _text_as_json(element: _AsJSON, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS json)"


@compiles(ListOf, "sqlite")
def _json_array(element: ListOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array({compiler.process(element.clauses, **options)})"


@compiles(ListOf, "postgresql")
def _json_build_array(element: ListOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_build_array({compiler.process(element.clauses, **options)})"


@compiles(_EachOf, "sqlite")
def _json_each(element: _EachOf, compiler: SQLCompiler, **options: Any) -> str:
    body, members, name = (compiler.process(each, **options) for each in element.clauses)
    # `json` marks the text as JSON, which the array would else hold as a string.
    return (
        f"(SELECT json_group_array(json(value -> {name})) "  # noqa: S608 - Our own words.
        f"FROM json_each({body} -> {members}))"
    )


@compiles(_EachOf, "postgresql")
def _json_array_elements(element: _EachOf, compiler: SQLCompiler, **options: Any) -> str:
    body, members, name = (compiler.process(each, **options) for each in element.clauses)
    some = f"{body} -> {members}"
    return (
        f"(SELECT coalesce(json_agg(each -> {name}), '[]') "  # noqa: S608 - As above.
        f"FROM json_array_elements(CASE WHEN json_typeof({some}) = 'array' "
        f"THEN {some} ELSE '[]' END) AS each)"
    )
