"""What a score is worth: cosine -> estimated precision. Higher scores are closer, and never worth less.

Precision at a score is, of the matches accepted at that score or higher, the part that are copies. With a part R of
the copies found so high, W wrong matches a query, and a share p of the queries being copies of something, it is
p R / (p R + W). R and W are counted. That precision may only rise with the score is put in by pooling adjacent
violators (Ayer et al. 1955): what is left are corners of the ROC curve's convex hull (Fawcett & Niculescu-Mizil 2007).

One wrong match more than was seen is counted, above all others. So a few counts never promise much: where none of N
queries reaches a score, the N+1st does with probability 1/(N+1) at most, whatever the scores are like, as in conformal
prediction (Vovk et al. 2005); 1/N is what is counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

VERSION = 1  # of the JSON
TARGETS = (0.9, 0.99, 0.999)
PRIOR = 0.5
Scores = NDArray[np.float64]
Knot = tuple[float, float]


class BadCalibration(ValueError):
    """What was read is no calibration that this program understands."""


@dataclass(frozen=True)
class MarkedPair:
    """Two stored pictures that a person has marked: their ids, the score of one with the other, whether copies."""

    ids: tuple[str, str]
    score: float
    is_duplicate: bool


@dataclass(frozen=True, eq=False)
class Evidence:
    """Scores of which it is known whether they are copies'.

    copies:     float (P,), each copy's score with what it is a copy of; P >= 1.
    wrong:      float (W,), scores of everything else that the queries found.
    queries:    how many queries that were, those that found nothing else too; >= 1.
    references: how many pictures were searched.
    """

    copies: Scores
    wrong: Scores
    queries: int
    references: int

    def with_marked(self, marked: Sequence[MarkedPair]) -> "Evidence":
        """And what people have marked, each pair for as much as any other query."""
        right = [pair.score for pair in marked if pair.is_duplicate]
        wrong = [pair.score for pair in marked if not pair.is_duplicate]
        copies, others = np.concatenate([self.copies, right]), np.concatenate([self.wrong, wrong])
        return replace(self, copies=copies, wrong=others, queries=self.queries + len(wrong))


@dataclass(frozen=True)
class Calibration:
    """A mapping score -> precision, for one extractor, one mode of search, and about so many pictures.

    fingerprint: of the extractor.
    mode:        "fast" or "thorough": more views of a query raise the scores of strangers too.
    knots:       (score, precision), both ascending; straight lines between them.
    prior:       share of the queries that are copies of something, 0 to 1.
    references:  how many pictures were searched.
    copies, wrong, queries: how many of each the mapping rests on.
    edits:       version of the edits that the copies were made with.
    created_at:  in UTC.
    """

    fingerprint: str
    mode: str
    knots: tuple[Knot, ...]
    prior: float
    references: int
    copies: int
    wrong: int
    queries: int
    edits: int
    created_at: datetime

    def confidence(self, score: float) -> float:
        """Of matches that score so high or higher, the part that are copies, 0 to 1; 0 below all that was seen."""
        scores, shares = self._axes
        return float(np.interp(score, scores, shares, left=0.0))

    def threshold(self, target_precision: float) -> float | None:
        """The lowest score with that precision, to six decimals as scores are.

        None where none has, or too little was seen to say so.
        """
        scores, shares = self._axes
        if target_precision > shares[-1]:
            return None
        lowest = np.interp(target_precision, shares, scores)
        return min(float(np.ceil(lowest * 1e6) / 1e6), 1.0)

    @cached_property
    def _axes(self) -> tuple[Scores, Scores]:
        scores, shares = np.array(self.knots).T
        return scores, shares

    @property
    def thresholds(self) -> dict[str, float | None]:
        """For each of TARGETS."""
        return {str(target): self.threshold(target) for target in TARGETS}

    def among(self, references: int) -> "Calibration":
        """The same for a larger collection: so many times the pictures, so many times the wrong matches."""
        times = references / self.references
        if times <= 1:
            return self
        knots = tuple((score, share / (share + times * (1 - share))) for score, share in self.knots)
        return replace(self, knots=knots, references=references)

    def as_json(self) -> dict[str, Any]:
        """Numbers, strings and lists, with the thresholds for whoever reads it."""
        fields = asdict(self) | {
            "created_at": self.created_at.isoformat(),
            "knots": [list(knot) for knot in self.knots],
        }
        return {"version": VERSION, **fields, "thresholds": self.thresholds}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Raises BadCalibration."""
        if data.get("version") != VERSION:
            raise BadCalibration(f"a calibration of version {data.get('version')}, this program reads {VERSION}")
        rest = {name: value for name, value in data.items() if name not in ("version", "thresholds")}
        try:
            rest["created_at"] = datetime.fromisoformat(rest["created_at"])
            rest["knots"] = tuple((float(score), float(share)) for score, share in rest["knots"])
            return cls(**rest)
        except (KeyError, TypeError, ValueError) as error:
            raise BadCalibration(f"not a calibration: {error}") from None


def calibrated(evidence: Evidence, fingerprint: str, mode: str, edits: int, prior: float = PRIOR) -> Calibration:
    """What the evidence says of an extractor's scores. `prior` is above 0 and at most 1."""
    return Calibration(
        fingerprint=fingerprint,
        mode=mode,
        knots=fit(evidence, prior),
        prior=prior,
        references=evidence.references,
        copies=len(evidence.copies),
        wrong=len(evidence.wrong),
        queries=evidence.queries,
        edits=edits,
        created_at=datetime.now(UTC).replace(microsecond=0),
    )


def fit(evidence: Evidence, prior: float) -> tuple[Knot, ...]:
    """Knots of the mapping, ascending in score and in precision."""
    scores, right, wrong = _by_score(evidence, prior)
    blocks = [_Block(np.inf, 0.0, 1 / evidence.queries)]  # the one that was not seen
    for score, more_right, more_wrong in zip(scores, right, wrong, strict=True):
        blocks.append(_Block(score, more_right, more_wrong))
        while len(blocks) > 1 and blocks[-1].share >= blocks[-2].share:
            last = blocks.pop()
            blocks[-1] = blocks[-1].down_to(last)
    return tuple(reversed(_accumulated(blocks)))


@dataclass(frozen=True)
class _Block:
    """Neighbouring scores down to `lowest` that count as one: copies and wrong matches among them, a query."""

    lowest: float
    right: float
    wrong: float

    @property
    def share(self) -> float:
        return self.right / (self.right + self.wrong)

    def down_to(self, lower: "_Block") -> "_Block":
        return _Block(lower.lowest, self.right + lower.right, self.wrong + lower.wrong)


def _by_score(evidence: Evidence, prior: float) -> tuple[list[float], list[float], list[float]]:
    """Every score there is, descending, and the copies and wrong matches with exactly that score, a query."""
    scores, level = np.unique(np.concatenate([evidence.copies, evidence.wrong]), return_inverse=True)
    count = len(evidence.copies)
    right = np.bincount(level[:count], minlength=len(scores)) * (prior / count)
    wrong = np.bincount(level[count:], minlength=len(scores)) / evidence.queries
    return scores[::-1].tolist(), right[::-1].tolist(), wrong[::-1].tolist()


def _accumulated(blocks: Sequence[_Block]) -> list[Knot]:
    """(score, precision of all from there up), descending."""
    right = np.cumsum([block.right for block in blocks])
    shares = right / (right + np.cumsum([block.wrong for block in blocks]))
    return [(block.lowest, float(share)) for block, share in zip(blocks, shares, strict=True) if block.lowest < np.inf]
