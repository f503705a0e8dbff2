"""What searches and adds are asked for, beside the pictures; None leaves it to the settings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from index_store import Once, Refinement
from retrieval.answers import AddAnswer
from retrieval.payload import ImageSource
from retrieval.query import Failure

Mode = Literal["fast", "thorough"]


@dataclass(frozen=True)
class SearchOptions:
    """Scores are cosines, higher is closer.

    target_precision: takes the place of `min_score` and of the collection's threshold.
    """

    collection: str
    top_k: int | None = None
    min_score: float | None = None
    target_precision: float | None = None
    mode: Mode | None = None
    refinement: Refinement | None = None


@dataclass(frozen=True)
class AddOptions:
    """How pictures are added; with `reject` only if neither `collection` nor those `against` hold a duplicate."""

    collection: str
    reject: bool = False
    against: tuple[str, ...] = ()
    target_precision: float | None = None
    mode: Mode | None = None


@dataclass(frozen=True)
class CompareOptions:
    """By what two pictures are judged; without a `collection` by what holds for any."""

    collection: str | None = None
    target_precision: float | None = None
    mode: Mode | None = None


@dataclass(frozen=True)
class Stored:
    """A remembered picture, by the names of its collection and of itself."""

    collection: str
    id: str


@dataclass(frozen=True)
class NewPicture:
    """A picture to be remembered; without an id it gets one."""

    source: ImageSource
    id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """A request that is carried out once, and how its answer is written down for whoever sends it again."""

    once: Once
    encode: Callable[[list[AddAnswer | Failure]], bytes]
