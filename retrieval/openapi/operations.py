"""What an operation takes, gives and raises: said once, beside its code, which is held to it."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import Request, request
from werkzeug.exceptions import NotImplemented, RequestEntityTooLarge, RequestHeaderFieldsTooLarge, RequestTimeout  # noqa: A004

from extractor import BatcherClosed, ExtractorError, NoEmbedding
from index_store import CatalogUnavailable
from retrieval.errors import (
    BadImage,
    BadPayload,
    FetchFailed,
    FetchRefused,
    Forbidden,
    NoDecoder,
    NotReady,
    PictureTooLarge,
    TooManyRequests,
    Unauthorized,
)
from retrieval.fields import Fields
from retrieval.openapi.components import Components, Schema
from retrieval.reception import Overloaded
from retrieval.schemas import NoFields
from retrieval.settings import InputSettings

LINES = "application/x-ndjson"
Errors = tuple[type[Exception], ...]
# What any operation may answer; the last four to what is no proper request, or does not arrive.
COMMON: Errors = (
    BadPayload,
    Forbidden,
    RequestTimeout,
    RequestEntityTooLarge,
    RequestHeaderFieldsTooLarge,
    NotImplemented,
)
GUARDED: Errors = (Unauthorized, TooManyRequests, CatalogUnavailable, Overloaded)  # and any that takes a key, or waits
STORE: Errors = (NotReady, CatalogUnavailable)
PICTURES: Errors = (
    BadImage,
    PictureTooLarge,
    FetchRefused,
    FetchFailed,
    NoEmbedding,
    NoDecoder,
    ExtractorError,
    BatcherClosed,
)


class Body(Protocol):
    """What a request carries besides its URL: how it is read, and how that is told."""

    @property
    def raises(self) -> Errors:
        """Which errors the pictures in it may end in."""

    def read(self, request: Request, limits: InputSettings) -> Any:
        """What the operation gets as `sent`. Raises BadPayload, UnsupportedMedia."""

    def media(self, components: Components) -> dict[str, Schema]:
        """By content type, as OpenAPI has it."""


@dataclass(frozen=True)
class Lines:
    """A reply of JSON lines, each of this type."""

    kind: Any


@dataclass(frozen=True)
class Text:
    """A reply that is no JSON, or JSON of any shape."""

    content_type: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Operation:
    """One method of a resource.

    gives:     by status, the type of the reply: a TypedDict, a union of such, Lines, Text, a tuple of these for several
               content types, or None for no content. From 400 on they are problem documents.
    raises:    errors of the table in problems.py, besides COMMON, GUARDED and those of the body.
    query:     what the URL may say after `?`; the operation gets it as `query`.
    body:      what is sent; the operation gets it as `sent`. Without one, a body is refused.
    takes:     names of request headers. sends: by status, those of the reply.
    """

    summary: str
    gives: Mapping[int, Any]
    raises: Errors = ()
    query: type[Fields] | None = None
    body: Body | None = None
    takes: tuple[str, ...] = ()
    sends: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def read(self, limits: InputSettings) -> dict[str, Any]:
        """What the current request says. Raises BadPayload, UnsupportedMedia."""
        asked: dict[str, Any] = {}
        if self.query:
            asked["query"] = self.query.of_query(request)
        elif self.body and request.args:
            names = ", ".join(request.args)[:200]
            raise BadPayload(f"the fields of a {request.method} belong in its body, not in its URL: {names}")
        else:
            NoFields.of_query(request)
        if self.body:
            asked["sent"] = self.body.read(request, limits)
        else:
            _refuse_body()
        return asked


def _refuse_body() -> None:
    """A DELETE whose body says which collection would go to another if that were passed over."""
    if request.content_length or request.stream.read(1):
        raise BadPayload(f"a {request.method} of this takes no body; say it in the URL")


def operation(summary: str, **about: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares a method of a ServiceResource as an Operation, with the fields that it has."""
    declared = Operation(summary, **about)

    def declare(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def asked(resource: Any, **path: Any) -> Any:
            return method(resource, **path, **declared.read(resource.service.settings.input))

        setattr(asked, DECLARED, declared)
        return asked

    return declare


DECLARED = "declared_operation"
