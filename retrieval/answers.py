"""What the Retriever answers: verdicts, and what they took."""

from dataclasses import dataclass, field

from index_store import AddStatus, Relation
from retrieval.verdicts import Outcome, Verdict


@dataclass(frozen=True)
class Took:
    """Milliseconds spent reading and decoding the picture, embedding it, and searching or storing."""

    decode: float
    embed: float
    search: float

    @property
    def total(self) -> float:
        return self.decode + self.embed + self.search


@dataclass(frozen=True)
class InBatch:
    """An earlier picture of the same batch, by number, that a picture repeats."""

    index: int
    score: float
    relation: Relation


@dataclass(frozen=True)
class SearchAnswer:
    """Verdicts, best first. `outcome` is what a search without refinement gives."""

    verdicts: list[Verdict]
    outcome: Outcome
    took: Took
    in_batch: list[InBatch] = field(default_factory=list)


@dataclass(frozen=True)
class AddAnswer:
    """`status` is as in AddOutcome; `verdicts` are the duplicates that were there before, best first."""

    id: str
    status: AddStatus
    verdicts: list[Verdict]
    took: Took
