"""Routes -> the OpenAPI 3.1 document of what their operations declare."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import Field
from werkzeug.exceptions import HTTPException, NotFound

from retrieval import VERSION
from retrieval.errors import UnsupportedMedia
from retrieval.fields import CollectionName, ImageId
from retrieval.openapi.components import Components, Schema
from retrieval.openapi.examples import example_of
from retrieval.openapi.operations import COMMON, DECLARED, GUARDED, LINES, Errors, Lines, Operation, Text
from retrieval.problems import described, slug_of
from retrieval.problems import document as problem_document
from retrieval.scopes import Need, needed
from retrieval.shapes import Problem

Route = tuple[Any, ...]  # resource, endpoint, path, and paths of the first version
JSON, PROBLEM = "application/json", "application/problem+json"
PATH_FIELDS = {
    "image_id": ImageId,
    "name": CollectionName,
    "job_id": Annotated[int, Field(ge=0, le=2**31 - 1, examples=[1])],
}
STRING: Schema = {"type": "string"}
HEADERS: dict[str, Schema] = {
    "Idempotency-Key": {
        "description": "New for each request, such as a UUID; a request sent again is answered as before.",
        "schema": {**STRING, "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "examples": ["7f9c2ba4-e88f-4f0e-9a55"]},
    },
    "Idempotency-Replayed": {"description": "`true`: the answer to an earlier request.", "schema": STRING},
    "Location": {"description": "Where what was made is found.", "schema": STRING, "required": True},
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "required": True,
    },
    "RateLimit": {"description": "What is left of the caller's rate, where there is a limit.", "schema": STRING},
    "RateLimit-Policy": {"description": "The limit, where there is one.", "schema": STRING},
    "WWW-Authenticate": {"description": "How to ask.", "schema": STRING, "required": True},
    "X-Request-ID": {"description": "By which the log knows the request.", "schema": STRING, "required": True},
}
# Headers of any reply of a status, of any that may cost something, and of any at all.
SENT_WITH = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
SENT_WITH_GUARDED = ("RateLimit", "RateLimit-Policy")
SENT_ALWAYS = ("X-Request-ID",)
SECURITY_SCHEMES: dict[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, `ir_...`, of scripts/keys.py."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
}
ABOUT = """Have I seen this picture before?

Errors are problem documents (RFC 9457); `detail` says what to do. Fields that are not described here are refused.

