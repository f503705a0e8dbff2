"""The worst mistakes of a configuration, to be looked at: copies that were missed, and strangers taken for copies."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL.Image import Image

from evaluation.results import Result
from evaluation.task import Item, Task

SIDE = 220  # pixels, of the longer side of a picture shown


@dataclass(frozen=True)
class Shown:
    """A picture in the report, as a data URI, with the lines below it."""

    uri: str
    lines: list[str]


@dataclass(frozen=True)
class Mistake:
    """The query, its reference (None for a stranger), and the best wrong reference (None: there is none)."""

    query: Shown
    reference: Shown | None
    found: Shown | None


def worst_misses(task: Task, result: Result, count: int) -> list[Mistake]:
    """The right pairs that lie furthest below the best wrong reference of their query; only those that do."""
    ranking = result.ranking
    if ranking is None:
        return []
    margin = ranking.right - ranking.best_wrong[task.pairs[:, 0]]
    worst = [number for number in np.argsort(margin, kind="stable")[:count] if margin[number] <= 0]
    return [
        _mistake(task, result, int(query), int(reference), float(ranking.right[number]))
        for number in worst
        for query, reference in [task.pairs[number]]
    ]


def worst_false_alarms(task: Task, result: Result, count: int) -> list[Mistake]:
    """The strangers that score highest: they keep the threshold up."""
    if result.ranking is None:
        return []
    strangers = np.setdiff1d(np.arange(len(task.queries)), task.pairs[:, 0])
    order = np.argsort(-result.ranking.best_wrong[strangers], kind="stable")[:count]
    return [_mistake(task, result, int(strangers[number])) for number in order]


def _mistake(task: Task, result: Result, query: int, reference: int | None = None, score: float = 0) -> Mistake:
    asked = task.queries[query]
    own = None if reference is None else _shown(task.references[reference], f"score {score:.3f}")
    best = float(result.ranking.best_wrong[query]) if result.ranking else -np.inf
    found = task.references[int(result.ranking.best_wrong_at[query])] if result.ranking and np.isfinite(best) else None
    return Mistake(_shown(asked, asked.edits), own, _shown(found, f"score {best:.3f}") if found else None)


def _shown(item: Item, line: str) -> Shown:
    return Shown(jpeg_uri(item.open()), [item.name, line])


def jpeg_uri(image: Image) -> str:
    """A thumbnail as a data URI."""
    image = image.copy()
    image.thumbnail((SIDE, SIDE))
    data = BytesIO()
    image.save(data, "JPEG", quality=80)
    return uri("image/jpeg", data.getvalue())


def uri(kind: str, data: bytes) -> str:
    """The bytes of a file of that media type as a data URI."""
    return f"data:{kind};base64,{b64encode(data).decode()}"
