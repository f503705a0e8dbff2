"""All pictures of a collection embedded again by the extractor of the settings, going on where it was interrupted."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from extractor import NoEmbedding
from extractor.interface import Pixels, Vectors
from index_store import ImageRecord, Reembedding
from retrieval.engine import Engine
from retrieval.originals import Absent, Originals
from retrieval.pipeline import in_batches
from retrieval.settings import Settings

PAGE = 1000


@dataclass(frozen=True)
class Reembedded:
    """What became of a picture: `status` says where it was read ("file", "library", "original", "thumbnail"),
    or that it is "missing", `detail` then why.
    """

    id: str
    status: str
    detail: str = ""


@dataclass(frozen=True, eq=False)
class _Read:
    image: ImageRecord
    where: str
    pixels: Pixels


_Reading = _Read | Reembedded
_Embedded = tuple[list[_Reading], dict[int, Vectors]]


class Reembedder:
    """Embeds what a Reembedding lacks, and ends it. `finished` tells whether the collection is the extractor's now."""

    def __init__(self, settings: Settings, engine: Engine, reembedding: Reembedding, forget_missing: bool) -> None:
        self.finished = False
        self._engine = engine
        self._reembedding = reembedding
        self._forget = forget_missing
        self._batch_size = settings.extractor.batch_size
        self._originals = Originals(settings, reembedding.catalog, reembedding.collection.name)
        self._after = 0
        self._missing = 0
        self._last: list[Reembedded] = []

    def run(self) -> Iterator[Reembedded]:
        """One outcome a picture, in order of adding; what was yielded is on the disk.

        Goes round until no picture was added meanwhile. Ends unfinished where pictures are missing and not to be
        forgotten. Raises Superseded.
        """
        while not self.finished:
            yield from in_batches(self._pending(), self._batch_size, self._begin, self._embedded_batch, self._finish)
            if self._missing and not self._forget:
                return
            self.finished = self._reembedding.finish(self._after, self._forget, self._embed_last)
        yield from self._last

    def _pending(self) -> Iterator[ImageRecord]:
        while page := self._reembedding.pending(self._after, PAGE):
            for image in page:
                self._after = image.seq
                yield image

    def _begin(self, pool: Executor, batch: list[ImageRecord]) -> list["Future[_Reading]"]:
        return [pool.submit(self._read, image) for image in batch]

    def _embedded_batch(self, batch: list["Future[_Reading]"]) -> _Embedded:
        return self._embedded([reading.result() for reading in batch])

    def _finish(self, embedded: _Embedded) -> list[Reembedded]:
        readings, vectors = embedded
        self._reembedding.gather(vectors)
        outcomes = [_outcome(reading) for reading in readings]
        self._missing += sum(outcome.status == "missing" for outcome in outcomes)
        return outcomes

    def _embed_last(self, images: list[ImageRecord]) -> Mapping[int, Vectors]:
        readings, vectors = self._embedded([self._read(image) for image in images])
        self._last = [_outcome(reading) for reading in readings]
        return vectors

    def _read(self, image: ImageRecord) -> _Reading:
        try:
            where, picture = self._originals.read(image)
        except Absent as error:
            return Reembedded(image.id, "missing", str(error))
        return _Read(image, where, self._engine.extractor.prepare(picture.image))

    def _embedded(self, readings: list[_Reading]) -> _Embedded:
        """Vectors by seq of those that could be read; one that cannot be embedded is missing like one that is gone."""
        read = [reading for reading in readings if isinstance(reading, _Read)]
        found = dict(zip(read, self._engine.extractor.embed_possible([each.pixels for each in read]), strict=True))
        failed = {each: str(error) for each, error in found.items() if isinstance(error, NoEmbedding)}
        vectors = {each.image.seq: vector for each, vector in found.items() if not isinstance(vector, NoEmbedding)}
        return [
            Reembedded(each.image.id, "missing", failed[each]) if isinstance(each, _Read) and each in failed else each
            for each in readings
        ], vectors


def _outcome(reading: _Reading) -> Reembedded:
    return Reembedded(reading.image.id, reading.where) if isinstance(reading, _Read) else reading
