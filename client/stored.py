"""What the service says of things that it holds, as frozen dataclasses; `score` is a cosine in [-1, 1]."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Kept:
    """What the service keeps of the picture itself; `size` in bytes."""

    kind: str
    size: int


@dataclass(frozen=True)
class Image:
    """A stored picture; `size` in bytes; `kept` only where one picture is asked for."""

    id: str
    collection: str
    sha256: str
    pixels_sha256: str
    width: int
    height: int
    size: int
    format: str
    indeterminate: bool
    created_at: datetime
    source: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    kept: Kept | None = None


@dataclass(frozen=True, kw_only=True)
class Keeper(Image):
    """The picture of a group to keep; `kept_for` is the rule that puts it before the others."""

    kept_for: str


@dataclass(frozen=True, kw_only=True)
class Member(Image):
    """A picture that its keeper makes superfluous."""

    score: float
    relation: str


@dataclass(frozen=True)
class Group:
    """A duplicate group: its keeper, and what is superfluous beside it, the closest first."""

    keeper: Keeper
    members: tuple[Member, ...]
    min_score: float
    saves_bytes: int


@dataclass(frozen=True)
class Collection:
    """A named set of pictures; `threshold` is the score from which a match is a duplicate."""

    name: str
    threshold: float
    fingerprint: str
    dim: int
    created_at: datetime


@dataclass(frozen=True)
class KeptFigures:
    """How many pictures are kept, and the bytes that they take."""

    images: int
    bytes: int


@dataclass(frozen=True)
class IndexFigures:
    """The index: its newest generation, the pictures that it covers, and the changes that it does not hold yet."""

    kind: str | None
    generation: str | None
    images: int
    pending: int


@dataclass(frozen=True)
class Calibration:
    """Scores by precision, None where too little is known, and the copies and queries that they rest on."""

    thresholds: dict[str, float | None]
    copies: int
    queries: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class CollectionInfo(Collection):
    """A collection with its figures; `calibrations` by mode of search."""

    images: int
    kept: KeptFigures
    index: IndexFigures
    calibrations: dict[str, Calibration] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """What somebody said of two pictures; `a` is the older."""

    a: str
    a_collection: str
    b: str
    b_collection: str
    verdict: str
    created_at: datetime


@dataclass(frozen=True)
class Job:
    """Maintenance work and how far it has come; `state`: queued, running, done or failed."""

    id: int
    kind: str
    state: str
    created_at: datetime
    collection: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it is done or has failed."""
        return self.state in ("done", "failed")
