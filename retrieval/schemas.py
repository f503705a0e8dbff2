"""What requests may say: the HTTP contract's fields, validated by pydantic."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

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

MODE = "`thorough` also looks for parts of the picture; `search.mode` unless given."
THRESHOLD = "Score from which a match is a duplicate; null for none of its own."
Searched = Annotated[CollectionName, Field(description="The collection.")]
MinScore = Annotated[Score, Field(description="Leaves out what scores less.")]
TargetPrecision = Annotated[Precision, Field(description="Takes the threshold from the calibration.")]


def _valid_policy(keep: str) -> str:
    return ",".join(Policy.parse(keep).rules)


class SearchFields(Fields):
    """POST /search, besides the pictures."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"top_k": 3}]})

    collection: Searched = DEFAULT_COLLECTION
    top_k: int | None = Field(default=None, ge=1, description="Matches, at most; `search.top_k` unless given.")
    min_score: MinScore | None = None
    target_precision: TargetPrecision | None = None
    mode: Mode | None = Field(default=None, description=MODE)
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

    collection: CollectionName | None = Field(default=None, description="Whose threshold and calibration count.")
    target_precision: TargetPrecision | None = None
    mode: Mode | None = Field(default=None, description=MODE)

    def options(self) -> CompareOptions:
        """The same as the Comparer takes it."""
        return CompareOptions(self.collection, self.target_precision, self.mode)


class StoredFields(Fields):
    """A stored picture in a POST /compare."""

    id: ImageId
    collection: CollectionName | None = Field(default=None, description="The request's unless given.")


class NoFields(Fields):
    """What each picture of a POST /search has for itself, and what most URLs say: nothing."""


class ItemFields(Fields):
    """What each picture of a POST /add has for itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "cats/1.jpg", "metadata": {"licence": "CC0"}}]})

    id: ImageId | None = Field(default=None, description="Its name; one is made unless given.")
    metadata: Metadata = Field(default_factory=dict)


class BatchFields(Fields):
    """What the pictures of a POST /add have in common."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"on_duplicate": "reject"}]})

    collection: CollectionName = Field(default=DEFAULT_COLLECTION, description="Made by its first add.")
    on_duplicate: Literal["keep", "reject"] = Field(default="keep", description="`reject` stores no duplicates.")
    against: Names = Field(default=(), description="Collections that must hold no duplicate either.")
    target_precision: TargetPrecision | None = None
    mode: Mode | None = Field(default=None, description=MODE)
    wait: bool = Field(default=True, description="false: it is kept in the inbox for the next ingest.")

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

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "cats/1.jpg", "on_duplicate": "reject"}]})


class CollectionQuery(Fields):
    """Which collection a request is about."""

    collection: Searched = DEFAULT_COLLECTION


class ListQuery(CollectionQuery):
    """GET /images."""

    after: int = Field(default=0, ge=0, lt=2**63, description="`next` of the page before.")
    limit: int = Field(default=100, ge=1, le=1000, description="Entries of a page, at most.")


class PatchFields(Fields):
    """PATCH /images/ID: what takes the place of the metadata that were there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"metadata": {"licence": "CC0"}}]})

    metadata: Metadata


class NewCollection(Fields):
    """POST /collections."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "cats", "threshold": 0.6}]})

    name: CollectionName
    threshold: Score | None = Field(default=None, description=THRESHOLD)


class DuplicateOptions(Fields):
    """Which duplicate groups: `options` of POST /jobs {"kind": "duplicates"}; see docs/duplicates.md."""

    keep: Annotated[str, AfterValidator(_valid_policy)] = Field(
        default=DEFAULT_POLICY,
        description="Who is kept: rules with commas between, the weightiest first.",
    )
    min_score: MinScore | None = None
    relation: Literal["near", "identical", "exact"] = Field(default="near", description="Only copies of this kind.")
    against: CollectionName | None = Field(default=None, description="Another collection, which is protected.")


class DuplicatesQuery(DuplicateOptions):
    """GET /collections/NAME/duplicates."""

    after: str | None = Field(default=None, description="`next` of the page before, with the same parameters.")
    limit: int = Field(default=100, ge=1, le=1000, description="Groups of a page, at most.")


class PatchCollection(Fields):
    """PATCH /collections/NAME."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"threshold": 0.6}]})

    threshold: Score | None = Field(description=THRESHOLD)

    @classmethod
    def of(cls, fields: dict[str, Any], strict: bool, place: str = "") -> Self:
        """A form has no null, so there it is written "null" or left empty. Raises BadPayload."""
        if not strict and fields.get("threshold") in ("", "null"):
            fields = {**fields, "threshold": None}
        return super().of(fields, strict, place)


JobKind = Literal["ingest", "rebuild", "calibrate", "duplicates"]


class NewJob(Fields):
    """POST /jobs. What `options` may say depends on the kind: OPTIONS has those that take any."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "rebuild"}]})

    kind: JobKind
    collection: CollectionName | None = Field(default=None, description="All of them unless given.")
    options: Annotated[dict[str, Any], BeforeValidator(from_text)] = Field(
        default_factory=dict,
        description="Of `duplicates`: those of GET /collections/NAME/duplicates but for paging.",
    )

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
