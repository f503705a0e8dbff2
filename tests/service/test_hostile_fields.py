"""Attacks by what fields say: too large, of another kind, unknown; each field that /openapi.json tells of."""

from collections.abc import Iterator
from typing import Any

import pytest

from app import CONTRACT
from tests.service.attacked import server, untouched
from tests.service.server import Server

pytestmark = pytest.mark.any_extractor

__all__ = ["server"]  # a fixture

HUGE = "A" * 400_000  # more than any field may have, less than a request
OVERSIZED = {
    "string": [HUGE, "\u0000" * 10, "é" * 100_000],
    "integer": [10**30, -(10**30)],
    "number": [10**300, -(10**300)],
    "boolean": [HUGE],
    "array": [["a"] * 20_000],
    "object": [{"a": HUGE}, {str(n): n for n in range(20_000)}],
}
OTHER_KINDS = [5, 1.5, True, "text", [], [5], {"a": {}}]
FITS = {"string": str, "integer": int, "number": int | float, "boolean": bool, "array": list, "object": dict}


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = CONTRACT.document["components"]["schemas"]
    return found


def resolved(schema: Any) -> Any:
    return schemas()[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def kinds(schema: Any) -> set[str]:
    """The JSON types that a field may have."""
    schema = resolved(schema)
    parts = [each for key in ("anyOf", "oneOf") for each in schema.get(key, [])]
    if parts and "type" not in schema:
        return {kind for each in parts for kind in kinds(each)}
    given = schema.get("type", "string")
    return {given} if isinstance(given, str) else set(given)


def bodies() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Method, path, an example and the fields of each JSON body."""
    for path, methods in CONTRACT.document["paths"].items():
        for method, about in methods.items():
            media = about.get("requestBody", {}).get("content", {}).get("application/json")
            if media:
                schema = resolved(media["schema"])
                example = next(iter(media["examples"].values()))["value"]
                for each in map(resolved, schema.get("oneOf", [schema])):
                    yield method.upper(), path, example, each["properties"]


FIELDS = sorted({(method, path, name) for method, path, _, fields in bodies() for name in fields})
FREE = {"metadata", "options", "data", "base64", "url"}  # pictures and what is of any shape have tests of their own


def of_field(method: str, path: str, name: str) -> tuple[dict[str, Any], set[str]]:
    found = next(each for each in bodies() if each[:2] == (method, path) and name in each[3])
    return dict(found[2]), kinds(found[3][name])


def refused(server: Server, method: str, path: str, document: Any) -> None:
    place = path.format(name="default", image_id="cats/1.jpg")
    answer = server.ask(method, place, json=document)
    assert 400 <= answer.status_code < 500, (path, answer.text[:300])


@pytest.mark.parametrize(("method", "path", "name"), FIELDS)
def test_an_oversized_value_in_any_field_is_refused(server, method, path, name):
    example, allowed = of_field(method, path, name)
    for kind in allowed & set(OVERSIZED):
        for value in OVERSIZED[kind]:
            refused(server, method, path, {**example, name: value})
    assert untouched(server)


@pytest.mark.parametrize(("method", "path", "name"), [each for each in FIELDS if each[2] not in FREE])
def test_a_value_of_another_kind_in_any_field_is_refused(server, method, path, name):
    example, allowed = of_field(method, path, name)
    for value in OTHER_KINDS:
        fits = any(isinstance(value, FITS[kind]) for kind in allowed - {"null"})
        if not fits or (isinstance(value, bool) and "boolean" not in allowed):
            refused(server, method, path, {**example, name: value})
    assert untouched(server)


@pytest.mark.parametrize(("method", "path"), sorted({each[:2] for each in FIELDS}))
def test_an_unknown_field_in_any_body_is_refused(server, method, path):
    example, _ = of_field(method, path, next(name for *place, name in FIELDS if tuple(place) == (method, path)))
    for name in ("colection", "__proto__", "__class__", "", "id ", "metadata.x"):
        refused(server, method, path, {**example, name: "x"})
    assert untouched(server)


QUERIES = sorted(
    (path, parameter["name"])
    for path, methods in CONTRACT.document["paths"].items()
    for parameter in methods.get("get", {}).get("parameters", [])
    if parameter["in"] == "query"
)


@pytest.mark.parametrize(("path", "name"), QUERIES)
def test_an_oversized_value_in_any_parameter_is_refused(server, path, name):
    place = path.format(name="default", image_id="cats/1.jpg")
    for value in ("9" * 3000, "-" + "9" * 3000, "a" * 3000 + "/", "%00", "%ff", "1e999", "é" * 500 + "/"):
        answer = server.ask("GET", f"{place}?{name}={value}")
        assert 400 <= answer.status_code < 500, (value[:20], answer.text[:300])


def test_every_operation_was_attacked():
    assert len(FIELDS) >= 40
    assert {path for _, path, _ in FIELDS} >= {"/search", "/add", "/compare", "/pairs", "/jobs", "/collections"}
