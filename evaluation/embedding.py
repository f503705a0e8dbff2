"""Pictures of a task -> vectors of every configuration, in one pass, with the time that each took."""

from collections.abc import Sequence
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
    queries:    float32 (Q, D).
    ms:         median over batches of the milliseconds a picture took to prepare and embed, given decoded.
    """

    references: Matrix
    queries: Matrix
    ms: float


class _Collector:
    """Keeps what one descriptor makes of the batches. Its times leave out the first call, which is slower."""

    def __init__(self, descriptor: Descriptor):
        self.descriptor = descriptor
        self.rows: list[Matrix] = []
        self.times: list[float] = []

    def take(self, images: Sequence[Image]) -> None:
        started = perf_counter()
        self.rows.append(self.descriptor.embed(images))
        self.times.append((perf_counter() - started) / len(images))

    def vectors(self, references: int) -> Vectors:
        rows = np.concatenate(self.rows)
        return Vectors(rows[:references], rows[references:], 1e3 * float(np.median(self.times[1:] or self.times)))


def embed_all(task: Task, descriptors: Sequence[Descriptor], batch: int) -> list[Vectors]:
    """Every picture of the task by every descriptor, `batch` at a time; for each descriptor its vectors.

    A picture is opened once for all, no more than a batch is in memory, and the descriptors take turns at going first,
    so that what else the machine does falls on all of them. Raises EvaluationError where a file has gone since.
    """
    collectors = [_Collector(descriptor) for descriptor in descriptors]
    items = [*task.references, *task.queries]
    with progress(len(items), "embed") as bar:
        for number, start in enumerate(range(0, len(items), batch)):
            images = [_open(item) for item in items[start : start + batch]]
            turn = number % len(collectors)
            for collector in collectors[turn:] + collectors[:turn]:
                collector.take(images)
            bar.update(len(images))
    return [collector.vectors(len(task.references)) for collector in collectors]


def _open(item: Item) -> Image:
    try:
        return item.open()
    except (InputError, OSError) as error:
        raise EvaluationError(f"{item.name}: could be read a while ago, and cannot now: {error}") from None
