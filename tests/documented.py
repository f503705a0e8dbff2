"""Whatever the service answers in any test is compared with /openapi.json, and so is whatever it accepts as JSON."""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import CONTRACT

LINES = "application/x-ndjson"
UNROUTED = {401, 403, 404, 405, 429}  # of what is no operation
VERBATIM = {"image_id": ".+"}  # whose slashes are part of it


class Undocumented(AssertionError):
    """The service does something that the document does not tell."""


def check(method: str, path: str, status: int, headers: Mapping[str, str], content: bytes | None) -> None:
    """Raises Undocumented for a reply that the document does not describe. `path` is unquoted, without the query."""
    where = f"{method} {path} -> {status}"
    told = operation(method, path)
    if told is None:
        _check(status in UNROUTED or method in ("OPTIONS", "HEAD"), f"{where}: there is no such operation")
        return
    reply = told["responses"].get(str(status))
    _check(reply is not None, f"{where}: an undocumented status: {content!r:.300}")
    kind = headers.get("Content-Type", "").partition(";")[0]
    media = reply.get("content", {})
    _check(kind in media if media else not content, f"{where}: an undocumented content type {kind!r}")
    for name, header in reply.get("headers", {}).items():
        _check(not header.get("required") or name in headers, f"{where}: without the header {name}")
    for line in (content or b"").splitlines() if kind == LINES else ():
        _check_shape(where, json.loads(line), media[kind]["x-line"])
    if kind in ("application/json", "application/problem+json") and content is not None:
        _check_shape(where, json.loads(content), media[kind]["schema"])


def check_accepted(method: str, path: str, sent: Any) -> None:
    """Raises Undocumented for a JSON body that was accepted although the document says otherwise."""
    told = operation(method, path)
    _check(told is not None and "requestBody" in told, f"{method} {path}: took a body")
    _check_shape(f"{method} {path}, accepted", sent, told["requestBody"]["content"]["application/json"]["schema"])


@functools.cache
def operation(method: str, path: str) -> Any:
    """What the document says of a request, or None."""
    found = [methods for pattern, methods in _paths() if pattern.fullmatch(path)]
    return found[0].get(method.lower()) if found else None


@functools.cache
def _paths() -> list[tuple[re.Pattern[str], Any]]:
    def pattern(path: str) -> re.Pattern[str]:
        return re.compile(re.sub(r"{(\w+)}", lambda found: VERBATIM.get(found[1], "[^/]+"), path), re.DOTALL)

    return [(pattern(path), methods) for path, methods in CONTRACT.document["paths"].items()]


def _check_shape(where: str, value: Any, schema: Any) -> None:
    for error in _validator(json.dumps(schema)).iter_errors(value):
        raise Undocumented(f"{where}: at {'/'.join(map(str, error.instance_path))}: {error.message:.500}")


@functools.cache
def _validator(schema: str) -> Any:
    """Compiled once for each schema."""
    whole = json.loads(schema) | {"components": CONTRACT.document["components"]}
    return jsonschema_rs.Draft202012Validator(whole)


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise Undocumented(what)


class DocumentedClient(FlaskClient):
    """Flask's client, which compares what it sees with the document."""

    def open(self, *args: Any, **options: Any) -> TestResponse:
        answer = super().open(*args, **options)
        method, path = answer.request.method, answer.request.path
        check(method, path, answer.status_code, answer.headers, None if answer.mimetype == LINES else answer.data)
        if isinstance(options.get("json"), dict) and answer.status_code < 400:
            check_accepted(method, path, options["json"])
        return answer
