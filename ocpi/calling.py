"""Endpoints called past FastAPI, which takes longer to find and to call one than most of them run.

They are the same functions, written for FastAPI. It documents them, calls those that need more than
is known here, a query parameter that is given say, and answers for what is at no endpoint and for a
body that is not what an endpoint takes.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any, TypeGuard

from fastapi import APIRouter
from fastapi.params import Depends, Query
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from ocpi.errors import InvalidParameters
from ocpi.paths import decode_segment
from ocpi.spec.reading import problems


@dataclass(frozen=True)
class _Call:
    """A function, and where each of its parameters comes from.

    That is the request, its body as a model, another function as FastAPI's Depends has it, or a
    segment of the path.
    """

    function: Callable[..., Awaitable[Any]]
    needs: tuple[tuple[str, "_Need"], ...]
    queried: bool
    """It may be told something in the query, and does without."""

    @property
    def bodies(self) -> int:
        """How many read the body as a model: of several FastAPI takes each from a member of it."""
        return sum(
            need.bodies if isinstance(need, _Call) else _is_model(need) for _, need in self.needs
        )


_Need = type[Request] | type[BaseModel] | _Call | str


@dataclass(frozen=True)
class _Place:
    """An endpoint's path below that of its module."""

    fixed: tuple[tuple[int, str], ...]
    """Which segments are words, and which words."""
    names: tuple[tuple[int, str], ...]
    """Which segments are parameters, and their names."""
    call: _Call

    def is_at(self, segments: Sequence[str]) -> bool:
        """Whether a path is this one."""
        return all(segments[n] == word for n, word in self.fixed)


class Endpoints:
    """The endpoints that can be called so, by method and path."""

    def __init__(self, routers: Mapping[str, Iterable[APIRouter]]) -> None:
        """`routers` are those below each path, such as `/ocpi/cpo/2.2.1/sender/tokens`."""
        self._places: dict[tuple[str, str, int], list[_Place]] = defaultdict(list)
        for path, several in routers.items():
            for route in (route for router in several for route in router.routes):
                if isinstance(route, APIRoute):
                    self._add(path, route)

    def _add(self, path: str, route: APIRoute) -> None:
        segments = [each for each in route.path.split("/") if each]
        fixed = tuple((n, each) for n, each in enumerate(segments) if not each.startswith("{"))
        names = tuple((n, each[1:-1]) for n, each in enumerate(segments) if each.startswith("{"))
        call = _call_of(route.endpoint, [name for _, name in names])
        if call is None or call.bodies > 1 or not _answers(route.endpoint):
            # FastAPI tries them in their order, so what it finds first must not be passed over.
            call = _BY_FASTAPI
        for method in route.methods or ():
            self._places[method, path, len(segments)].append(_Place(fixed, names, call))

    def find(self, method: str, path: str, below: str, query: bytes) -> "Endpoint | None":
        """The endpoint at what lies `below` a path; None where FastAPI has to see to it."""
        segments = below.split("/") if below else []
        for place in self._places.get((method, path, len(segments)), ()):
            if not place.is_at(segments):
                continue
            if place.call is _BY_FASTAPI or (query and place.call.queried):
                return None
            given = {name: decode_segment(segments[n]) for n, name in place.names}
            return Endpoint(place.call, given)
        return None


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, with what the path says."""

    call: _Call
    segments: Mapping[str, str]

    async def answer(self, request: Request) -> Response | None:
        """What it answers; None where FastAPI has to say what is wrong with the body.

        Raises what it raises, as ``InvalidParameters`` what pydantic does.
        """
        try:
            answer: Response = await _run(self.call, request, self.segments, {})
        except _Misread:
            return None
        except ValidationError as error:
            raise InvalidParameters(problems(error)) from None
        return answer


class _Misread(Exception):
    """The body is not what an endpoint takes."""


async def _nothing() -> None:
    """Stands for what is not called here."""


_BY_FASTAPI = _Call(_nothing, (), queried=False)


def _answers(function: Any) -> bool:
    """Whether it answers by itself: what others give is for FastAPI to write."""
    given = signature(function).return_annotation
    return isinstance(given, type) and issubclass(given, Response)


def _call_of(function: Any, names: Sequence[str]) -> _Call | None:
    """How a function is called; None where it needs what is not known here."""
    if not iscoroutinefunction(function):
        return None
    needs, queried = [], False
    for name, parameter in signature(function).parameters.items():
        if _does_without(parameter):
            queried = True
            continue
        need = _need_of(name, parameter, names)
        if need is None:
            return None
        queried = queried or (isinstance(need, _Call) and need.queried)
        needs.append((name, need))
    return _Call(function, tuple(needs), queried)


def _does_without(parameter: Parameter) -> bool:
    """Whether it is a parameter of the query that need not be given."""
    marks = getattr(parameter.annotation, "__metadata__", ())
    return parameter.default is not Parameter.empty and any(
        isinstance(mark, Query) for mark in marks
    )


def _need_of(name: str, parameter: Parameter, names: Sequence[str]) -> _Need | None:
    wanted = parameter.annotation
    if isinstance(wanted, type) and parameter.default is Parameter.empty:
        return wanted if issubclass(wanted, (Request, BaseModel)) else None
    marks = getattr(wanted, "__metadata__", ())
    for mark in marks:
        if isinstance(mark, Depends):
            return _call_of(mark.dependency, names)
    return name if name in names and AfterValidator(decode_segment) in marks else None


async def _run(
    call: _Call, request: Request, segments: Mapping[str, str], known: dict[Any, Any]
) -> Any:
    """The result of a call; what several need of a request is worked out once, as `known`."""
    given: dict[str, Any] = {}
    for name, need in call.needs:
        if isinstance(need, str):
            given[name] = segments[need]
        elif isinstance(need, _Call):
            if need.function not in known:
                known[need.function] = await _run(need, request, segments, known)
            given[name] = known[need.function]
        elif _is_model(need):
            given[name] = await _read(need, request)
        else:
            given[name] = request
    return await call.function(**given)


def _is_model(need: _Need) -> TypeGuard[type[BaseModel]]:
    return isinstance(need, type) and issubclass(need, BaseModel)


async def _read(model: type[BaseModel], request: Request) -> BaseModel:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise _Misread
    try:
        return model.model_validate(await request.json())
    except (ValueError, RecursionError):
        raise _Misread from None
