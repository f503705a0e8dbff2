"""Kinds of bodies: each reads a request, and tells /openapi.json what it takes."""

from dataclasses import dataclass
from typing import Any

from flask import Request

from retrieval.fields import Fields, is_strict
from retrieval.openapi.components import Components, Schema
from retrieval.openapi.forms import as_form
from retrieval.openapi.operations import PICTURES, Errors
from retrieval.openapi.pictures import BASE64, EXAMPLE, EXAMPLE_URL, FILE, beside_a_picture, closed, form_with_a_picture
from retrieval.payload import FORMS, Payload, read_fields, read_payload, refuse_files
from retrieval.settings import InputSettings

JSON = "application/json"
MULTIPART, URLENCODED = FORMS


@dataclass(frozen=True)
class Plain:
    """Fields without a picture."""

    fields: type[Fields]
    raises: Errors = ()

    def read(self, request: Request, limits: InputSettings) -> Fields:  # noqa: ARG002
        """The fields. Raises BadPayload, UnsupportedMedia."""
        return self.fields.of_body(request)

    def media(self, components: Components) -> dict[str, Schema]:
        """JSON, or a form."""
        whole = components.fields(self.fields)
        form = components.put(f"{self.fields.__name__}Form", as_form(whole, components))
        examples = {"json": _example(whole)} if _example(whole) else {}
        return {JSON: {"schema": components.request(self.fields), **_named(examples)}, **_forms(form)}


@dataclass(frozen=True)
class SentPictures:
    """What a request with pictures says: `fields` of all of them, and `own` of each."""

    payload: Payload
    fields: Any
    own: list[Any]


@dataclass(frozen=True)
class Pictures:
    """A picture, or several as `images`, with fields beside.

    one, several: what may be said beside one picture, and beside several.
    each:         what each of several says for itself; if `one` is such, of one picture it is all the same object.
    """

    name: str
    one: type[Fields]
    several: type[Fields]
    each: type[Fields]
    raises: Errors = PICTURES

    def read(self, request: Request, limits: InputSettings) -> SentPictures:
        """Raises BadPayload, UnsupportedMedia."""
        payload, strict = read_payload(request, limits), is_strict(request)
        fields = (self.several if payload.is_batch else self.one).of(payload.fields, strict)
        own = [fields] if isinstance(fields, self.each) else self.each.of_each(payload.items, strict)
        return SentPictures(payload, fields, own)

    def media(self, components: Components) -> dict[str, Schema]:
        """JSON, or a form with files."""
        one, several, each = (components.fields(kind) for kind in (self.one, self.several, self.each))
        item = components.put(f"{self.name}Item", beside_a_picture(each))
        images = {"type": "array", "minItems": 1, "items": {"anyOf": [item, BASE64]}}
        about = "Several pictures, at most `input.max_batch` (32)."
        listed = {"images": {**images, "description": about}}
        single = beside_a_picture(one, {"images": {"type": "null"}})
        json = self._either(components, "", single, _beside(listed, several))
        files = {
            "images": {"type": "array", "minItems": 1, "items": FILE, "description": about},
            "items": _items(components.request(self.each)),
        }
        one, several = as_form(one, components), as_form(several, components)
        upload = self._either(components, "Upload", form_with_a_picture(one, {"image": FILE}), _beside(files, several))
        text = components.put(f"{self.name}OneForm", form_with_a_picture(one))
        return {JSON: {**json, **_named(self._examples(components))}, MULTIPART: upload, URLENCODED: {"schema": text}}

    def _either(self, components: Components, kind: str, one: Schema, several: Schema) -> Schema:
        single = components.put(f"{self.name}One{kind}", one)
        return {"schema": {"oneOf": [single, components.put(f"{self.name}Several{kind}", several)]}}

    def _examples(self, components: Components) -> dict[str, Any]:
        one, several, each = (_example(components.fields(kind)) for kind in (self.one, self.several, self.each))
        images = [{"base64": EXAMPLE, **each}, {"url": EXAMPLE_URL}]
        return {
            "base64": {"base64": EXAMPLE, **one},
            "url": {"url": EXAMPLE_URL, **one},
            "several": {"images": images, **several},
        }


@dataclass(frozen=True)
class SentSides:
    """Two pictures as they were given, by name, and the fields beside."""

    sides: dict[str, Any]
    fields: Any


@dataclass(frozen=True)
class Sides:
    """Pictures `a` and `b`, each sent or stored, with fields beside."""

    fields: type[Fields]
    stored: type[Fields]
    raises: Errors = PICTURES

    def read(self, request: Request, limits: InputSettings) -> SentSides:  # noqa: ARG002
        """Raises BadPayload, UnsupportedMedia."""
        fields = read_fields(request)
        sides = {name: fields.pop(name, None) for name in ("a", "b")}
        refuse_files(fields)
        return SentSides(sides, self.fields.of(fields, is_strict(request)))

    def media(self, components: Components) -> dict[str, Schema]:
        """JSON, or a form with files or JSON as text."""
        whole = components.fields(self.fields)
        picture = components.put("Picture", beside_a_picture({}))
        about = 'A picture, `{"base64": ...}` or `{"url": ...}`, or a stored one: `{"id": ..., "collection": ...}`.'
        side = components.put("Side", {"description": about, "oneOf": [picture, components.request(self.stored)]})
        text = {"type": "string", "contentMediaType": JSON, "contentSchema": side}
        form = as_form(whole, components)
        sent = {name: _two(each, fields) for name, each, fields in (("", side, whole), ("Form", text, form))}
        upload = _two({"anyOf": [FILE, text]}, form)
        examples = {"pictures": {"a": {"base64": EXAMPLE}, "b": {"base64": EXAMPLE}, **_example(whole)}}
        refer = {name: {"schema": components.put(f"Compare{name}", each)} for name, each in sent.items()}
        named = {"schema": components.put("CompareUpload", upload)}
        return {JSON: {**refer[""], **_named(examples)}, MULTIPART: named, URLENCODED: refer["Form"]}


def _two(side: Schema, fields: Schema) -> Schema:
    return closed({"a": side, "b": side, **fields["properties"]}, fields, ("a", "b"))


def _beside(images: dict[str, Schema], fields: Schema) -> Schema:
    return closed({**images, **fields.get("properties", {})}, fields, ("images",))


def _items(each: Schema) -> Schema:
    about = 'A list in JSON with an object for each file, such as [{"id": "1"}, {}].'
    listed = {"type": "array", "items": each}
    return {"type": "string", "description": about, "contentMediaType": JSON, "contentSchema": listed}


def _forms(form: Schema) -> dict[str, Schema]:
    return {MULTIPART: {"schema": form}, URLENCODED: {"schema": form}}


def _named(examples: dict[str, Any]) -> Schema:
    return {"examples": {name: {"value": value} for name, value in examples.items()}} if examples else {}


def _example(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(schema.get("examples", [])), {})
    return found
