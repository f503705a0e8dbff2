"""Many picture files into a collection: decoding runs beside embedding, and each batch is one durable commit."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from extractor import NoEmbedding
from extractor.interface import Pixels, Vectors
from index_store import AddOutcome, NewImage, Rules
from index_store.files import sha256_of
from retrieval.engine import Engine
from retrieval.errors import BadImage, InputError, PictureTooLarge
from retrieval.fields import valid_id
from retrieval.keeping import kept_of
from retrieval.picture import decode
from retrieval.pipeline import in_batches
from retrieval.retriever import new_image
from retrieval.settings import InputSettings, Settings

NO_VECTOR = np.empty(0, np.float32)


@dataclass(frozen=True)
class ImageFile:
    """A picture on disk, and what to remember of it besides its content. `arrival` is as in NewImage."""

    id: str
    path: Path
    source: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    arrival: str | None = None


@dataclass(frozen=True)
class FileOutcome:
    """What became of a file. `known`: it is there already, under the same id and with the same bytes."""

    file: ImageFile
    status: Literal["added", "known", "duplicate", "failed"]
    detail: str = ""


@dataclass(frozen=True)
class _Read:
    """What is left of a decoded picture: many wait for their batch, more than there is memory for."""

    image: NewImage  # with a vector still to come
    pixels: Pixels


_Reading = tuple[ImageFile, "Future[_Read | FileOutcome]"]


class BulkAdder:
    """Adds files to one collection, batch by batch.

    `reject` leaves out what the collection, or one of those `against`, holds already.
    """

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        collection: str,
        reject: bool = False,
        against: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._collection = collection
        self._reject = reject
        self._against = tuple(against)

    def add(self, files: Iterable[ImageFile]) -> Generator[FileOutcome, None, None]:
        """One outcome a file, in order. A file that cannot be read is an outcome, not an error.

        What was yielded is on the disk, so an interruption loses no more than the batch under way.
        """
        return in_batches(files, self._settings.extractor.batch_size, self._begin, self._embedded, self._finish)

    def _begin(self, pool: Executor, batch: list[ImageFile]) -> list[_Reading]:
        known = self._engine.store.known_ids(self._collection, [file.id for file in batch if not _trouble(file)])
        arrived = self._engine.store.arrived([file.arrival for file in batch if file.arrival])
        return [(file, self._begun(pool, file, known.get(file.id), file.arrival in arrived)) for file in batch]

    def _begun(
        self, pool: Executor, file: ImageFile, known: str | None, arrived: bool
    ) -> "Future[_Read | FileOutcome]":
        if arrived:
            return pool.submit(FileOutcome, file, "known")
        return pool.submit(self._read, file) if known is None else pool.submit(_recognise, file, known)

    def _read(self, file: ImageFile) -> _Read | FileOutcome:
        try:
            data = _bytes_of(file, self._settings.input)
            picture = decode(data, self._settings.input)
        except (InputError, OSError) as error:  # told at once, as the error itself holds what was decoded
            return FileOutcome(file, "failed", str(error))
        kept = kept_of(data, picture, self._settings.keep) if self._settings.keep.files else None
        image = replace(
            new_image(file.id, picture, NO_VECTOR, file.source), metadata=file.metadata, kept=kept, arrival=file.arrival
        )
        return _Read(image, self._engine.extractor.prepare(picture.image))

    def _embedded(self, batch: list[_Reading]) -> list[tuple[ImageFile, NewImage | FileOutcome]]:
        results = [_result(file, reading) for file, reading in batch]
        pixels = [result.pixels for _, result in results if isinstance(result, _Read)]
        found = iter(self._engine.extractor.embed_possible(pixels))
        return [
            (file, _new(file, result.image, next(found)) if isinstance(result, _Read) else result)
            for file, result in results
        ]

    def _finish(self, results: list[tuple[ImageFile, NewImage | FileOutcome]]) -> list[FileOutcome]:
        stored = self._store([(file, result) for file, result in results if isinstance(result, NewImage)])
        return [next(stored) if isinstance(result, NewImage) else result for _, result in results]

    def _store(self, read: list[tuple[ImageFile, NewImage]]) -> Iterator[FileOutcome]:
        if not read:
            return iter(())
        new = [image for _, image in read]
        store = self._engine.store
        added = store.add(self._collection, new, self._rules())
        return iter([self._outcome(file, result) for (file, _), result in zip(read, added, strict=True)])

    def _rules(self) -> Rules:
        if not self._reject:
            return Rules()
        bound = self._engine.store.find_collection(self._collection)
        return Rules(self._engine.judges.of(bound, "fast").threshold, reject=True, against=self._against)

    def _outcome(self, file: ImageFile, result: AddOutcome) -> FileOutcome:
        if result.status == "id_taken":  # by somebody else since this batch began, or by its namesake in this batch
            known = self._engine.store.known_ids(self._collection, [file.id])
            return _recognise(file, known.get(file.id, ""))
        if result.status == "duplicate":
            best = result.matches[0]
            place = "" if best.collection == self._collection else f" in {best.collection!r}"
            return FileOutcome(file, "duplicate", f"duplicate of {best.image.id!r}{place} (score {best.score:.3f})")
        return FileOutcome(file, "added")


def _result(file: ImageFile, reading: "Future[_Read | FileOutcome]") -> tuple[ImageFile, _Read | FileOutcome]:
    try:
        return file, reading.result()
    except (InputError, OSError) as error:
        return file, FileOutcome(file, "failed", str(error))


def _recognise(file: ImageFile, known_sha256: str) -> FileOutcome:
    """Whether a file whose id is in use is the very picture that has it, as after an interruption, or another one."""
    if sha256_of(file.path) == known_sha256:
        return FileOutcome(file, "known")
    return FileOutcome(file, "failed", f"the id {file.id!r} is in use by another picture; delete that one first")


def _bytes_of(file: ImageFile, limits: InputSettings) -> bytes:
    if trouble := _trouble(file):
        raise BadImage(f"its name cannot be an id: {trouble}")
    if file.path.stat().st_size > limits.max_bytes:
        raise PictureTooLarge(f"the file has more than {limits.max_bytes:,} bytes, the most that is accepted")
    return file.path.read_bytes()


def _trouble(file: ImageFile) -> str:
    """What keeps a file's id from being one, or nothing."""
    try:
        valid_id(file.id)
    except ValueError as error:
        return str(error)
    return ""


def _new(file: ImageFile, image: NewImage, vector: Vectors | NoEmbedding) -> NewImage | FileOutcome:
    if isinstance(vector, NoEmbedding):
        return FileOutcome(file, "failed", str(vector))
    return replace(image, vector=vector)
