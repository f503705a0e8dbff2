"""JSON as strangers send it -> plain values: strict where the standard library is lenient."""

import json
import math
from typing import Any, NoReturn

from retrieval.errors import BadPayload

MAX_DEPTH = 64  # of nested JSON; json and pydantic give up at some hundreds, each at its own


def parse_json(text: bytes | str) -> Any:
    """The value of strict JSON: no NaN, infinities, repeated names, lone surrogates or absurd depth.

    Raises BadPayload.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_object)
        _check(value, MAX_DEPTH)
    except RecursionError:
        raise BadPayload(f"The JSON is nested more than {MAX_DEPTH} levels deep.") from None
    except ValueError as error:  # also of bytes that are not UTF-8 and of integers with thousands of digits
        raise BadPayload(f"Not valid JSON: {str(error)[:200]}.") from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:40]} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name is repeated in an object")
    return names


def _check(value: Any, depth: int) -> None:
    """Raises RecursionError below `depth` levels and UnicodeEncodeError at a string that UTF-8 cannot hold."""
    if depth < 0:
        raise RecursionError
    if isinstance(value, str) and not value.isascii():
        value.encode()
    elif isinstance(value, dict):
        _check(list(value), depth)
        _check(list(value.values()), depth)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
