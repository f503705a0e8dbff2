"""The body of a request -> its fields and its picture, which is not decoded or downloaded before `read` asks for it."""

import hashlib
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pybase64
from flask import Request
from werkzeug.datastructures import FileStorage, MultiDict

from index_store.reserve import told_if_full
from retrieval import observing
from retrieval.errors import BadPayload, FetchError, InputError, PictureTooLarge, UnsupportedMedia
from retrieval.fetch import fetch
from retrieval.settings import InputSettings
from retrieval.strict_json import parse_json

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MAX_NAME = 255
HOW = 'give one picture as {"url": ...} or {"base64": ...}, or as the file "image" of a multipart form'
HOW_MANY = 'give several as {"images": [{"url": ...}, {"base64": ...}, ...]}, or as files "images" of a multipart form'
DATA_URI = re.compile(r"\s*data:[^,]{0,255};base64\s*,", re.IGNORECASE)
PLAIN_ALPHABET = bytes.maketrans(b"-_", b"+/")
WHITESPACE = b" \t\r\n\f\v"


@dataclass(frozen=True)
class ImageSource:
    """One picture that a client has sent or named."""

    origin: str | None  # the URL or the uploaded file's name
    _bytes: Callable[[], bytes]
    is_url: bool = False

    def read(self) -> bytes:
        """The encoded picture. Raises BadPayload, PictureTooLarge, FetchRefused, FetchFailed."""
        return self._bytes()

    @property
    def identity(self) -> str:
        """The same for the same picture sent again; a URL stands for itself, and what cannot be read for its error."""
        try:
            return f"url {self.origin}" if self.is_url else f"sha256 {hashlib.sha256(self.read()).hexdigest()}"
        except InputError as error:
            return f"unreadable {error}"


def any_url(sources: Iterable[object]) -> bool:
    """Whether one of them has to be fetched."""
    return any(isinstance(each, ImageSource) and each.is_url for each in sources)


@dataclass(frozen=True)
class Payload:
    """What a request brings: its fields other than the pictures, not yet validated, and the pictures.

    Of a batch each picture has fields of its own; a single one's are among `fields`. In a form, all are strings.
    """

    fields: dict[str, Any]
    images: list[ImageSource]
    items: list[dict[str, Any]]
    is_batch: bool


def read_payload(request: Request, limits: InputSettings) -> Payload:
    """Fields and pictures of a JSON or form body. Raises BadPayload, UnsupportedMedia."""
    fields = read_fields(request, several=("images",))
    payload = _batch(fields, limits) if fields.get("images") is not None else _one(fields, limits)
    refuse_files(fields)
    return payload


def refuse_files(fields: dict[str, Any]) -> None:
    """Raises BadPayload where a file was sent that nothing asks for."""
    stray = next((name for name, value in fields.items() if isinstance(value, FileStorage)), None)
    if stray is not None:
        raise BadPayload(f"Unexpected file {stray!r}; {HOW}; {HOW_MANY}.")


def _one(fields: dict[str, Any], limits: InputSettings) -> Payload:
    image = take_image(fields, limits)
    return Payload({name: value for name, value in fields.items() if name != "images"}, [image], [{}], is_batch=False)


def _batch(fields: dict[str, Any], limits: InputSettings) -> Payload:
    given = fields.pop("images")
    if not isinstance(given, list) or not given:
        raise BadPayload(f"images: not a list of pictures; {HOW_MANY}.")
    if len(given) > limits.max_batch:
        raise BadPayload(f"images: {len(given)} pictures; at most {limits.max_batch} are taken in one request.")
    if isinstance(given[0], FileStorage):
        return Payload(fields, [uploaded(file, limits) for file in given], _items(fields, len(given)), is_batch=True)
    items = [dict(item) if isinstance(item, dict) else {"base64": item} for item in given]
    return Payload(fields, [_numbered(n, item, limits) for n, item in enumerate(items)], items, is_batch=True)


def _numbered(number: int, item: dict[str, Any], limits: InputSettings) -> ImageSource:
    try:
        return take_image(item, limits)
    except BadPayload as error:
        raise BadPayload(f"images.{number}: {error}") from None


def _items(fields: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Of a form: `items`, a list in JSON with an object for each file, such as [{"id": "1"}, {}]."""
    text = fields.pop("items", None)
    try:
        items = [{}] * count if text is None else parse_json(text) if isinstance(text, str) else text
    except BadPayload as error:
        raise BadPayload(f"items: {error}") from None
    if not isinstance(items, list) or len(items) != count or not all(isinstance(item, dict) for item in items):
        raise BadPayload(f"items: not a list in JSON of {count} objects, one for each file of images")
    return items


def read_fields(request: Request, several: tuple[str, ...] = ()) -> dict[str, Any]:
    """All fields of a JSON or form body; an uploaded file is a FileStorage, and what may come `several` times a list.

    Raises BadPayload, UnsupportedMedia, StorageFull.
    """
    kind = request.mimetype
    if kind in FORMS:
        with told_if_full(Path(gettempdir())):
            form, files = request.form, request.files.copy()
        _refuse_excess(request)
        lists: dict[str, Any] = {name: files.poplist(name) for name in several if name in files and name not in form}
        return _single(form) | _single(files, taken=form) | lists
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMedia(f"Send application/json or {FORMS[0]}, not {kind or 'a body without Content-Type'}.")
    text = request.get_data(cache=False)
    _refuse_excess(request)
    body = parse_json(text)
    if not isinstance(body, dict):
        raise BadPayload('The JSON body must be an object: {"name": value, ...}.')
    return body


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
        return uploaded(value, limits)
    if name not in ("url", "base64"):
        raise BadPayload('With "data", the field "type" must be "url" or "base64".')
    if not isinstance(value, str):
        raise BadPayload(f"The picture's {name} must be a string; {HOW}.")
    if name == "url":
        return ImageSource(value, partial(_fetched, value, limits), is_url=True)
    return ImageSource(None, partial(from_base64, value, limits.max_bytes))


def _fetched(url: str, limits: InputSettings) -> bytes:
    """`fetch`, and what came of it told to whoever watches."""
    outcome = "failed"
    try:
        with observing.timed("fetch"):
            data = fetch(url, limits)
        outcome = "fetched"
    except FetchError as error:
        outcome = error.reason
        raise
    except PictureTooLarge:
        outcome = "too_large"
        raise
    finally:
        observing.watch().fetched(outcome)
    return data


def from_base64(text: str, max_bytes: int) -> bytes:
    """Decodes base64, plain or URL-safe, padded or not, with any white space; a data URI's prefix may stand before it.

    Raises BadPayload, and PictureTooLarge above `max_bytes`.
    """
    prefix = DATA_URI.match(text)
    letters = text[prefix.end() :] if prefix else text
    try:
        if len(letters) * 3 // 4 <= max_bytes:
            with suppress(ValueError):  # as most send it
                return pybase64.b64decode(letters, validate=True)
        plain = letters.encode("ascii").translate(PLAIN_ALPHABET, WHITESPACE)
        if len(plain.rstrip(b"=")) * 3 // 4 > max_bytes:
            raise PictureTooLarge(f"The picture has more than {max_bytes:,} bytes, the most that is accepted.")
        return pybase64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
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


def uploaded(file: Any, limits: InputSettings) -> ImageSource:
    """An uploaded file as a picture. Raises BadPayload."""
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
