"""What all schemas of requests share: their base, and the types that recur."""

import json
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Self

from flask import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from retrieval.errors import BadPayload
from retrieval.payload import FORMS, read_fields
from retrieval.strict_json import parse_json

DEFAULT_COLLECTION = "default"
COLLECTION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
MAX_ID = 512
# For those who read the document; valid_id says all of it, about more characters than an expression should name.
ID_PATTERN = r"^[^\\/\x00-\x1f\x7f-\x9f]+(/[^\\/\x00-\x1f\x7f-\x9f]+)*$"
MAX_METADATA_BYTES = 65536


def valid_id(image_id: str) -> str:
    """An image id: a name or a relative path, such as `cats/1.jpg`. Raises ValueError that says what is wrong."""
    if not 0 < len(image_id) <= MAX_ID:
        raise ValueError(f"an id has 1 to {MAX_ID} characters")
    if "\\" in image_id or any(unicodedata.category(letter)[0] == "C" for letter in image_id):
        raise ValueError("an id has no control characters and no backslashes")
    if any(part in ("", ".", "..") for part in image_id.split("/")):
        raise ValueError("an id is a name or a relative path: no part of it is empty, '.' or '..'")
    return image_id


def _valid_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(f"metadata takes at most {MAX_METADATA_BYTES} bytes as JSON")
    return metadata


def from_text(value: Any) -> Any:
    """A form has only strings: there, an object is JSON text. Raises ValueError, which is told with the field."""
    try:
        return parse_json(value) if isinstance(value, str) else value
    except BadPayload as error:
        raise ValueError(str(error)) from None


def _names(value: Any) -> Any:
    """A form has them as "one,other"; JSON as a list."""
    given = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise ValueError('a list of names of collections, such as ["masters"]')
    return tuple(dict.fromkeys(given))


CollectionName = Annotated[str, Field(pattern=COLLECTION_PATTERN, examples=[DEFAULT_COLLECTION])]
ImageId = Annotated[
    str,
    AfterValidator(valid_id),
    Field(
        description="A name or a relative path; no part of it is empty, '.' or '..'.",
        examples=["cats/1.jpg"],
        json_schema_extra={"minLength": 1, "maxLength": MAX_ID, "pattern": ID_PATTERN},
    ),
]
Metadata = Annotated[
    dict[str, Any],
    BeforeValidator(from_text),
    AfterValidator(_valid_metadata),
    Field(description=f"Anything of yours, at most {MAX_METADATA_BYTES} bytes as JSON."),
]
Score = Annotated[float, Field(ge=-1, le=1)]
Precision = Annotated[float, Field(gt=0, lt=1)]
Names = Annotated[tuple[CollectionName, ...], Field(max_length=16), BeforeValidator(_names)]


class Fields(BaseModel):
    """Fields of a body or a query string; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, fields: dict[str, Any], strict: bool, place: str = "") -> Self:
        """`strict`: types count as they are; otherwise strings are read as numbers and the like.

        Raises BadPayload; it names the field, which stands at `place`.
        """
        try:
            return cls.model_validate(fields, strict=strict or None)  # None: as the model of each part says
        except ValidationError as error:
            raise BadPayload("; ".join(place + _explain(problem) for problem in error.errors())) from None

    @classmethod
    def of_each(cls, items: Sequence[dict[str, Any]], strict: bool) -> list[Self]:
        """The fields of each picture of a batch. Raises BadPayload."""
        return [cls.of(item, strict, f"images.{number}.") for number, item in enumerate(items)]

    @classmethod
    def of_body(cls, request: Request) -> Self:
        """The fields of a body without a picture. Raises BadPayload, UnsupportedMedia."""
        return cls.of(read_fields(request), strict=is_strict(request))

    @classmethod
    def of_query(cls, request: Request) -> Self:
        """The fields of a query string. Raises BadPayload."""
        repeated = [name for name, values in request.args.lists() if len(values) > 1]
        if repeated:
            raise BadPayload(f"{repeated[0]}: given more than once")
        return cls.of(request.args.to_dict(), strict=False)


def is_strict(request: Request) -> bool:
    """Whether a request's body has types of its own (JSON), rather than strings only (forms)."""
    return request.mimetype not in FORMS


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    message = "unknown field" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message  # of the fields together, which names them
