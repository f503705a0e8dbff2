"""How two pictures relate: the one rule that searches, adds and groups share."""

from dataclasses import dataclass
from typing import Literal, Protocol

Relation = Literal["exact", "identical", "near", "similar", "indeterminate"]
# What rounding, of engines in batches and of stored vectors, leaves of the same pixels' 1 is well above this.
SAME_PIXELS = 0.98
DUPLICATE: frozenset[Relation] = frozenset({"exact", "identical", "near"})


class Facts(Protocol):
    """What is known of a picture besides its vector."""

    @property
    def sha256(self) -> str:
        """Of its bytes, in hex."""

    @property
    def pixels_sha256(self) -> str:
        """Of its decoded pixels and their size, in hex."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def indeterminate(self) -> bool:
        """Whether there is too little in it for its vector to say anything."""


@dataclass(frozen=True)
class PictureFacts:
    """Facts that need no picture any more."""

    sha256: str
    pixels_sha256: str
    width: int
    height: int
    indeterminate: bool

    @classmethod
    def of(cls, facts: Facts) -> "PictureFacts":
        """The same, worked out now."""
        return cls(facts.sha256, facts.pixels_sha256, facts.width, facts.height, facts.indeterminate)


def relation(one: Facts, other: Facts, score: float, threshold: float) -> Relation:
    """Same bytes, same pixels, a copy by its score (cosine, higher is closer), merely similar; or nothing to go by.

    Symmetrical. Pixels are asked for only where size and score agree, since a picture may have to be hashed for it.
    """
    if one.sha256 == other.sha256:
        return "exact"
    if score >= SAME_PIXELS and _same_size(one, other) and one.pixels_sha256 == other.pixels_sha256:
        return "identical"
    if one.indeterminate or other.indeterminate:
        return "indeterminate"
    return "near" if score >= threshold else "similar"


def _same_size(one: Facts, other: Facts) -> bool:
    return (one.width, one.height) == (other.width, other.height)
