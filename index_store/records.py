"""What the store takes and gives back: frozen dataclasses, never rows or raw FAISS pairs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Seqs = NDArray[np.int64]
Scores = NDArray[np.float64]
AddStatus = Literal["added", "duplicate", "id_taken"]
KeptKind = Literal["original", "thumbnail"]


@dataclass(frozen=True)
class Collection:
    """A named set of pictures whose vectors come from one extractor (`fingerprint`, `dim`).

    `uid` is never used again, unlike a name; `clock` is the number of the collection's newest change.
    """

    key: int
    uid: str
    name: str
    fingerprint: str
    dim: int
    threshold: float | None
    clock: int
    created_at: datetime


@dataclass(frozen=True)
class KeptPicture:
    """A picture's encoded bytes, as they came or scaled down, to make another vector of one day."""

    kind: KeptKind
    data: bytes


@dataclass(frozen=True)
class KeptFacts:
    """What `GET /images/ID` says of a kept picture; `size` is in bytes."""

    kind: KeptKind
    size: int


@dataclass(frozen=True, eq=False)
class NewImage:
    """A picture to remember. `vector` is (D,) float32 of unit length; the catalog keeps it as float16.

    indeterminate: whether there is too little in it for its vector to say anything.
    kept:          if any, is stored with it and goes with it.
    views:         (V, D) float32, what its duplicates are looked for with, if not with its vector alone; not stored.
    arrival:       names the file that it came in, which is taken in once, even if the picture is deleted since.
    """

    id: str
    vector: Vectors
    sha256: str
    pixels_sha256: str
    width: int
    height: int
    size: int
    format: str
    source: str | None
    metadata: dict[str, Any]
    indeterminate: bool = False
    kept: KeptPicture | None = None
    views: Vectors | None = None
    arrival: str | None = None

    @property
    def probe(self) -> Vectors:
        """What it is looked for with, (V, D)."""
        return self.vector[None] if self.views is None else self.views


@dataclass(frozen=True)
class ImageRecord:
    """A picture as it stands in the catalog. `size` is in bytes; `seq` grows with every change of the catalog."""

    seq: int
    id: str
    sha256: str
    pixels_sha256: str
    width: int
    height: int
    size: int
    format: str
    indeterminate: bool
    source: str | None
    metadata: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Match:
    """A remembered picture and its cosine to the query, in [-1, 1], higher is closer.

    A search with a Refinement is ordered by `refined_score`, at most 1, higher is closer; the others have none.
    `collection` is named where more than one was searched.
    """

    image: ImageRecord
    score: float
    refined_score: float | None = None
    collection: str | None = None


@dataclass(frozen=True)
class RefinedMatches:
    """What a search with a Refinement finds, best first, and what it finds without: verdicts rest on the latter."""

    refined: list[Match]
    plain: list[Match]


@dataclass(frozen=True)
class AddOutcome:
    """What became of one picture of an add: `duplicate` and `id_taken` stored nothing."""

    id: str
    status: AddStatus
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True)
class RebuildReport:
    """What a rebuild did. `changed` is False where the newest generation covered everything already."""

    changed: bool
    generation: str | None
    kind: str | None
    count: int
    nlist: int | None = None
    nprobe: int | None = None
    trained: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class CollectionStats:
    """Figures of a collection: pictures, what of the index covers them, and changes that it does not hold yet.

    `kept` is the number of pictures that the catalog keeps, `kept_bytes` what they take.
    """

    images: int
    kept: int
    kept_bytes: int
    generation: str | None
    index_kind: str | None
    indexed: int
    pending: int
