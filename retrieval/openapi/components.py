"""Types -> JSON Schemas, each named once among the components of the document."""

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

REFERENCE = "#/components/schemas/{model}"
Schema = dict[str, Any]


class _Schemas(GenerateJsonSchema):
    """Replies are closed: what is not told of is not sent. Names say enough, so there are no titles."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        return {**super().typed_dict_schema(schema), "additionalProperties": False}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


class Components:
    """The schemas of a document by name. Methods raise ValueError where two types have one name."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._made: dict[tuple[type, JsonSchemaMode], Schema] = {}

    def reply(self, kind: Any) -> Schema:
        """What is sent of a type or a union of types."""
        return self._of(kind, "serialization")

    def request(self, kind: Any) -> Schema:
        """What is accepted as a type."""
        return self._of(kind, "validation")

    def fields(self, kind: Any) -> Schema:
        """The whole schema of a model rather than its name, to be made part of another."""
        return dict(self._generated(kind, "validation"))

    def put(self, name: str, schema: Schema) -> Schema:
        """Name a schema; gives the reference to it."""
        schema = {key: value for key, value in schema.items() if key != "title"}
        if self.schemas.setdefault(name, schema) != schema:
            raise ValueError(f"two schemas are named {name}")
        return {"$ref": REFERENCE.format(model=name)}

    def resolved(self, schema: Schema) -> Schema:
        """What a reference refers to."""
        reference = schema.get("$ref")
        return self.schemas[reference.rpartition("/")[2]] if reference else schema

    def _of(self, kind: Any, mode: JsonSchemaMode) -> Schema:
        known = (kind, mode) if isinstance(kind, type) else None
        if known in self._made:
            return self._made[known]
        schema = self._referred(kind, mode)
        if known:
            self._made[known] = schema
        return schema

    def _referred(self, kind: Any, mode: JsonSchemaMode) -> Schema:
        schema = self._generated(kind, mode)
        return self.put(kind.__name__, schema) if schema.get("type") == "object" and "title" in schema else schema

    def _generated(self, kind: Any, mode: JsonSchemaMode) -> Schema:
        schema = TypeAdapter(kind).json_schema(ref_template=REFERENCE, schema_generator=_Schemas, mode=mode)
        for name, each in schema.pop("$defs", {}).items():
            self.put(name, each)
        return schema
