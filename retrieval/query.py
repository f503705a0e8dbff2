"""A picture that a client has sent -> what is looked for: its facts, and its vector or vectors."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from threading import Semaphore
from time import perf_counter
from typing import TypeVar

import numpy as np

from extractor import Batcher, NoEmbedding, Parts
from extractor.interface import Vectors
from index_store import Collection, Facts, ImageRecord, ImageStore, KeptPicture
from retrieval import observing
from retrieval.errors import InputError
from retrieval.keeping import kept_of
from retrieval.payload import ImageSource
from retrieval.picture import Picture, decode
from retrieval.settings import Settings

READERS = 8  # pictures of batches that are fetched, decoded and embedded at a time, and so in memory
Item = TypeVar("Item")
Made = TypeVar("Made")
Failure = InputError | NoEmbedding
FAILURES = (InputError, NoEmbedding)


@dataclass(frozen=True, eq=False)
class Query:
    """A picture as it is looked for.

    views:   float32 (V, D). The first is of the whole picture, of norm 1; others are of its parts, and may be shorter.
    data:    its bytes.
    picture: None where the bytes are those of a remembered picture, `known`, whose vector then stands for it.
    """

    views: Vectors
    data: bytes
    picture: Picture | None
    known: ImageRecord | None
    decode_ms: float
    embed_ms: float

    @property
    def facts(self) -> Facts:
        """What is known of it besides its vectors."""
        facts = self.picture or self.known
        if facts is None:
            raise ValueError("a query is of a picture or of a remembered one")
        return facts

    @property
    def vector(self) -> Vectors:
        """Of the whole picture, (D,)."""
        vector: Vectors = self.views[0]
        return vector


class Reader:
    """Reads, decodes and embeds pictures, many at a time."""

    def __init__(self, settings: Settings, batcher: Batcher, parts: Parts, store: ImageStore) -> None:
        self._settings = settings
        self._parts = parts
        self._batcher = batcher
        self._store = store
        # More decoders than cores only take turns, and throw each other out of the caches.
        self._decoding = Semaphore(os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="read")

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)

    def each(self, make: Callable[[Item], Made], items: Sequence[Item]) -> list[Made | Failure]:
        """What `make` gives of each item, side by side; a picture that cannot be used is a result and harms no other.

        No more than READERS pictures are in memory, if `make` keeps none.
        """

        def attempt(item: Item) -> Made | Failure:
            try:
                return make(item)
            except FAILURES as error:
                return error

        if len(items) == 1:
            return [attempt(items[0])]
        # Each in a copy of this thread's context, so that logs and figures know of which request they are.
        contexts = [copy_context() for _ in items]
        return list(self._pool.map(lambda context, item: context.run(attempt, item), contexts, items))

    def query(self, source: ImageSource, collections: Sequence[Collection], whole: bool) -> Query:
        """A picture whose bytes one of the `collections` holds is not embedded, and decoded only if needed `whole`.

        Raises InputError, NoEmbedding, BatcherClosed.
        """
        started = perf_counter()
        data = source.read()
        known = self._known(data, collections)
        if known is None:
            return self._embedded(data, started)
        record, vector = known
        picture = self._decoded(data) if whole else None
        return Query(vector[None], data, picture, record, 1e3 * (perf_counter() - started), 0.0)

    def with_parts(self, query: Query, best: float) -> Query:
        """The query and its parts, where the whole, found with a score of `best`, leaves a doubt.

        Raises ModelMissing, ModelCorrupt, BadModel.
        """
        certain = query.known is not None or query.facts.indeterminate or self._parts.is_enough(best)
        if query.picture is None or certain:
            return query
        started = perf_counter()
        with observing.timed("parts"), self._decoding:
            rows = self._parts.rows(query.picture.image)
        embed_ms = query.embed_ms + 1e3 * (perf_counter() - started)
        return replace(query, views=np.concatenate([query.views, rows]), embed_ms=embed_ms)

    def kept(self, query: Query) -> KeptPicture | None:
        """What the settings want kept of a decoded picture."""
        if query.picture is None:
            return None
        with self._decoding:
            return kept_of(query.data, query.picture, self._settings.keep)

    def _known(self, data: bytes, collections: Sequence[Collection]) -> tuple[ImageRecord, Vectors] | None:
        sha256 = hashlib.sha256(data).hexdigest()
        found = (self._store.known(collection, sha256) for collection in collections)
        return next((each for each in found if each), None)

    def _embedded(self, data: bytes, started: float) -> Query:
        with self._batcher.expect() as announced:
            picture = self._decoded(data)
            decoded = perf_counter()
            with observing.timed("embed"):
                vector = announced.embed(picture.image)
        decode_ms, embed_ms = 1e3 * (decoded - started), 1e3 * (perf_counter() - decoded)
        return Query(vector[None], data, picture, None, decode_ms, embed_ms)

    def _decoded(self, data: bytes) -> Picture:
        with observing.timed("decode"), self._decoding:
            return decode(data, self._settings.input)
