"""What needs the model, put together: for the service, for scripts and for jobs."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from extractor import Batcher, Extractor, Parts, load_extractor
from index_store import Catalog, ImageStore
from retrieval.comparer import Comparer
from retrieval.judges import Judges
from retrieval.observing import UNWATCHED, Watch
from retrieval.pipeline import EMBEDDERS
from retrieval.query import Reader
from retrieval.retriever import Retriever
from retrieval.room import Room, give_back_large_blocks
from retrieval.settings import Settings


@dataclass(frozen=True)
class Engine:
    """One process's model, index and Retriever; safe to share between its threads. A context manager."""

    extractor: Extractor
    batcher: Batcher
    parts: Parts
    store: ImageStore
    reader: Reader
    judges: Judges
    retriever: Retriever
    comparer: Comparer

    @classmethod
    def open(cls, settings: Settings, catalog: Catalog, watch: Watch = UNWATCHED, room: Room | None = None) -> Self:
        """Loads the model and opens the index; `room` is for decoded pictures, of its own unless given.

        Raises ModelMissing, ModelCorrupt, CatalogUnavailable.
        """
        give_back_large_blocks()
        extractor = load_extractor(settings.extractor)
        store = ImageStore(catalog, settings.data_dir / "index", settings.index, extractor.fingerprint, extractor.dim)
        store.warm_up()
        batcher = _batcher(extractor, settings, watch)
        parts = Parts(settings.extractor, extractor)
        if settings.search.mode == "thorough":
            parts.load()
        judges = Judges(settings.search, store, extractor.fingerprint)
        room = room or Room(settings.input.max_pixels_at_once)
        reader = Reader(settings, batcher, parts, store, room)
        retriever = Retriever(settings.search, reader, store, judges)
        comparer = Comparer(store, reader, judges)
        return cls(extractor, batcher, parts, store, reader, judges, retriever, comparer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finishes what is queued."""
        self.reader.close()
        self.batcher.close()


def _batcher(extractor: Extractor, settings: Settings, watch: Watch) -> Batcher:
    """Where a batch takes as long as its pictures do, none waits for others: not to begin, and not to be told."""
    if extractor.lanes:
        return Batcher(extractor, 1, 0, extractor.lanes, watch)
    return Batcher(extractor, settings.extractor.batch_size, settings.extractor.batch_wait_ms / 1e3, EMBEDDERS, watch)
