"""A task and one configuration's vectors -> the figures that are reported of it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evaluation.classes import ClassAccuracy, measure_classes
from evaluation.descriptors import Descriptor, Matrix
from evaluation.edits import CASES, EDITS
from evaluation.embedding import Vectors, embed_all
from evaluation.measures import Numbers, Point, Ranking, at_precision, curve, micro_ap, rank, recall_at_1
from evaluation.task import Task

PRECISIONS = (0.9, 0.99)
STRICT = PRECISIONS[-1]
CHAIN = "chain of "
_ORDER = [*EDITS, *(str(case) for case in CASES), f"{CHAIN}2", f"{CHAIN}3"]


@dataclass(frozen=True)
class Group:
    """Copies with the same edit.

    found_first:     part that ranks its original first, 0 to 1.
    above_threshold: part that scores at or above the threshold of 99 % precision over the whole task.
    """

    name: str
    copies: int
    found_first: float
    above_threshold: float


@dataclass(frozen=True)
class Accuracy:
    """Each in 0 to 1.

    micro_ap:     over all pairs of query and reference.
    at_precision: precision in percent -> recall and threshold.
    groups:       by edit and strength, then by edit, then chains by their length; empty for labelled sets.
    recall, precision: a curve, as the threshold falls.
    """

    micro_ap: float
    recall_at_1: float
    at_precision: dict[str, Point]
    groups: list[Group]
    recall: list[float]
    precision: list[float]


@dataclass(frozen=True)
class Result:
    """What one configuration gave on a task; both `ms` are noisy, `ranking` is what misses are picked from."""

    name: str
    fingerprint: str
    dim: int
    size: int
    ms: float
    ms_query: float
    settings: dict[str, Any]
    accuracy: Accuracy | ClassAccuracy
    ranking: Ranking | None

    def record(self) -> dict[str, Any]:
        """For JSON: everything but the ranking."""
        about = {
            key: value
            for key, value in vars(self).items()
            if key not in ("ranking", "accuracy", "size", "ms", "ms_query")
        }
        cost = {"bytes_per_picture": self.size, "ms_per_picture": self.ms, "ms_per_query": self.ms_query}
        return about | cost | {"accuracy": asdict(self.accuracy)}


def evaluate(task: Task, descriptors: Sequence[Descriptor], batch: int) -> list[Result]:
    """All of them on the same pictures, in one pass. Raises EvaluationError where a picture has gone meanwhile."""
    embedded = embed_all(task, descriptors, batch)
    measure = _of_classes if task.kind == "classes" else _of_pairs
    return [measure(task, each, vectors) for each, vectors in zip(descriptors, embedded, strict=True)]


def _result(
    descriptor: Descriptor, vectors: Vectors, accuracy: Accuracy | ClassAccuracy, ranking: Ranking | None
) -> Result:
    about = {key: getattr(descriptor, key) for key in ("name", "fingerprint", "dim", "size", "settings")}
    return Result(**about, ms=vectors.ms, ms_query=vectors.ms_query, accuracy=accuracy, ranking=ranking)


def _of_classes(task: Task, descriptor: Descriptor, vectors: Vectors) -> Result:
    labels = task.parameters["labels"]
    held = vectors.references
    accuracy = measure_classes(lambda rows: descriptor.scores(held[rows], held), labels)
    return _result(descriptor, vectors, accuracy, None)


def _of_pairs(task: Task, descriptor: Descriptor, vectors: Vectors) -> Result:
    def block(rows: slice) -> Any:
        scores = _best_of_rows(descriptor, vectors.queries[rows], vectors.references)
        own = task.same[(task.same[:, 0] >= rows.start) & (task.same[:, 0] < rows.start + len(scores))]
        scores[own[:, 0] - rows.start, own[:, 1]] = -np.inf
        return scores

    ranking = rank(block, task.pairs, len(task.queries), len(task.references), vectors.most_rows)
    recall, precision = curve(ranking)
    accuracy = Accuracy(
        micro_ap=micro_ap(ranking),
        recall_at_1=recall_at_1(ranking, task.pairs),
        at_precision={f"{wanted:.0%}": at_precision(ranking, wanted) for wanted in PRECISIONS},
        groups=list(_groups(task, ranking)) if task.kind == "suite" else [],
        recall=recall,
        precision=precision,
    )
    return _result(descriptor, vectors, accuracy, ranking)


def _best_of_rows(descriptor: Descriptor, queries: Sequence[Matrix], references: Matrix) -> Matrix:
    """Q queries of (V, D) each, (R, D) -> float32 (Q, R)."""
    starts = np.cumsum([0, *(len(rows) for rows in queries[:-1])])
    best: Matrix = np.maximum.reduceat(descriptor.scores(np.concatenate(queries), references), starts, axis=0)
    return best


def _groups(task: Task, ranking: Ranking) -> Iterator[Group]:
    """In the suite's order. Of a suite, pair number i is that of query number i."""
    owned = [task.queries[number] for number in task.pairs[:, 0]]
    cases = np.array([item.edits if item.chain == 1 else f"{CHAIN}{item.chain}" for item in owned])
    edits = np.array([case.partition(",")[0] for case in cases])
    single = np.array([item.chain == 1 for item in owned])
    for name in sorted({*cases, *edits[single]}, key=_ORDER.index):
        yield _group(name, np.flatnonzero((cases == name) | (edits == name)), ranking)


def _group(name: str, pairs: Numbers, ranking: Ranking) -> Group:
    threshold = at_precision(ranking, STRICT).threshold
    above = 0.0 if threshold is None else float((ranking.right[pairs] >= np.float32(threshold)).mean())
    return Group(name, len(pairs), float(ranking.first[pairs].mean()), above)
