"""JSON of a reply -> the dataclass that it is of, as its type hints say; members that it does not know are left out."""

import dataclasses
import functools
import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from client.errors import BadReply

T = TypeVar("T")
PLAIN: dict[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}


def decode(kind: type[T], value: Any) -> T:
    """Raises BadReply for what is no such thing."""
    try:
        made: T = _made(kind, value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadReply(f"the reply is no {kind.__name__} of this service: {error!r}") from None
    return made


def _made(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value)
    if get_origin(kind) in (Union, types.UnionType):
        (inner,) = (each for each in get_args(kind) if each is not type(None))
        return None if value is None else _made(inner, value)
    if get_origin(kind) is tuple:
        return tuple(_made(get_args(kind)[0], each) for each in value)
    if get_origin(kind) is dict:
        return {name: _made(get_args(kind)[1], each) for name, each in value.items()}
    return _plain(kind, value)


def _plain(kind: Any, value: Any) -> Any:
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind in PLAIN and not (isinstance(value, PLAIN[kind]) and isinstance(value, bool) == (kind is bool)):
        raise TypeError(f"{value!r:.80} is no {kind.__name__}")
    return value


def _dataclass(kind: Any, value: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    return kind(**{name: _made(hint, value[name]) for name, hint in hints.items() if name in value})


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
