"""What one process knows of one collection: newest generation + exact delta - deleted, always as new as the catalog."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index_store.catalog import Catalog
from index_store.errors import BrokenGeneration, StoreError
from index_store.generation import Generation, Kept, current
from index_store.healing import Healing
from index_store.records import Collection, Seqs, Vectors
from index_store.rows import deletions_between, vector_chunks
from index_store.scoring import best_cosines, products
from index_store.vouched import has_generation, manifest_sha256

log = logging.getLogger(__name__)
_NO_SEQS: Seqs = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Delta:
    """Vectors newer than the generation: seqs (M,) ascending and vectors (M, D) float32, searched exactly.

    Grows in place behind the length that older deltas see, so extending it disturbs no search under way.
    `dead` (K,) are places of what has been deleted.
    """

    seqs: Seqs
    vectors: Vectors
    length: int = 0
    dead: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    def extended(self, seqs: Seqs, vectors: Vectors) -> "Delta":
        """This delta and more rows, all newer. Only the newest delta of a line may be extended."""
        length = self.length + len(seqs)
        grown = self if length <= len(self.seqs) else self._with_room(max(length, 2 * len(self.seqs), 64))
        grown.seqs[self.length : length] = seqs
        grown.vectors[self.length : length] = vectors
        return replace(grown, length=length)

    def without(self, seqs: Seqs) -> "Delta":
        """This delta, those of `seqs` that it holds being dead."""
        places = np.searchsorted(self.seqs[: self.length], seqs[self.holds(seqs)])
        return replace(self, dead=np.concatenate([self.dead, places])) if len(places) else self

    def search(self, queries: Vectors, depth: int) -> Seqs:
        """Seqs (Q, min(depth, M)) of the best by inner product, not in order; -1 where fewer live."""
        scores = products(queries, self.vectors[: self.length])
        scores[:, self.dead] = -np.inf
        others = max(self.length - depth, 0)
        best = np.argpartition(scores, others, axis=1)[:, others:] if others else np.arange(self.length)[None]
        return np.where(np.take_along_axis(scores, best, axis=1) > -np.inf, self.seqs[best], -1)

    def holds(self, seqs: Seqs) -> NDArray[np.bool_]:
        """Which of `seqs` stand in this delta."""
        mine = self.seqs[: self.length]
        places = np.searchsorted(mine, seqs)
        inside = places < self.length
        inside[inside] = mine[places[inside]] == seqs[inside]
        return inside

    def vectors_of(self, seqs: Seqs) -> Vectors:
        """Vectors (M, D) of `seqs`, all of which this delta holds."""
        return self.vectors[np.searchsorted(self.seqs[: self.length], seqs)]

    def _with_room(self, rows: int) -> "Delta":
        seqs = np.empty(rows, dtype=np.int64)
        vectors = np.empty((rows, self.vectors.shape[1]), dtype=np.float32)
        seqs[: self.length] = self.seqs[: self.length]
        vectors[: self.length] = self.vectors[: self.length]
        return Delta(seqs, vectors, self.length, self.dead)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One moment of a collection. Immutable: a search keeps the snapshot that it began with."""

    generation: Generation | None
    kept: Kept | None
    delta: Delta
    clock: int

    @property
    def size(self) -> int:
        """Pictures held, deleted ones too."""
        return self.delta.length + (self.generation.manifest.count if self.generation else 0)

    @property
    def is_exact(self) -> bool:
        """Whether a search compares with every vector, there being no IVF index."""
        return self.generation is None or self.generation.manifest.nprobe is None

    def search(self, queries: Vectors, depth: int) -> list[Seqs]:
        """For each of the (Q, D) queries the seqs that may be best, `depth` of them or more, in no order."""
        found = [np.empty((len(queries), 0), dtype=np.int64)]
        if self.generation and self.generation.manifest.count:
            found.append(self.generation.search(queries, depth, self.kept))
        if self.delta.length:
            found.append(self.delta.search(queries, depth))
        return [seqs[seqs >= 0] for seqs in np.concatenate(found, axis=1)]

    def score(self, views: Vectors, seqs: Seqs) -> NDArray[np.float64]:
        """Exact scores of a query's views (V, D) with the stored vectors of `seqs`."""
        return best_cosines(self.vectors_of(seqs), views)

    def vectors_of(self, seqs: Seqs) -> Vectors:
        """Stored vectors (M, D) float32 of `seqs`, all of which this snapshot holds."""
        fresh = self.delta.holds(seqs)
        vectors = np.empty((len(seqs), self.delta.vectors.shape[1]), dtype=np.float32)
        vectors[fresh] = self.delta.vectors_of(seqs[fresh])
        if self.generation and not fresh.all():
            vectors[~fresh] = self.generation.vectors_of(seqs[~fresh])
        return vectors

    def without(self, seqs: Sequence[int]) -> "Snapshot":
        """This snapshot less the images of `seqs`."""
        if not len(seqs):
            return self
        gone = np.asarray(seqs, dtype=np.int64)
        kept = self.kept
        if self.generation and len(places := self.generation.positions_of(gone)):
            kept = (kept or Kept.all_of(self.generation.manifest.count)).less(places)
        return replace(self, kept=kept, delta=self.delta.without(gone))


