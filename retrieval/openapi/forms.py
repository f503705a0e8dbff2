"""The fields of a JSON body as those of a form, which has only strings: objects are JSON text, lists have commas."""

from retrieval.openapi.components import Components, Schema


def as_form(schema: Schema, components: Components) -> Schema:
    """The same object, to be sent as a form."""
    properties = {name: _text(each, components) for name, each in schema.get("properties", {}).items()}
    return {**{key: value for key, value in schema.items() if key != "examples"}, "properties": properties}


def _text(schema: Schema, components: Components) -> Schema:
    """How the value of a field is written."""
    about = {key: value for key, value in schema.items() if key in ("description", "deprecated")}
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    kind = components.resolved(kinds[0]) if len(kinds) == 1 else kinds[0]
    if len(kinds) < len(schema.get("anyOf", kinds)) and "default" not in schema:  # null says something
        return {**about, "anyOf": [kind, {"enum": ["null", ""]}]}
    if kind.get("type") == "object" or len(kinds) > 1:
        return {**about, "type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    if kind.get("type") == "array":
        return {**about, "type": "string", "description": "Names with commas between.", "examples": ["masters,archive"]}
    return {**about, **{key: value for key, value in kind.items() if key not in ("default", "title")}}
