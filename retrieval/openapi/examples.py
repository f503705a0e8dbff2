"""Examples of replies, put together from those of their fields."""

from typing import Any

from retrieval.openapi.components import Components, Schema


def example_of(schema: Schema, components: Components) -> Any:
    """A value that the schema describes, if its fields have examples."""
    schema = components.resolved(schema)
    if "allOf" in schema:
        return _whole(schema["allOf"], components)
    for key in ("anyOf", "oneOf"):
        if key in schema and "examples" not in schema:
            return example_of(schema[key][0], components)
    return _plain(schema, components)


def _plain(schema: Schema, components: Components) -> Any:
    if "const" in schema:
        return schema["const"]
    for key in ("examples", "enum"):
        if key in schema:
            return schema[key][0]
    if "properties" in schema:
        wanted: list[str] = schema.get("required", list(schema["properties"]))
        return {name: example_of(each, components) for name, each in schema["properties"].items() if name in wanted}
    return [example_of(schema["items"], components)] if schema.get("type") == "array" else {}


def _whole(parts: list[Schema], components: Components) -> Any:
    """What all the parts say; what a later one says of a field counts."""
    return {name: value for part in parts for name, value in example_of(part, components).items()}
