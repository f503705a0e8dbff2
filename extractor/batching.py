"""Micro-batching: pictures that arrive together are embedded together, and one that comes alone does not wait."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from threading import TIMEOUT_MAX, Condition, Thread
from time import monotonic
from typing import Protocol

import numpy as np
from PIL.Image import Image

from extractor.errors import BatcherClosed, NoEmbedding
from extractor.interface import Extractor, Pixels, Vectors


class BatchWatch(Protocol):
    """Whoever wants to know how a Batcher is doing. Its methods are called in engine threads and callers': be quick."""

    def waiting(self, pictures: int) -> None:
        """So many more pictures wait for an engine thread; fewer, where it is negative."""

    def batched(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        """A batch of so many pictures was embedded, well or not; `waited_s` is how long each caller's had waited."""


class Unwatched:
    """A BatchWatch that nobody reads."""

    def waiting(self, pictures: int) -> None: ...

    def batched(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None: ...


@dataclass
class _Order:
    """Prepared pictures of one caller, n of them, and where their vectors, (n, D), will appear."""

    pixels: list[Pixels]
    arrived: float = field(default_factory=monotonic)
    vectors: "Future[Vectors]" = field(default_factory=Future)


class Batcher:
    """Gathers the pictures of concurrent callers for few engine threads.

    extractor:  embeds the batches; pictures are prepared in their callers' threads.
    max_size:   most pictures in a batch; a caller who brings more than that gets a batch to himself. 1: nobody waits.
    workers:    batches that may be embedded at a time; with two, one begins while the last pictures of another end.
    max_wait_s: longest that a picture waits for others that were announced but are not there yet, in seconds.
    watch:      is told of what waits and of each batch.

    Create it after forking, for it starts threads. Close it when done.
    """

    def __init__(
        self,
        extractor: Extractor,
        max_size: int,
        max_wait_s: float,
        workers: int = 1,
        watch: BatchWatch | None = None,
    ):
        self._extractor = extractor
        self._max_size = max_size
        self._max_wait_s = max_wait_s
        self._watch = watch or Unwatched()
        self._queue: deque[_Order] = deque()
        self._expected = 0
        self._closed = False
        # Only the engine threads wait on it: callers wait on their own future.
        self._changed = Condition()
        self._threads = [Thread(target=self._serve, name="embed", daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def expect(self) -> Iterator["Announcement"]:
        """Announces a picture before it is decoded, so that a batch may wait for it; withdrawn on leaving.

        Announce when decoding starts, not before a download: others wait for what was announced.

            with batcher.expect() as announced:
                image = decode(data)
                vector = announced.embed(image)
        """
        with self._changed:
            self._expected += 1
        announcement = Announcement(self)
        try:
            yield announcement
        finally:
            self._withdraw(announcement)

    def embed(self, image: Image) -> Vectors:
        """Picture -> float32 (D,) of norm 1. Raises BatcherClosed, or what the engine raised for its batch."""
        with self.expect() as announced:
            return announced.embed(image)

    def embed_many(self, images: Sequence[Image]) -> Vectors:
        """Pictures -> float32 (N, D), each row of norm 1, in their order; raises as `embed` does."""
        with self.expect() as announced:
            return announced.embed_many(images)

    def close(self) -> None:
        """Finishes what is queued and ends the thread; whoever comes later gets BatcherClosed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _withdraw(self, announcement: "Announcement") -> None:
        if announcement.open:
            with self._changed:
                self._expected -= 1
                announcement.open = False
                self._changed.notify_all()

    def _submit(self, images: Sequence[Image], announcement: "Announcement") -> "Future[Vectors]":
        order = _Order(self._extractor.prepare_many(images))
        with self._changed:
            if self._closed:
                raise BatcherClosed("the batcher is closed: no picture is embedded any more")
            self._queue.append(order)
            self._expected -= announcement.open
            announcement.open = False
            self._watch.waiting(len(order.pixels))
            self._changed.notify_all()
        return order.vectors

    def _serve(self) -> None:
        while batch := self._next_batch():
            self._run(batch)

    def _next_batch(self) -> list[_Order]:
        """Blocks until there is something to do; empty when closed and done."""
        with self._changed:
            while self._queue or not self._closed:
                left = self._time_left()
                if left <= 0:
                    return self._take()
                self._changed.wait(left)
        return []

    def _time_left(self) -> float:
        """Seconds for which the queue may wait: for company, or, while it is empty, for anything at all."""
        if not self._queue:
            return TIMEOUT_MAX
        # Counted from its arrival: what waited while the engine was busy does not wait twice.
        return 0 if self._is_complete() else self._queue[0].arrived + self._max_wait_s - monotonic()

    def _is_complete(self) -> bool:
        return self._closed or not self._expected or sum(len(order.pixels) for order in self._queue) >= self._max_size

    def _take(self) -> list[_Order]:
        taken: list[_Order] = []
        room = self._max_size
        while self._queue and (not taken or len(self._queue[0].pixels) <= room):
            taken.append(self._queue.popleft())
            room -= len(taken[-1].pixels)
        self._watch.waiting(room - self._max_size)
        return taken

    def _run(self, batch: list[_Order]) -> None:
        began = monotonic()
        pixels = [each for order in batch for each in order.pixels]
        failure: BaseException | None = None
        vectors: Iterator[Vectors | NoEmbedding] = iter(())
        try:
            vectors = iter(self._extractor.embed_possible(pixels))
        except BaseException as error:  # noqa: BLE001  # raised again in each caller of this batch; the thread lives on
            failure = error
        self._watch.batched(len(pixels), [began - order.arrived for order in batch], monotonic() - began)
        for order in batch:
            if failure:
                order.vectors.set_exception(failure)
            else:
                self._settle(order, list(islice(vectors, len(order.pixels))))

    def _settle(self, order: _Order, found: list[Vectors | NoEmbedding]) -> None:
        """Give a caller the vectors of his pictures, or the error of the first that has none."""
        error = next((each for each in found if isinstance(each, NoEmbedding)), None)
        if error is None:
            order.vectors.set_result(np.array(found, np.float32).reshape(len(found), self._extractor.dim))
        else:
            order.vectors.set_exception(error)


class Announcement:
    """A place kept in the coming batch, for one call of `embed` or `embed_many`."""

    def __init__(self, batcher: Batcher):
        self._batcher = batcher
        self.open = True

    def embed(self, image: Image, meanwhile: Callable[[], object] | None = None) -> Vectors:
        """See `Batcher.embed`; `meanwhile` is called while the engine works."""
        vector: Vectors = self.embed_many([image], meanwhile)[0]
        return vector

    def embed_many(self, images: Sequence[Image], meanwhile: Callable[[], object] | None = None) -> Vectors:
        """See `Batcher.embed_many`; `meanwhile` is called while the engine works."""
        coming = self._batcher._submit(images, self)
        if meanwhile:
            meanwhile()
        return coming.result()
