"""What searches and adds may be told; what is left out, or None, the service decides."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

Mode = Literal["fast", "thorough"]


class SearchOptions(TypedDict, total=False):
    """target_precision takes the place of min_score and of the collection's threshold; refine: see docs/search.md."""

    collection: str
    top_k: int | None
    min_score: float | None
    target_precision: float | None
    mode: Mode | None
    refine: Mapping[str, Any] | None


class CompareOptions(TypedDict, total=False):
    """Whose threshold and calibration count."""

    collection: str | None
    target_precision: float | None
    mode: Mode | None


class AddOptions(TypedDict, total=False):
    """on_duplicate: "reject" stores only what neither `collection` nor those `against` hold already.

    wait: False leaves pictures in the inbox for the next ingest.
    """

    collection: str
    on_duplicate: Literal["keep", "reject"]
    against: Sequence[str]
    target_precision: float | None
    mode: Mode | None
    wait: bool


class AddOneOptions(AddOptions, total=False):
    """What goes with one picture besides; see `Client.add_many` for idempotency_key."""

    id: str | None
    metadata: Mapping[str, Any] | None
    idempotency_key: str | None


class GroupOptions(TypedDict, total=False):
    """Which duplicate groups: docs/duplicates.md."""

    keep: str | None
    min_score: float | None
    relation: Literal["near", "identical", "exact"] | None
    against: str | None
