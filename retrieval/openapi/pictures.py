"""How a picture stands in a request, as JSON Schema; payload.py reads it."""

from typing import Any

from retrieval.openapi.components import Schema

# A WebP of 48 x 36 pixels, so that the examples can be tried as they are.
EXAMPLE = (
    "UklGRsQAAABXRUJQVlA4TLcAAAAvL8AIAB8gECDGxDiVZkMgQJxrsqaAkIDonjjnfzP/8S8pIHBU27abfHqHUUxQNHwLtLsyjJRETla3gIOOjz5LeLR3"
    "NUT0X0iQYPKKsLZUjbEbZlSICEryLkAeQKneB/BU7wE4/177f3EBII+qUfRSxkEUvQQAkHZDphoRs4AZhEwlIpyAaST/XAAmJ5y54gGNE2POig9n/lQEjXWp"
    "uQai2XlJjAohjBD2QnyfMULYCzMqGCPMRVgA"
)
EXAMPLE_URL = "https://example.org/photo.jpg"

BASE64: Schema = {
    "type": "string",
    "description": "The picture's file in base64, plain or URL-safe; a data URI is taken too.",
    "contentEncoding": "base64",
}
SENT: dict[str, Schema] = {
    "url": {
        "type": "string",
        "description": "Where the service fetches the picture from: http or https.",
        "examples": [EXAMPLE_URL],
    },
    "base64": BASE64,
    "type": {
        "enum": ["url", "base64"],
        "description": "What `data` is, for clients of the first version.",
        "deprecated": True,
    },
    "data": {
        "type": "string",
        "description": "A URL or a picture in base64, for clients of the first version.",
        "deprecated": True,
    },
}
WAYS: list[Schema] = [{"required": ["url"]}, {"required": ["base64"]}, {"required": ["type", "data"]}]
FILE: Schema = {
    "type": "string",
    "contentMediaType": "application/octet-stream",
    "description": "The picture's file.",
}


def beside_a_picture(fields: Schema, more: dict[str, Schema] | None = None) -> Schema:
    """An object with one picture and these fields. In JSON, a way to give it that is null is not given."""
    nullable = ("url", "base64", "data")
    sent = SENT | {name: {**SENT[name], "type": ["string", "null"]} for name in nullable} | {"image": {"type": "null"}}
    ways = [
        {**way, "properties": {name: {"type": "string" if name in way["required"] else "null"} for name in nullable}}
        for way in WAYS
    ]
    return closed({**sent, **(more or {}), **fields.get("properties", {})}, fields, oneOf=ways)


def form_with_a_picture(fields: Schema, files: dict[str, Schema] | None = None) -> Schema:
    """The same of a form, which has no null; `files` are further ways to give the picture."""
    ways = [*WAYS, *({"required": [name]} for name in files or {})]
    return closed({**SENT, **(files or {}), **fields.get("properties", {})}, fields, oneOf=ways)


def closed(properties: dict[str, Schema], fields: Schema, required: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with these properties and no others; what `fields` require is required."""
    needed = [*required, *fields.get("required", [])]
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**schema, "required": needed} if needed else schema
