"""What replies about things that are stored look like; replies.py makes these types, /openapi.json tells them."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from index_store import PairVerdict
from index_store.groups import MemberRelation
from index_store.jobs import JobState
from index_store.records import KeptKind
from retrieval.options import Mode
from retrieval.shapes import Home, Id, Metadata, Moment, Score, Source

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["9f86d081884c7d65" * 4])]
Count = Annotated[int, Field(ge=0, examples=[500])]
Threshold = Annotated[float, Field(description="Score from which a match is a duplicate.", examples=[0.5])]


class Image(TypedDict):
    """A stored picture; `size` is in bytes, `indeterminate` says that there is too little in it to compare."""

    id: Id
    sha256: Digest
    pixels_sha256: Digest
    width: Annotated[int, Field(ge=1, examples=[481])]
    height: Annotated[int, Field(ge=1, examples=[321])]
    size: Annotated[int, Field(ge=1, examples=[74213])]
    format: Annotated[str, Field(examples=["JPEG"])]
    indeterminate: Annotated[bool, Field(examples=[False])]
    source: Source
    metadata: Metadata
    created_at: Moment
    collection: Home


class Kept(TypedDict):
    """What is kept of the picture itself, so that another extractor can embed it; `size` is in bytes."""

    kind: Annotated[KeptKind, Field(examples=["thumbnail"])]
    size: Annotated[int, Field(ge=1, examples=[54120])]


class DescribedImage(Image):
    """A stored picture, and what is kept of it."""

    kept: Kept | None


class ImagesPage(TypedDict):
    """Pictures in the order of adding; `next` is the `after` of the next page, null on the last."""

    images: list[Image]
    next: Annotated[int | None, Field(examples=[None])]


class Collection(TypedDict):
    """A named set of pictures, whose vectors come from one extractor (`fingerprint`, `dim`)."""

    name: Home
    threshold: Threshold
    fingerprint: Annotated[str, Field(examples=["sscd/1a2b3c4d"])]
    dim: Annotated[int, Field(ge=1, examples=[512])]
    created_at: Moment


class Collections(TypedDict):
    """All collections."""

    collections: list[Collection]


class KeptFigures(TypedDict):
    """How many pictures are kept, and the bytes that they take."""

    images: Count
    bytes: Count


class IndexFigures(TypedDict):
    """The index: its newest generation, the pictures that it covers, and the changes that it does not hold yet."""

    kind: Annotated[str | None, Field(examples=["flat"])]
    generation: Annotated[str | None, Field(examples=["gen-500-1a2b3c4d"])]
    images: Count
    pending: Count


class Calibration(TypedDict):
    """Scores by precision, null where too little is known, and the edited copies and queries that they rest on."""

    thresholds: Annotated[dict[str, float | None], Field(examples=[{"0.9": 0.41, "0.99": 0.48, "0.999": None}])]
    copies: Count
    queries: Count
    created_at: Moment


class DescribedCollection(Collection):
    """A collection with its figures; `calibrations` by mode of search."""

    images: Count
    kept: KeptFigures
    index: IndexFigures
    calibrations: dict[Mode, Calibration]


class Pair(TypedDict):
    """What somebody said of two pictures; `a` is the older."""

    a: Id
    a_collection: Home
    b: Annotated[str, Field(examples=["cats/2.jpg"])]
    b_collection: Home
    verdict: Annotated[PairVerdict, Field(examples=["not_duplicates"])]
    created_at: Moment


class PairsPage(TypedDict):
    """Pairs in the order of saying; `next` is the `after` of the next page, null on the last."""

    pairs: list[Pair]
    next: Annotated[int | None, Field(examples=[None])]


class Keeper(Image):
    """The picture of a group to keep; `kept_for` is the rule that puts it before the best of the members."""

    kept_for: Annotated[str, Field(examples=["largest"])]


class Member(Image):
    """A picture that its keeper makes superfluous."""

    score: Score
    relation: Annotated[MemberRelation, Field(examples=["near"])]


class Group(TypedDict):
    """A duplicate group: its keeper, and what is superfluous beside it, the closest first."""

    keeper: Keeper
    members: list[Member]
    min_score: Score
    saves_bytes: Count


class GroupsPage(TypedDict):
    """Duplicate groups; `current` is false where something has changed since they were found."""

    collection: Home
    against: Annotated[str | None, Field(examples=[None])]
    keep: Annotated[list[str], Field(examples=[["largest", "best_format", "biggest_file", "oldest"]])]
    threshold: Threshold
    groups: list[Group]
    current: Annotated[bool, Field(examples=[True])]
    next: Annotated[str | None, Field(description="The `after` of the next page; null on the last.", examples=[None])]


class Job(TypedDict):
    """Maintenance work and how far it has come; what `progress` and `result` hold depends on `kind`."""

    id: Annotated[int, Field(ge=1, examples=[1])]
    kind: Annotated[str, Field(examples=["rebuild"])]
    collection: Annotated[str | None, Field(examples=["default"])]
    options: Annotated[dict[str, Any], Field(examples=[{}])]
    state: Annotated[JobState, Field(examples=["queued"])]
    created_at: Moment
    started_at: Annotated[Moment | None, Field(examples=[None])]
    finished_at: Annotated[Moment | None, Field(examples=[None])]
    progress: Annotated[dict[str, Any], Field(examples=[{}])]
    result: Annotated[dict[str, Any] | None, Field(examples=[None])]
    error: Annotated[str | None, Field(examples=[None])]


class Jobs(TypedDict):
    """The newest jobs first."""

    jobs: list[Job]


class Alive(TypedDict):
    """The process answers."""

    status: Literal["alive"]


class Ready(TypedDict):
    """The process can answer requests, with the extractor of this fingerprint."""

    status: Literal["ready"]
    fingerprint: Annotated[str, Field(examples=["sscd/1a2b3c4d"])]
