"""Pictures of a task -> vectors of every configuration, in one pass, with the time that each took."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from PIL.Image import Image

from evaluation.descriptors import Descriptor, Matrix
from evaluation.errors import EvaluationError
from evaluation.progress import progress
from evaluation.task import Item, Task
from retrieval.errors import InputError


@dataclass(frozen=True, eq=False)
class Vectors:
    """One configuration's view of a task.

    references: float32 (R, D).
    queries:    of each float32 (V, D): a reference's score is that of the best of the V rows.
    ms:         median over batches of the milliseconds a reference took to prepare and embed, given decoded.
    ms_query:   mean of what a query took; not all of them take the same.
    """

    references: Matrix
    queries: list[Matrix]
    ms: float
    ms_query: float

    @property
    def most_rows(self) -> int:
        """Of one query."""
        return max((len(rows) for rows in self.queries), default=1)


class _Collector:
    """Keeps what one descriptor makes of the batches, and what each took, in seconds a picture."""

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        self._references: list[Matrix] = []
        self._queries: list[Matrix] = []
        self._times: list[float] = []
        self._query_times: list[float] = []

    def take_references(self, images: Sequence[Image]) -> None:
        started = perf_counter()
        self._references.append(self.descriptor.embed(images))
        self._times.append((perf_counter() - started) / len(images))

    def take_queries(self, images: Sequence[Image]) -> None:
        self._references = [np.concatenate(self._references)]
        started = perf_counter()
        self._queries += self.descriptor.embed_queries(images, self._references[0])
        self._query_times += [(perf_counter() - started) / len(images)] * len(images)

    def vectors(self) -> Vectors:
        """Their times leave out the first call, which is slower."""
        ms = 1e3 * float(np.median(self._times[1:] or self._times))
        ms_query = 1e3 * float(np.mean(self._query_times)) if self._query_times else ms
        return Vectors(np.concatenate(self._references), self._queries, ms, ms_query)


def embed_all(task: Task, descriptors: Sequence[Descriptor], batch: int) -> list[Vectors]:
    """Every picture of the task by every descriptor, `batch` at a time; for each descriptor its vectors.

    A picture is opened once for all, no more than a batch is in memory, and the descriptors take turns at going first,
    so that what else the machine does falls on all of them. Raises EvaluationError where a file has gone since.
    """
    collectors = [_Collector(descriptor) for descriptor in descriptors]
    with progress(len(task.references) + len(task.queries), "embed") as bar:
        for turn, images in enumerate(_batches(task.references, batch)):
            for collector in _in_turn(collectors, turn):
                collector.take_references(images)
            bar.update(len(images))
        for turn, images in enumerate(_batches(task.queries, batch)):
            for collector in _in_turn(collectors, turn):
                collector.take_queries(images)
            bar.update(len(images))
    return [collector.vectors() for collector in collectors]


def _batches(items: Sequence[Item], size: int) -> Iterator[list[Image]]:
    for start in range(0, len(items), size):
        yield [_open(item) for item in items[start : start + size]]


def _in_turn(collectors: list[_Collector], turn: int) -> list[_Collector]:
    first = turn % len(collectors)
    return collectors[first:] + collectors[:first]


def _open(item: Item) -> Image:
    try:
        return item.open()
    except (InputError, OSError) as error:
        raise EvaluationError(f"{item.name}: could be read a while ago, and cannot now: {error}") from None
