"""What requests may say and what replies look like: the HTTP contract's fields, validated by pydantic."""

import json
import unicodedata
from typing import Annotated, Any, Literal, Self

from flask import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from index_store import Policy, Reciprocal, Refinement
from index_store.policy import DEFAULT as DEFAULT_POLICY
from retrieval.errors import BadPayload
from retrieval.payload import FORMS, parse_json, read_fields

DEFAULT_COLLECTION = "default"
COLLECTION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
MAX_ID = 512
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


def _from_text(value: Any) -> Any:
    """A form has only strings: there, an object is JSON text."""
    return parse_json(value) if isinstance(value, str) else value


def _valid_policy(keep: str) -> str:
    return ",".join(Policy.parse(keep).rules)


CollectionName = Annotated[str, Field(pattern=COLLECTION_PATTERN)]
ImageId = Annotated[str, AfterValidator(valid_id)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_from_text), AfterValidator(_valid_metadata)]
Score = Annotated[float, Field(ge=-1, le=1)]


class _Fields(BaseModel):
    """Fields of a body or a query string; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, fields: dict[str, Any], strict: bool) -> Self:
        """`strict`: types count as they are; otherwise strings are read as numbers and the like. Raises BadPayload."""
        try:
            return cls.model_validate(fields, strict=strict or None)  # None: as the model of each part says
        except ValidationError as error:
            raise BadPayload("; ".join(_explain(problem) for problem in error.errors())) from None

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


class RefineFields(BaseModel):
    """`refine` of POST /search: any of three steps. Meant for finding similar pictures; see docs/search.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    expand: Literal["average", "alpha"] | None = None
    expand_k: int = Field(default=5, ge=1, le=100)
    alpha: float = Field(default=3.0, ge=0, le=100)
    augment_k: int | None = Field(default=None, ge=1, le=50)
    rerank: Literal["k-reciprocal"] | None = None
    k1: int = Field(default=20, ge=1, le=100)
    k2: int = Field(default=6, ge=1, le=100)
    lambda_: float = Field(default=0.3, ge=0, le=1, alias="lambda")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.expand or self.augment_k or self.rerank):
            raise ValueError("names nothing to do; give expand, augment_k or rerank, or leave refine out")
        if idle := self.model_fields_set & self._idle():
            names = sorted(name.removesuffix("_") for name in idle)
            raise ValueError(f"{', '.join(names)}: without the step that it belongs to")
        if "k2" in self.model_fields_set and self.k2 > self.k1:
            raise ValueError(f"k2 {self.k2} is more than k1 {self.k1}")
        return self

    def _idle(self) -> set[str]:
        """Parameters that would change nothing: refused, as a misspelt field is."""
        idle = set() if self.expand else {"expand_k"}
        idle |= set() if self.expand == "alpha" else {"alpha"}
        return idle | (set() if self.rerank else {"k1", "k2", "lambda_"})

    def refinement(self, depth: int) -> Refinement:
        """The same as the store takes it; `depth` candidates are refined."""
        return Refinement(
            depth=depth,
            expand_k=self.expand_k if self.expand else 0,
            alpha=self.alpha if self.expand == "alpha" else 0.0,
            augment_k=self.augment_k or 0,
            rerank=Reciprocal(self.k1, min(self.k2, self.k1), self.lambda_) if self.rerank else None,
        )


def _object_from_text(value: Any) -> Any:
    value = _from_text(value)
    if not isinstance(value, dict):
        raise ValueError('an object, such as {"expand": "alpha"}')
    return value


Refine = Annotated[RefineFields, BeforeValidator(_object_from_text)]


class SearchFields(_Fields):
    """POST /search, besides the picture."""

    collection: CollectionName = DEFAULT_COLLECTION
    top_k: int | None = Field(default=None, ge=1)
    min_score: Score | None = None
    mode: Literal["fast"] = "fast"
    refine: Refine | None = None


class AddFields(_Fields):
    """POST /add, besides the picture."""

    collection: CollectionName = DEFAULT_COLLECTION
    id: ImageId | None = None
    metadata: Metadata = Field(default_factory=dict)
    on_duplicate: Literal["keep", "reject"] = "keep"
    wait: bool = True


class CollectionQuery(_Fields):
    """Which collection a request is about."""

    collection: CollectionName = DEFAULT_COLLECTION


class ListQuery(CollectionQuery):
    """GET /images."""

    after: int = Field(default=0, ge=0, lt=2**63)
    limit: int = Field(default=100, ge=1, le=1000)


class PatchFields(_Fields):
    """PATCH /images/ID."""

    metadata: Metadata


class NewCollection(_Fields):
    """POST /collections."""

    name: CollectionName
    threshold: Score | None = None


class DuplicateOptions(_Fields):
    """Which duplicate groups: `options` of POST /jobs {"kind": "duplicates"}; see docs/duplicates.md."""

    keep: Annotated[str, AfterValidator(_valid_policy)] = DEFAULT_POLICY
    min_score: Score | None = None
    relation: Literal["near", "identical", "exact"] = "near"
    against: CollectionName | None = None


class DuplicatesQuery(DuplicateOptions):
    """GET /collections/NAME/duplicates."""

    after: str | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class NewJob(_Fields):
    """POST /jobs. What `options` may say depends on the kind: OPTIONS has those that take any."""

    kind: Literal["ingest", "rebuild", "duplicates"]
    collection: CollectionName | None = None
    options: Annotated[dict[str, Any], BeforeValidator(_from_text)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_collection(self) -> Self:
        if self.kind == "duplicates" and self.collection is None:
            raise ValueError("a search for duplicates is of one collection; name it")
        return self

    def checked_options(self, strict: bool) -> dict[str, Any]:
        """The options as the job takes them, defaults written out. Raises BadPayload."""
        if fields := OPTIONS.get(self.kind):
            return fields.of(self.options, strict).model_dump(mode="json")
        if self.options:
            raise BadPayload(f"options: a job of kind {self.kind!r} takes none")
        return {}


OPTIONS: dict[str, type[_Fields]] = {"duplicates": DuplicateOptions}


def is_strict(request: Request) -> bool:
    """Whether a request's body has types of its own (JSON), rather than strings only (forms)."""
    return request.mimetype not in FORMS


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    message = "unknown field" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message}"
