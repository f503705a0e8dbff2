"""What the service says of pictures that are sent, as frozen dataclasses; a `score` is a cosine in [-1, 1]."""

from dataclasses import dataclass, field
from typing import Any

TRANSIENT = frozenset({408, 429, 502, 503, 504})  # statuses of what may work a little later


@dataclass(frozen=True)
class Took:
    """Milliseconds spent reading and decoding the picture, embedding it, and searching or storing."""

    decode: float
    embed: float
    search: float
    total: float


@dataclass(frozen=True)
class Match:
    """A remembered picture. `relation`: exact, identical, near, similar, indeterminate (docs/verdicts.md).

    collection: where several were searched; refined_score: where the search was refined.
    """

    id: str
    score: float
    relation: str
    confidence: float | None = None
    source: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    collection: str | None = None
    refined_score: float | None = None


@dataclass(frozen=True)
class Repeat:
    """An earlier picture of the same call, by its place, that a picture repeats."""

    index: int
    score: float
    relation: str


@dataclass(frozen=True)
class Found:
    """What is remembered that is nearest to a picture, best first. `verdict`: duplicate, new or indeterminate.

    repeats: of the pictures that went in the same request, those before it that it is a copy of.
    """

    collection: str
    duplicate: bool
    verdict: str
    matches: tuple[Match, ...]
    took_ms: Took
    repeats: tuple[Repeat, ...] = ()


@dataclass(frozen=True)
class Added:
    """A picture that was stored, and the duplicates that were there before, best first."""

    id: str
    collection: str
    matches: tuple[Match, ...]
    took_ms: Took


@dataclass(frozen=True)
class Queued:
    """A picture that waits in the inbox for the next ingest."""

    id: str
    collection: str


@dataclass(frozen=True)
class Duplicate:
    """A picture that was not stored, since it was held already: `matches`, best first, at least one."""

    matches: tuple[Match, ...]
    detail: str = ""

    @property
    def best(self) -> Match:
        """The closest that was there before."""
        return self.matches[0]


@dataclass(frozen=True)
class Failure:
    """A picture of which nothing came; `type` and the rest are of the service's problem document.

    status: 0 where its file could not be read here, so that the service never saw it.
    """

    status: int
    type: str
    title: str
    detail: str
    reason: str | None = None

    @property
    def slug(self) -> str:
        """Last word of `type`, such as "bad-image"."""
        return self.type.rpartition(":")[2]

    @property
    def transient(self) -> bool:
        """Whether the same picture may have better luck later."""
        return self.status in TRANSIENT


@dataclass(frozen=True)
class TookTotal:
    """Milliseconds in all."""

    total: float


@dataclass(frozen=True)
class Comparison:
    """How two pictures relate; `marked` is what somebody has said of them, where both are stored."""

    score: float
    relation: str
    duplicate: bool
    took_ms: TookTotal
    confidence: float | None = None
    marked: str | None = None