Keys are asked for where the operator wants them; beside each operation stands the scope that a key must
have."""


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document; the same for the same routes, whatever the time and the settings."""
    components = Components()
    paths: dict[str, dict[str, Any]] = {}
    for resource, endpoint, *urls in routes:
        for number, url in enumerate(urls):
            path = re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", url)
            paths[path] = {
                method: _operation(declared, (method, endpoint, path), components, deprecated=number > 0)
                for method, declared in operations(resource)
            }
    return {
        "openapi": "3.1.0",
        "info": {"title": "ImageRetrieval", "version": VERSION, "description": ABOUT, "license": {"name": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def operations(resource: Any) -> Iterator[tuple[str, Operation]]:
    """Method, in lower case, and what it declares."""
    for method in sorted(each.lower() for each in resource.methods):
        yield method, getattr(getattr(resource, method), DECLARED)


def _operation(
    declared: Operation, place: tuple[str, str, str], components: Components, deprecated: bool
) -> dict[str, Any]:
    method, endpoint, path = place
    name, need = f"{method}_{endpoint}", needed(endpoint, method.upper())
    about: dict[str, Any] = {"operationId": f"{name}_before" if deprecated else name, "summary": declared.summary}
    about["security"] = [] if need == "open" else [{"bearer": [need]}, {"header": [need]}, {}]
    if deprecated:
        about |= {"deprecated": True, "description": "For clients of the first version."}
    parameters = list(_parameters(declared, path, components))
    if parameters:
        about["parameters"] = parameters
    if declared.body:
        about["requestBody"] = {"required": True, "content": declared.body.media(components)}
    return {**about, "responses": _responses(declared, path, need, components)}


def _parameters(declared: Operation, path: str, components: Components) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)}", path):
        yield _parameter(name, "path", components.request(PATH_FIELDS[name]), required=True)
    fields = components.fields(declared.query) if declared.query else {}
    for name, schema in fields.get("properties", {}).items():
        yield _parameter(name, "query", schema, required=name in fields.get("required", ()))
    for name in declared.takes:
        yield {"name": name, "in": "header", **HEADERS[name]}


def _parameter(name: str, place: str, schema: Schema, required: bool) -> Schema:
    """There is no null in a URL."""
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    about = {key: schema[key] for key in ("description",) if key in schema}
    told = {key: value for key, value in kinds[0].items() if key != "description"}
    return {"name": name, "in": place, "required": required, **{**_described(kinds[0]), **about}, "schema": told}


def _described(schema: Schema) -> Schema:
    return {"description": schema["description"]} if "description" in schema else {}


def _responses(declared: Operation, path: str, need: Need, components: Components) -> dict[str, Schema]:
    problems = _by_status(_errors(declared, path, need))
    always = SENT_ALWAYS if need == "open" else (*SENT_WITH_GUARDED, *SENT_ALWAYS)
    responses = {
        status: _response(status, declared, problems.get(status, {}), components)
        for status in sorted({*declared.gives, *problems})
    }
    for status, response in responses.items():
        sent = (*declared.sends.get(status, ()), *SENT_WITH.get(status, ()), *always)
        response["headers"] = {name: HEADERS[name] for name in sent}
    return {str(status): response for status, response in responses.items()}


def _errors(declared: Operation, path: str, need: Need) -> Errors:
    """All that it can end in besides an answer."""
    routed = (NotFound,) if "{" in path else ()
    sent = (UnsupportedMedia, *declared.body.raises) if declared.body else ()
    guarded = () if need == "open" else GUARDED
    return (*COMMON, *guarded, *routed, *sent, *declared.raises)


def _by_status(errors: Errors) -> dict[int, dict[str, str]]:
    """Of each status the slugs of its problems, with what they mean."""
    found: dict[int, dict[str, str]] = {}
    for kind in errors:
        status, slug = described(kind)
        found.setdefault(status, {})[slug] = _meaning(kind)
    return found


def _response(status: int, declared: Operation, problems: Mapping[str, str], components: Components) -> Schema:
    kinds = declared.gives.get(status)
    content = _content(kinds, status, components) if kinds is not None else {}
    texts = [_meaning(kinds)] if status in declared.gives else []
    if problems:
        content[PROBLEM] = _problem(status, problems, content.get(PROBLEM), components)
        texts += [f"`{slug}`: {text}" for slug, text in problems.items()]
    response: Schema = {"description": "\n\n".join(texts), "content": content}
    return {key: value for key, value in response.items() if value}


def _content(kinds: Any, status: int, components: Components) -> dict[str, Schema]:
    return dict(_media(kind, status, components) for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))


def _media(kind: Any, status: int, components: Components) -> tuple[str, Schema]:
    if isinstance(kind, Text):
        return kind.content_type, {"schema": dict(kind.schema)}
    if isinstance(kind, Lines):
        line = components.reply(kind.kind)
        return LINES, {"schema": {**STRING, "description": "A line of JSON each."}, "x-line": line}
    schema = components.reply(kind)
    if status < 400:
        return JSON, _shown(schema, components)
    slug = slug_of(kind.__name__.removesuffix("Problem"))
    example = {**example_of(schema, components), **problem_document(status, slug, _meaning(kind))}
    return PROBLEM, {"schema": _typed(schema, [slug], status), "example": example}


def _problem(status: int, problems: Mapping[str, str], own: Schema | None, components: Components) -> Schema:
    """Of a status: those of the table, which have slugs of their own, or the operation's `own`."""
    plain = _typed(components.reply(Problem), list(problems), status)
    slug = next(iter(problems))
    example = problem_document(status, slug, problems[slug])
    if own is None:
        return {"schema": plain, "example": example}
    return {"schema": {"anyOf": [own["schema"], plain]}, "example": own["example"]}


def _typed(problem: Schema, slugs: list[str], status: int) -> Schema:
    types = [f"urn:imageretrieval:{slug}" for slug in slugs]
    return {"allOf": [problem, {"properties": {"type": {"enum": types}, "status": {"const": status}}}]}


def _shown(schema: Schema, components: Components) -> Schema:
    return {"schema": schema, "example": example_of(schema, components)}


def _meaning(kind: Any) -> str:
    """What a reply or an error says of itself."""
    if isinstance(kind, tuple):
        return _meaning(kind[0])
    if kind is None:
        return "Done; there is nothing to say."
    if not inspect.isclass(kind):
        return " Or: ".join(_meaning(each) for each in get_args(kind)) or "The answer."
    text = kind.description if issubclass(kind, HTTPException) else inspect.getdoc(kind)
    return " ".join((text or kind.__name__).split())
