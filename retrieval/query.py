"""A picture that a client has sent -> what is looked for: its facts, and its vector or vectors."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Generic, TypeVar

import numpy as np

from extractor import Batcher, NoEmbedding, Parts
from extractor.interface import Vectors
from index_store import Collection, Facts, ImageRecord, ImageStore, KeptPicture, PictureFacts
from retrieval import observing
from retrieval.dispatcher import Dispatcher
from retrieval.errors import InputError
from retrieval.keeping import kept_of
from retrieval.payload import ImageSource
from retrieval.picture import Picture, undecoded
from retrieval.recent import RecentVectors
from retrieval.room import Room
from retrieval.settings import Settings
from retrieval.turns import asking

READERS = 8  # pictures of batches that are decoded and embedded at a time
FETCHERS = 8  # the same of each batch with URLs
Item = TypeVar("Item")
Made = TypeVar("Made")
Failure = InputError | NoEmbedding
FAILURES = (InputError, NoEmbedding)


@dataclass(frozen=True, eq=False)
class Query:
    """A picture as it is looked for.

    views:   float32 (V, D). The first is of the whole picture, of norm 1; others are of its parts, and may be shorter.
    data:    its bytes.
    picture: None where the bytes are those of a remembered picture, `known`, whose vector then stands for it, and
             where the picture was let go.
    """

    views: Vectors
    data: bytes
    picture: Picture | None
    known: ImageRecord | None
    decode_ms: float
    embed_ms: float
    remembered: PictureFacts | None = None  # of a picture that was let go

    @property
    def facts(self) -> Facts:
        """What is known of it besides its vectors."""
        facts = self.picture or self.known or self.remembered
        if facts is None:
            raise ValueError("a query is of a picture or of a remembered one")
        return facts

    @property
    def vector(self) -> Vectors:
        """Of the whole picture, (D,)."""
        vector: Vectors = self.views[0]
        return vector

    @property
    def without_pixels(self) -> "Query":
        """The same, with the picture let go."""
        return replace(self, picture=None, remembered=PictureFacts.of(self.picture)) if self.picture else self


class _Task(Generic[Made]):
    """A call, as a Dispatcher takes it."""

    def __init__(self, call: Callable[[], Made]) -> None:
        self.caller = asking.get()
        self.done: Future[Made] = Future()
        self._call = call

    def service(self) -> None:
        """Make the call, unless nobody waits for it any more."""
        if not self.done.set_running_or_notify_cancel():
            return
        try:
            self.done.set_result(self._call())
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            self.done.set_exception(error)

    def cancel(self) -> None:
        """The threads end."""
        self.done.cancel()


class Reader:
    """Reads, decodes and embeds pictures, many at a time, as far as there is room for them."""

    def __init__(self, settings: Settings, batcher: Batcher, parts: Parts, store: ImageStore, room: Room) -> None:
        self._settings = settings
        self._parts = parts
        self._batcher = batcher
        self._store = store
        self._room = room
        self._recent = RecentVectors(settings.extractor.recent)
        # More decoders than cores only take turns, and throw each other out of the caches.
        self._decoding = Room(os.cpu_count() or 1)
        self._readers = Dispatcher(READERS, lambda task: task.caller)

    def close(self) -> None:
        """Ends the threads."""
        self._readers.shutdown(timeout=1)

    def each(self, make: Callable[[Item], Made], items: Sequence[Item], fetches: bool = False) -> list[Made | Failure]:
        """What `make` gives of each item, side by side; a picture that cannot be used is a result and harms no other.

        No more pictures are in memory than there is room for, if `make` keeps none. fetches: some are URLs.
        """

        def attempt(item: Item) -> Made | Failure:
            try:
                return make(item)
            except FAILURES as error:
                # What it came from, and the frames it came through, hold the half-decoded picture.
                error.__cause__ = error.__context__ = None
                return error.with_traceback(None)

        if len(items) == 1:
            return [attempt(items[0])]
        # Each in a copy of this thread's context, so that logs and figures know of which request they are.
        contexts = [copy_context() for _ in items]
        if fetches:  # by threads of its own, so that no other batch waits for slow servers
            with ThreadPoolExecutor(FETCHERS, "fetch") as pool:
                return list(pool.map(lambda context, item: context.run(attempt, item), contexts, items))
        return self._by_turns(
            [partial(context.run, attempt, item) for context, item in zip(contexts, items, strict=True)]
        )

    def _by_turns(self, calls: Sequence[Callable[[], Made]]) -> list[Made]:
        """What each gives, worked out by threads that all batches share, their callers taking turns."""
        tasks = [_Task(call) for call in calls]
        for task in tasks:
            self._readers.add_task(task)
        try:
            return [task.done.result() for task in tasks]
        finally:
            for task in tasks:
                task.done.cancel()

    @contextmanager
    def query(self, source: ImageSource, collections: Sequence[Collection], whole: bool) -> Iterator[Query]:
        """A picture whose bytes one of the `collections` holds is not embedded, and decoded only if needed `whole`.

        There is room for it within the block, and it must not outlive that. Raises InputError, NoEmbedding,
        BatcherClosed.
        """
        started = perf_counter()
        data = source.read()
        sha256 = hashlib.sha256(data).hexdigest()
        known = self._known(sha256, collections)
        with ExitStack() as room:
            if known is None:
                yield self._embedded(data, sha256, started, room)
                return
            record, vector = known
            picture = self._decoded(data, sha256, room) if whole else None
            yield Query(vector[None], data, picture, record, 1e3 * (perf_counter() - started), 0.0)

    def with_parts(self, query: Query, best: float) -> Query:
        """The query and its parts, where the whole, found with a score of `best`, leaves a doubt.

        Raises ModelMissing, ModelCorrupt, BadModel.
        """
        certain = query.known is not None or query.facts.indeterminate or self._parts.is_enough(best)
        if certain or not query.data:
            return query
        started = perf_counter()
        with ExitStack() as room:
            picture = query.picture or self._decoded(query.data, query.facts.sha256, room)
            with observing.timed("parts"), self._decoding.taken(1):
                rows = self._parts.rows(picture.image)
        embed_ms = query.embed_ms + 1e3 * (perf_counter() - started)
        return replace(query, views=np.concatenate([query.views, rows]), embed_ms=embed_ms)

    def kept(self, query: Query) -> KeptPicture | None:
        """What the settings want kept of a decoded picture."""
        if query.picture is None:
            return None
        with self._decoding.taken(1):
            return kept_of(query.data, query.picture, self._settings.keep)

    def _known(self, sha256: str, collections: Sequence[Collection]) -> tuple[ImageRecord, Vectors] | None:
        found = (self._store.known(collection, sha256) for collection in collections)
        return next((each for each in found if each), None)

    def _embedded(self, data: bytes, sha256: str, started: float, room: ExitStack) -> Query:
        with self._batcher.expect() as announced:
            picture = self._decoded(data, sha256, room)
            decoded = perf_counter()
            vector = self._recent.of(sha256)
            if vector is None:
                with observing.timed("embed"):
                    vector = announced.embed(picture.image, meanwhile=lambda: picture.indeterminate)
                self._recent.keep(sha256, vector)
        decode_ms, embed_ms = 1e3 * (decoded - started), 1e3 * (perf_counter() - decoded)
        return Query(vector[None], data, picture, None, decode_ms, embed_ms)

    def _decoded(self, data: bytes, sha256: str, room: ExitStack) -> Picture:
        """The picture, and on `room` what gives its share back."""
        with undecoded(data, self._settings.input) as file:
            room.enter_context(self._room.taken(file.pixels))
            with observing.timed("decode"), self._decoding.taken(1):
                return file.decode(sha256)
