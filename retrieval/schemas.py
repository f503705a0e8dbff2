"""What requests may say: the HTTP contract's fields, validated by pydantic."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from index_store import Policy
from index_store.policy import DEFAULT as DEFAULT_POLICY
from retrieval.errors import BadPayload
from retrieval.fields import (
    DEFAULT_COLLECTION,
    CollectionName,
    Fields,
    ImageId,
    Metadata,
    Names,
    Precision,
    Score,
    from_text,
)
from retrieval.options import AddOptions, CompareOptions, Mode, SearchOptions
from retrieval.refine_fields import Refine


def _valid_policy(keep: str) -> str:
    return ",".join(Policy.parse(keep).rules)


class SearchFields(Fields):
    """POST /search, besides the pictures."""

    collection: CollectionName = DEFAULT_COLLECTION
    top_k: int | None = Field(default=None, ge=1)
    min_score: Score | None = None
    target_precision: Precision | None = None
    mode: Mode | None = None
    refine: Refine | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.min_score is not None and self.target_precision is not None:
            raise ValueError("min_score and target_precision: give one of them, not both")
        if self.refine and self.mode == "thorough":
            raise ValueError("refine works on whole pictures: give it with mode fast")
        return self

    def options(self, refine_depth: int) -> SearchOptions:
        """The same as the Retriever takes it."""
        plain = {name: getattr(self, name) for name in type(self).model_fields if name != "refine"}
        return SearchOptions(**plain, refinement=self.refine.refinement(refine_depth) if self.refine else None)


class CompareFields(Fields):
    """POST /compare, besides the two pictures."""

    collection: CollectionName | None = None
    target_precision: Precision | None = None
    mode: Mode | None = None

    def options(self) -> CompareOptions:
        """The same as the Comparer takes it."""
        return CompareOptions(self.collection, self.target_precision, self.mode)


class StoredFields(Fields):
    """A stored picture in a POST /compare."""

    id: ImageId
    collection: CollectionName | None = None


class NoFields(Fields):
    """What each picture of a POST /search has for itself."""


class ItemFields(Fields):
    """What each picture of a POST /add has for itself."""

    id: ImageId | None = None
    metadata: Metadata = Field(default_factory=dict)


class BatchFields(Fields):
    """What the pictures of a POST /add have in common."""

    collection: CollectionName = DEFAULT_COLLECTION
    on_duplicate: Literal["keep", "reject"] = "keep"
    against: Names = ()
    target_precision: Precision | None = None
    mode: Mode | None = None
    wait: bool = True

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.wait and self.model_fields_set & {"against", "target_precision", "mode"}:
            raise ValueError("against, target_precision and mode need an answer to wait for: leave `wait` at true")
        if self.collection in self.against:
            raise ValueError("against: names the collection itself, which is compared with in any case")
        return self

    def options(self) -> AddOptions:
        """The same as the Retriever takes it."""
        reject = self.on_duplicate == "reject"
        return AddOptions(self.collection, reject, self.against, self.target_precision, self.mode)


class AddFields(BatchFields, ItemFields):
    """POST /add with one picture, besides it."""


class CollectionQuery(Fields):
    """Which collection a request is about."""

    collection: CollectionName = DEFAULT_COLLECTION


class ListQuery(CollectionQuery):
    """GET /images."""

    after: int = Field(default=0, ge=0, lt=2**63)
    limit: int = Field(default=100, ge=1, le=1000)


class PatchFields(Fields):
    """PATCH /images/ID."""

    metadata: Metadata


class NewCollection(Fields):
    """POST /collections."""

    name: CollectionName
    threshold: Score | None = None


class DuplicateOptions(Fields):
    """Which duplicate groups: `options` of POST /jobs {"kind": "duplicates"}; see docs/duplicates.md."""

    keep: Annotated[str, AfterValidator(_valid_policy)] = DEFAULT_POLICY
    min_score: Score | None = None
    relation: Literal["near", "identical", "exact"] = "near"
    against: CollectionName | None = None


class DuplicatesQuery(DuplicateOptions):
    """GET /collections/NAME/duplicates."""

    after: str | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class PatchCollection(Fields):
    """PATCH /collections/NAME."""

    threshold: Score | None


class NewJob(Fields):
    """POST /jobs. What `options` may say depends on the kind: OPTIONS has those that take any."""

    kind: Literal["ingest", "rebuild", "calibrate", "duplicates"]
    collection: CollectionName | None = None
    options: Annotated[dict[str, Any], BeforeValidator(from_text)] = Field(default_factory=dict)

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


OPTIONS: dict[str, type[Fields]] = {"duplicates": DuplicateOptions}
