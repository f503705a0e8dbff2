"""What replies about pictures that were sent look like; replies.py makes these types, /openapi.json tells them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from index_store import PairVerdict, Relation
from retrieval.verdicts import Outcome

Id = Annotated[str, Field(description="Names the picture within its collection.", examples=["cats/1.jpg"])]
Home = Annotated[str, Field(description="The collection.", examples=["default"])]
Moment = Annotated[
    str,
    Field(
        description="RFC 3339, UTC.",
        examples=["2026-11-23T08:30:00.123456Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
Milliseconds = Annotated[float, Field(ge=0, examples=[21.09])]
Score = Annotated[float, Field(description="Cosine in [-1, 1]; higher is closer.", examples=[0.750044])]
Confidence = Annotated[
    float | None,
    Field(
        description="The part of matches with such a score or higher that are copies; null where nothing is known.",
        examples=[0.9997],
    ),
]
Source = Annotated[
    str | None, Field(description="Where it came from: a URL, a file's name or path.", examples=["photo.jpg"])
]
Metadata = Annotated[
    dict[str, Any], Field(description="What was given with the picture.", examples=[{"licence": "CC0"}])
]


class Took(TypedDict):
    """Milliseconds spent reading and decoding the picture, embedding it, and searching or storing."""

    decode: Milliseconds
    embed: Milliseconds
    search: Milliseconds
    total: Milliseconds


class Match(TypedDict):
    """A remembered picture; `collection` where several were searched, `refined_score` where the search was refined."""

    collection: NotRequired[Home]
    id: Id
    score: Score
    refined_score: NotRequired[Annotated[float, Field(description="The order of a refined search.", examples=[0.81])]]
    confidence: Confidence
    relation: Annotated[Relation, Field(examples=["near"])]
    source: Source
    metadata: Metadata


class Problem(TypedDict):
    """What is wrong, and what to do about it (RFC 9457)."""

    type: Annotated[str, Field(pattern="^urn:imageretrieval:[a-z0-9-]+$", examples=["urn:imageretrieval:bad-payload"])]
    title: Annotated[str, Field(examples=["Bad payload"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[400])]
    detail: Annotated[str, Field(min_length=1, examples=["topk: unknown field"])]
    reason: NotRequired[Annotated[str, Field(description="A word for programs, where there is one to be said.")]]


class DuplicateProblem(Problem):
    """The collection, or one of those to be checked against, holds the picture already: `matches`, best first."""

    matches: list[Match]


class Found(TypedDict):
    """What is remembered that is nearest to a picture, best first."""

    collection: Home
    duplicate: Annotated[bool, Field(description="Whether `verdict` is `duplicate`.", examples=[True])]
    verdict: Annotated[Outcome, Field(examples=["duplicate"])]
    matches: list[Match]
    took_ms: Took


class Repeat(TypedDict):
    """An earlier picture of the same request that a picture repeats."""

    index: Annotated[int, Field(ge=0, examples=[0])]
    score: Score
    relation: Annotated[Relation, Field(examples=["near"])]


class FoundEach(TypedDict):
    """What a search of one picture of a batch gave; `body` is that of `status`."""

    status: Annotated[int, Field(examples=[200])]
    body: Found | Problem
    repeats: list[Repeat]


class FoundSeveral(TypedDict):
    """One result a picture, in order."""

    results: list[FoundEach]


class Added(TypedDict):
    """A picture that was stored, and the duplicates that were there before, best first."""

    id: Id
    status: Literal["added"]
    collection: Home
    matches: list[Match]
    took_ms: Took


class Queued(TypedDict):
    """A picture that waits in the inbox for the next ingest."""

    id: Id
    status: Literal["queued"]
    collection: Home


class AddedEach(TypedDict):
    """What became of one picture of a batch; `body` is that of `status`."""

    status: Annotated[int, Field(examples=[201])]
    body: Added | Queued | DuplicateProblem | Problem


class AddedSeveral(TypedDict):
    """One result a picture, in order."""

    results: list[AddedEach]


class TookTotal(TypedDict):
    """Milliseconds in all."""

    total: Milliseconds


class Compared(TypedDict):
    """How two pictures relate. `marked` is what somebody has said of them, where both are stored."""

    score: Score
    confidence: Confidence
    relation: Annotated[Relation, Field(examples=["near"])]
    duplicate: Annotated[bool, Field(examples=[True])]
    marked: Annotated[PairVerdict | None, Field(examples=[None])]
    took_ms: TookTotal
