"""Errors -> problem documents (RFC 9457). One table gives each domain error its HTTP status."""

import logging
import re
from typing import Any

from flask import Response, current_app, g, request
from flask_restful import Api
from werkzeug.exceptions import HTTPException

from extractor import BatcherClosed, ExtractorError, NoEmbedding
from index_store import (
    AnsweredBefore,
    CatalogUnavailable,
    CollectionExists,
    FingerprintMismatch,
    KeyReused,
    SamePicture,
    StorageFull,
    UnknownCollection,
    UnknownImage,
    UnknownJob,
    UnknownPair,
)
from retrieval import observing
from retrieval.answer import Answer
from retrieval.connection import REFUSAL
from retrieval.errors import (
    AccessDenied,
    BadImage,
    BadPayload,
    FetchFailed,
    FetchRefused,
    Forbidden,
    IdTaken,
    NeedsJob,
    NoDecoder,
    NotCalibrated,
    NothingKept,
    NotReady,
    PictureTooLarge,
    ResultGone,
    TooManyRequests,
    Unauthorized,
    UnsupportedMedia,
)

log = logging.getLogger(__name__)
INTERNAL = (500, "internal-error")
REPLAYED = "Idempotency-Replayed"
STATUS: dict[type[Exception], int] = {
    BadPayload: 400,
    SamePicture: 400,
    Unauthorized: 401,
    Forbidden: 403,
    FetchRefused: 403,
    UnknownCollection: 404,
    UnknownImage: 404,
    UnknownJob: 404,
    UnknownPair: 404,
    NothingKept: 404,
    CollectionExists: 409,
    IdTaken: 409,
    NotCalibrated: 409,
    NeedsJob: 409,
    FingerprintMismatch: 409,
    ResultGone: 410,
    PictureTooLarge: 413,
    UnsupportedMedia: 415,
    BadImage: 422,
    FetchFailed: 422,
    NoEmbedding: 422,
    KeyReused: 422,
    TooManyRequests: 429,
    NotReady: 503,
    NoDecoder: 503,
    BatcherClosed: 503,
    ExtractorError: 503,
    CatalogUnavailable: 503,
    StorageFull: 507,
}


class ServiceApi(Api):  # type: ignore[misc]  # Flask-RESTful has no type hints
    """Flask-RESTful answers its own errors, so the table is read here; in a test or not, the same status comes out."""

    def handle_error(self, error: Exception) -> Response:
        answer = _explained(error)
        if answer is None and current_app.testing:
            raise error
        return answer or unexpected(error)


def refuse() -> None:
    """Before a request: raises what it was refused with when it came in, such as Overloaded."""
    if (refusal := request.environ.get(REFUSAL)) is not None:
        raise refusal


def http_problem(error: HTTPException) -> Response:
    """The problem document of what Flask itself refuses, with the headers that belong to it, such as Allow."""
    response = problem(error.code or 500, slug_of(error.name), error.description or error.name)
    response.headers.update([(name, value) for name, value in error.get_headers() if name != "Content-Type"])
    return response


def _explained(error: Exception) -> Response | None:
    """The problem document of a domain or HTTP error; None of any other."""
    if isinstance(error, AnsweredBefore):
        return Answer.read(error.answer).response(**{REPLAYED: "true"})
    kind = _kind_of(error)
    if kind is not None:
        if STATUS[kind] >= 500 and not isinstance(error, NotReady):
            log.error("%s: %s", type(error).__name__, error)
        more: dict[str, Any] = {"reason": error.reason} if isinstance(error, NotReady) else {}
        told = error.told if isinstance(error, CatalogUnavailable) else str(error)
        response = problem(*described(kind), told, **more)
        response.headers.extend(error.headers if isinstance(error, AccessDenied) else {})
        return response
    return http_problem(error) if isinstance(error, HTTPException) else None


def unexpected(error: Exception) -> Response:
    """The problem document of a defect of ours; what it was goes to the log, not to the client."""
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    detail = f"The service failed to answer this request; its log says why, under the request id {g.request_id}."
    return problem(*INTERNAL, detail)


def problem(status: int, slug: str, detail: str, **more: Any) -> Response:
    """An application/problem+json reply; `more` are members of its own."""
    response = Answer(status, body(status, slug, detail, **more)).response()
    if status == 503:
        response.headers["Retry-After"] = "1"
    return response


def body(status: int, slug: str, detail: str, **more: Any) -> dict[str, Any]:
    """The problem document of a request, or of a picture in it; `more` are members of its own."""
    observing.watch().refused(slug)
    return document(status, slug, detail, **more)


def document(status: int, slug: str, detail: str, **more: Any) -> dict[str, Any]:
    """The same of no request."""
    about = {"type": f"urn:imageretrieval:{slug}", "title": slug.replace("-", " ").capitalize(), "status": status}
    return {**about, "detail": detail, **more}


def body_of(error: Exception) -> dict[str, Any]:
    """The problem document of a domain error of the table."""
    kind = _kind_of(error)
    return body(*(described(kind) if kind else INTERNAL), str(error))


def described(kind: type[Exception]) -> tuple[int, str]:
    """The status and the slug of an error of the table, or of Flask's."""
    if issubclass(kind, HTTPException):
        return kind.code or 500, slug_of(kind().name)
    return STATUS[kind], slug_of(kind.__name__)


def _kind_of(error: Exception) -> type[Exception] | None:
    """What the table calls it: errors of one kind have one slug, whichever it is."""
    return next((kind for kind in STATUS if isinstance(error, kind)), None)


def slug_of(name: str) -> str:
    """A name of a class or of a status as it stands in `type`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z]+", "-", name).strip("-").lower()
