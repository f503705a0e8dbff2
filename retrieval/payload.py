"""The body of a request -> its fields and its picture, which is not decoded or downloaded before `read` asks for it."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import pybase64
from flask import Request
from werkzeug.datastructures import FileStorage, MultiDict

from retrieval.errors import BadPayload, PictureTooLarge, UnsupportedMedia
from retrieval.fetch import fetch
from retrieval.settings import InputSettings

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MAX_DEPTH = 64  # of nested JSON; json and pydantic give up at some hundreds, each at its own
MAX_NAME = 255
HOW = 'give one picture as {"url": ...} or {"base64": ...}, or as the file "image" of a multipart form'
DATA_URI = re.compile(r"\s*data:[^,]{0,255};base64\s*,", re.IGNORECASE)
PLAIN_ALPHABET = bytes.maketrans(b"-_", b"+/")
WHITESPACE = b" \t\r\n\f\v"


@dataclass(frozen=True)
class ImageSource:
    """One picture that a client has sent or named."""

    origin: str | None  # the URL or the uploaded file's name
    _bytes: Callable[[], bytes]

    def read(self) -> bytes:
        """The encoded picture. Raises BadPayload, PictureTooLarge, FetchRefused, FetchFailed."""
        return self._bytes()


@dataclass(frozen=True)
class Payload:
    """What a request brings: its fields other than the picture, not yet validated, and the picture."""

    fields: dict[str, Any]  # of a form, all strings
    image: ImageSource


def read_payload(request: Request, limits: InputSettings) -> Payload:
    """Fields and picture of a JSON or form body. Raises BadPayload, UnsupportedMedia."""
    fields = read_fields(request)
    image = take_image(fields, limits)
    stray = next((name for name, value in fields.items() if isinstance(value, FileStorage)), None)
    if stray is not None:
        raise BadPayload(f"Unexpected file {stray!r}; {HOW}.")
    return Payload(fields, image)


def read_fields(request: Request) -> dict[str, Any]:
    """All fields of a JSON or form body; an uploaded file is a FileStorage. Raises BadPayload, UnsupportedMedia."""
    kind = request.mimetype
    if kind in FORMS:
        form, files = request.form, request.files
        _refuse_excess(request)
        return _single(form) | _single(files, taken=form)
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMedia(f"Send application/json or {FORMS[0]}, not {kind or 'a body without Content-Type'}.")
    text = request.get_data(cache=False)
    _refuse_excess(request)
    body = parse_json(text)
    if not isinstance(body, dict):
        raise BadPayload('The JSON body must be an object: {"name": value, ...}.')
    return body


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


def take_image(fields: dict[str, Any], limits: InputSettings) -> ImageSource:
    """The one picture among `fields`, removed from them; null counts as not given. Raises BadPayload."""
    given = {name: fields.pop(name, None) for name in ("url", "base64", "data", "image")}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise BadPayload(f"{'More than one' if given else 'No'} picture given; {HOW}.")
    ((name, value),) = given.items()
    if name == "data":  # the first version of this service: {"type": "url" | "base64", "data": ...}
        name = fields.pop("type", None)
    if name == "image":
        return _uploaded(value, limits)
    if name not in ("url", "base64"):
        raise BadPayload('With "data", the field "type" must be "url" or "base64".')
    if not isinstance(value, str):
        raise BadPayload(f"The picture's {name} must be a string; {HOW}.")
    if name == "url":
        return ImageSource(value, partial(fetch, value, limits))
    return ImageSource(None, partial(from_base64, value, limits.max_bytes))


def from_base64(text: str, max_bytes: int) -> bytes:
    """Decodes base64, plain or URL-safe, padded or not, with any white space; a data URI's prefix may stand before it.

    Raises BadPayload, and PictureTooLarge above `max_bytes`.
    """
    prefix = DATA_URI.match(text)
    try:
        letters = text[prefix.end() if prefix else 0 :].encode("ascii").translate(PLAIN_ALPHABET, WHITESPACE)
        if len(letters.rstrip(b"=")) * 3 // 4 > max_bytes:
            raise PictureTooLarge(f"The picture has more than {max_bytes:,} bytes, the most that is accepted.")
        return pybase64.b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are such
        raise BadPayload("The picture is not valid base64; encode the whole file, and nothing else.") from None


def _refuse_excess(request: Request) -> None:
    """Werkzeug cuts a chunked body at the limit, in silence; but reading on from there raises RequestEntityTooLarge."""
    if request.content_length is None:
        request.stream.read(1)


def _single(form: MultiDict[str, Any], taken: MultiDict[str, str] | None = None) -> dict[str, Any]:
    for name, values in form.lists():
        if not name:  # None where a part of a multipart form gives none
            raise BadPayload("A field of the form has no name.")
        if len(values) > 1 or (taken and name in taken):
            raise BadPayload(f"The field {name!r} is given more than once.")
        if "\ufffd" in name or (isinstance(values[0], str) and "\ufffd" in values[0]):
            raise BadPayload(f"The field {name!r} is not valid UTF-8.")  # werkzeug has put this sign in its place
    return form.to_dict()


def _uploaded(file: Any, limits: InputSettings) -> ImageSource:
    if not isinstance(file, FileStorage):
        raise BadPayload(f'The field "image" must be an uploaded file; {HOW}.')
    return ImageSource(_base_name(file.filename), partial(_contents, file, limits.max_bytes))


def _contents(file: FileStorage, max_bytes: int) -> bytes:
    file.seek(0)
    data: bytes = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise PictureTooLarge(f"The picture has more than {max_bytes:,} bytes, the most that is accepted.")
    return data


def _base_name(given: str | None) -> str | None:
    """Last part of a path of either kind, without control characters, cut to MAX_NAME; None if nothing is left."""
    last = re.split(r"[/\\]", given or "")[-1]
    return "".join(letter for letter in last if letter.isprintable())[:MAX_NAME] or None


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
