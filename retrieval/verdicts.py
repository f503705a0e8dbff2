"""What a match means: a relation, how sure that is, and what people have said of the two pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from index_store import DUPLICATE, Facts, Match, Relation, relation
from index_store.pairs import PairVerdict, PairVerdicts, pair_of

Outcome = Literal["duplicate", "new", "indeterminate"]


@dataclass(frozen=True)
class Verdict:
    """A remembered picture beside a query: `score` is their cosine in [-1, 1], higher is closer.

    confidence: part of the matches that score like this or higher which are copies, 0 to 1; None where nothing is known
                of that. Same bytes and same pixels are certain.
    """

    match: Match
    relation: Relation
    confidence: float | None = None

    @property
    def is_duplicate(self) -> bool:
        return self.relation in DUPLICATE


@dataclass(frozen=True)
class Judge:
    """Tells copies in one collection and mode of search, by score and by what is known of such scores."""

    threshold: float
    confidence: Callable[[float], float] | None = None

    def verdicts(self, query: Facts, matches: Sequence[Match]) -> list[Verdict]:
        """One of each match, in their order."""
        return [self.verdict(query, match) for match in matches]

    def verdict(self, query: Facts, match: Match) -> Verdict:
        """Of the pictures alone."""
        return Verdict(match, *self.opinion(query, match.image, match.score))

    def opinion(self, one: Facts, other: Facts, score: float) -> tuple[Relation, float | None]:
        """How two pictures relate, and the confidence of it."""
        found = relation(one, other, score, self.threshold)
        if found in ("exact", "identical"):
            return found, 1.0
        return found, self.confidence(score) if self.confidence and found != "indeterminate" else None


def respecting(marks: PairVerdicts, verdicts: list[Verdict]) -> list[Verdict]:
    """What the query repeats stands for it: what was decided of a picture that it is a copy of holds for the query.

    `verdicts` are best first; `marks` say what people decided of pairs of their pictures. A picture marked as no
    duplicate of a better match is `similar`; one marked as its duplicate is `near`.
    """
    if not marks:
        return verdicts
    decided: list[Verdict] = []
    for verdict in verdicts:
        said = next((mark for each in decided if each.is_duplicate and (mark := _mark(marks, each, verdict))), None)
        found = overruled(verdict.relation, said)
        # What people say is no matter of scores.
        decided.append(verdict if found == verdict.relation else replace(verdict, relation=found, confidence=None))
    return decided


def _mark(marks: PairVerdicts, one: Verdict, other: Verdict) -> PairVerdict | None:
    return marks.get(pair_of(one.match.image.seq, other.match.image.seq))


def overruled(found: Relation, said: PairVerdict | None) -> Relation:
    """A relation, unless somebody has said otherwise of the pair; the same bytes or pixels nobody can talk away."""
    if said == "not_duplicates" and found == "near":
        return "similar"
    return "near" if said == "duplicates" and found not in DUPLICATE else found


def outcome_of(indeterminate: bool, verdicts: Sequence[Verdict]) -> Outcome:
    """The answer to `have I seen this picture before?`."""
    if any(verdict.is_duplicate for verdict in verdicts):
        return "duplicate"
    return "indeterminate" if indeterminate else "new"