class CollectionView:
    """Keeps a snapshot of one collection in step with the catalog and the newest generation."""

    def __init__(self, catalog: Catalog, collection: Collection, folder: Path, healing: Healing) -> None:
        self._catalog = catalog
        self._healing = healing
        self._folder = folder
        self._changing = threading.Lock()
        self._swapping = threading.Lock()
        self._refused: Path | None = None
        self._snapshot = self._loaded(self._newest(collection), collection)

    def snapshot(self, collection: Collection) -> Snapshot:
        """A snapshot that holds at least every change up to `collection.clock`. Never waits for an index to load."""
        if self._is_stale() and self._swapping.acquire(blocking=False):
            threading.Thread(target=self._swap, args=(collection,), name="index-swap", daemon=True).start()
        snapshot = self._snapshot
        if snapshot.clock >= collection.clock:
            return snapshot
        with self._changing:
            self._snapshot = self._caught_up(self._snapshot, collection)
            return self._snapshot

    def forget(self, seqs: Sequence[int]) -> None:
        """Leave out images that the catalog no longer has."""
        with self._changing:
            self._snapshot = self._snapshot.without(seqs)

    def close(self) -> None:
        """Wait for a swap that is under way."""
        with self._swapping:
            pass

    def _is_stale(self) -> bool:
        newest = current(self._folder)
        held = self._snapshot.generation
        return newest is not None and newest != self._refused and (held is None or held.name != newest.name)

    def _swap(self, collection: Collection) -> None:
        try:
            generation = self._newest(collection)
            if generation is None:  # what is searched now is better than nothing
                return
            fresh = self._loaded(generation, collection)
            with self._changing:
                self._snapshot = self._caught_up(fresh, replace(collection, clock=self._snapshot.clock))
            log.info("collection %r now searches generation %s", collection.name, generation.name)
        except StoreError as error:
            log.error("the new index of %r cannot be opened yet: %s", collection.name, error)
        finally:
            self._swapping.release()

    def _loaded(self, generation: Generation | None, collection: Collection) -> Snapshot:
        """A snapshot over `generation`; without one everything is delta, slower but never wrong."""
        none = Delta(_NO_SEQS, np.empty((0, collection.dim), dtype=np.float32))
        covered = generation.manifest.covers if generation else 0
        return self._caught_up(Snapshot(generation, None, none, covered), collection)

    def _newest(self, collection: Collection) -> Generation | None:
        """The newest generation, if it is whole and of this catalog. Where it is not, a rebuild is asked for."""
        folder = current(self._folder)
        if folder is None:
            if has_generation(self._catalog, collection):
                self._healing.ask(collection)
            return None
        try:
            return Generation(folder, manifest_sha256(self._catalog, collection, folder.name))
        except BrokenGeneration as error:
            log.error("an index of %r cannot be used and will be built again: %s", collection.name, error)
            self._refused = folder
            self._healing.ask(collection)
            return None

    def _caught_up(self, old: Snapshot, collection: Collection) -> Snapshot:
        if old.clock >= collection.clock:
            return old
        delta = old.delta
        with self._catalog.reading() as connection:
            for seqs, vectors in vector_chunks(connection, collection, old.clock, collection.clock):
                delta = delta.extended(seqs, vectors)
            deleted = deletions_between(connection, collection, old.clock, collection.clock)
        return replace(old, delta=delta, clock=collection.clock).without(deleted)
