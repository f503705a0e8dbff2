"""The document as one page of HTML: no script, nothing from elsewhere, readable without either."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from retrieval.openapi.components import Schema

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "page.css").read_text(encoding="utf-8")
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
METHODS = ("get", "post", "patch", "delete")  # in the order of the page
LIMITS = {"minimum": ">= {}", "maximum": "<= {}", "exclusiveMinimum": "> {}", "exclusiveMaximum": "< {}"}


@dataclass(frozen=True)
class Row:
    """A field of a request: its name, what it may be, and what it means."""

    name: str
    kind: str
    required: bool
    about: str


def page(document: dict[str, Any]) -> str:
    """All operations with their fields, replies and examples."""
    loader = FileSystemLoader(FOLDER)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["code"] = _code
    reader = _Reader(document)
    return environment.get_template("page.html").render(
        info=document["info"], operations=list(reader.operations()), style=STYLE
    )


class _Reader:
    """Looks the document's schemas up."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def operations(self) -> Iterator[dict[str, Any]]:
        """In the order of the routes, what stands on the page of each."""
        for path, methods in self._document["paths"].items():
            for method in (each for each in METHODS if each in methods):
                about = methods[method]
                yield {
                    "method": method.upper(),
                    "path": path,
                    "about": about,
                    "deprecated": about.get("deprecated", False),
                    "rows": [*map(self._parameter, about.get("parameters", [])), *self._sent(about)],
                    "commands": list(_commands(method, path, about)),
                    "replies": [(status, each, _example(each)) for status, each in about["responses"].items()],
                }

    def _parameter(self, parameter: Schema) -> Row:
        name = f"{parameter['name']} ({parameter['in']})"
        about = parameter.get("description", "")
        return Row(name, self._kind(parameter["schema"]), parameter.get("required", False), about)

    def _sent(self, about: Schema) -> list[Row]:
        """The fields of a JSON body; of several kinds of body each field once."""
        content = about.get("requestBody", {}).get("content", {})
        if not content:
            return []
        schema = self._resolved(content["application/json"]["schema"])
        kinds = [self._resolved(each) for each in schema.get("oneOf", [schema])]
        rows: dict[str, Row] = {}
        for name, field in (each for kind in kinds for each in kind["properties"].items()):
            required = all(name in kind.get("required", ()) for kind in kinds)
            if not _is_idle(field):
                rows.setdefault(name, Row(name, self._kind(field), required, self._about(field)))
        return list(rows.values())

    def _kind(self, schema: Schema) -> str:
        schema = self._resolved(schema)
        if "enum" in schema:
            return " | ".join(json.dumps(each) for each in schema["enum"])
        if "const" in schema:
            return json.dumps(schema["const"])
        if "type" not in schema:
            return " or ".join(dict.fromkeys(self._kind(each) for each in _parts(schema)))
        limits = [text.format(schema[key]) for key, text in LIMITS.items() if key in schema]
        kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]  # the other is null
        return ", ".join([kind, *limits])

    def _about(self, schema: Schema) -> str:
        told = next((each["description"] for each in self._within(schema) if "description" in each), "")
        default = schema.get("default")
        return f"{told} Default: `{json.dumps(default)}`." if default not in (None, []) else str(told)

    def _within(self, schema: Schema) -> list[Schema]:
        return [schema, self._resolved(schema), *map(self._resolved, _parts(schema))]

    def _resolved(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        found: Schema = self._document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema
        return found


def _parts(schema: Schema) -> list[Schema]:
    parts = [each for key in ("anyOf", "oneOf") for each in schema.get(key, [])]
    return [each for each in parts if each.get("type") != "null"]


def _is_idle(field: Schema) -> bool:
    """Whether a newcomer need not know of it."""
    return field.get("type") == "null" or field.get("deprecated", False)


def _code(text: str) -> Markup:
    """`names` between backticks as they are meant."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped before


def _commands(method: str, path: str, about: Schema) -> Iterator[str]:
    """Lines for a shell that can be tried as they are."""
    for parameter in about.get("parameters", []):
        path = path.replace(f"{{{parameter['name']}}}", str(next(iter(parameter["schema"].get("examples", [])), "")))
    verb = {"get": "", "post": ""}.get(method, f"-X {method.upper()} ")
    content = about.get("requestBody", {}).get("content", {})
    if not content:
        yield f'curl {verb}"$SERVICE{path}"'
    if "base64" in (examples := content.get("application/json", {}).get("examples", {})):
        yield f'curl -F image=@photo.jpg "$SERVICE{path}"'
    for example in examples.values():
        yield f"curl {verb}--json '{json.dumps(example['value'])}' \"$SERVICE{path}\""


def _example(reply: Schema) -> str:
    """Of the first content type that has one."""
    shown = [each["example"] for each in reply.get("content", {}).values() if "example" in each]
    return json.dumps(shown[0], indent=2, ensure_ascii=False) if shown else ""
