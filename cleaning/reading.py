"""Picture files -> what they show and their vectors, by way of the cache. What is known is not read again."""

import hashlib
import os
from collections.abc import Generator, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal

import numpy as np

from cleaning.cache import Cache, Content
from cleaning.companions import NOTHING
from cleaning.metadata import facts_of, moves
from cleaning.riches import riches_of
from cleaning.scan import Found, found_of
from extractor import Extractor, NoEmbedding, Pixels
from retrieval.decoding import TookTooLong
from retrieval.errors import InputError, NoDecoder, PictureTooLarge
from retrieval.picture import Picture, decode
from retrieval.pipeline import in_batches
from retrieval.settings import InputSettings

Depth = Literal["bytes", "pixels", "vectors"]
BATCH = 16
SAVED_EVERY = 32  # batches; what is lost by an interruption
CHUNK = 1 << 20
PASSING = (TookTooLong, NoDecoder)  # of a busy machine, not of the file: tried again next time


@dataclass(frozen=True, slots=True)
class Seen:
    """A file and the SHA-256 of its bytes, in hex; or why it could not be read, in `trouble`."""

    file: Found
    sha256: str
    trouble: str = ""


@dataclass(frozen=True, eq=False)
class _Read:
    """What came out of a file; `pixels` are the extractor's input."""

    seen: Seen
    content: Content | None = None
    pixels: Pixels | None = None
    vector: bytes = b""


class Reader:
    """Looks at files, as deep as asked: their bytes, what they show, or vectors as well.

    Of each content one file is decoded and embedded. `fingerprint` and `extractor` count for vectors only.
    """

    def __init__(self, cache: Cache, limits: InputSettings, depth: Depth, extractor: Extractor | None) -> None:
        self._cache = cache
        self._limits = limits
        self._depth = depth
        self._extractor = extractor
        self._judged_by = f"{limits.max_bytes} {limits.max_pixels} {' '.join(limits.formats)}"
        self._claimed: set[str] = set()
        self._claiming = Lock()

    def look(self, files: Iterable[Found]) -> Generator[Seen, None, None]:
        """One a file, in order. What was yielded some batches ago is in the cache."""
        batches = 0
        for number, seen in enumerate(in_batches(files, BATCH, self._begin, self._embedded, self._finish)):
            if number // (BATCH * SAVED_EVERY) > batches:
                batches += 1
                self._cache.commit()
            yield seen

    def _begin(self, pool: Executor, batch: list[Found]) -> list["_Read | Future[_Read]"]:
        known = self._cache.hashes(batch)
        done = self._done(known.values())
        return [
            _Read(Seen(file, known[file.path]))
            if known.get(file.path) in done
            else pool.submit(self._read, file, known.get(file.path))
            for file in batch
        ]

    def _done(self, hashes: Iterable[str]) -> set[str]:
        """Those of the contents that need not be looked at, with those that somebody looks at already."""
        if self._depth == "bytes":
            return set(hashes)
        wanted = set(hashes)
        contents = {sha256: each for sha256, each in self._cache.contents(wanted) if self._is_valid(each)}
        failed = {sha256 for sha256, each in contents.items() if each.failure}
        if self._extractor is None:
            return set(contents)
        return failed | {sha256 for sha256, _ in self._cache.rows(self._extractor.fingerprint, contents.keys())}

    def _is_valid(self, content: Content) -> bool:
        """A failure by other limits says nothing."""
        return not content.failure or content.limits == self._judged_by

    def _read(self, file: Found, known: str | None) -> _Read:
        try:
            now, sha256, data = _bytes_of(file, self._limits.max_bytes)
        except OSError as error:
            return _Read(Seen(file, "", error.strerror or str(error)))
        seen = Seen(now, sha256)
        if sha256 != known and sha256 in self._done([sha256]):
            return _Read(seen)
        if self._depth == "bytes" or not self._claim(sha256):
            return _Read(seen)
        return self._shown(seen, data)

    def _claim(self, sha256: str) -> bool:
        """Whether nobody else looks at this content."""
        with self._claiming:
            is_first = sha256 not in self._claimed
            self._claimed.add(sha256)
            return is_first

    def _shown(self, seen: Seen, data: bytes | None) -> _Read:
        try:
            if data is None:
                raise PictureTooLarge(f"The file has more than {self._limits.max_bytes:,} bytes.")
            picture = replace(decode(data, self._limits), sha256=seen.sha256)
        except PASSING as error:
            return _Read(replace(seen, trouble=str(error)))
        except InputError as error:
            is_picture = isinstance(error, PictureTooLarge)
            return _Read(seen, Content(failure=str(error), is_picture=is_picture, limits=self._judged_by))
        pixels = self._extractor.prepare(picture.image) if self._extractor else None
        return _Read(seen, content_of(picture, data), pixels)

    def _embedded(self, batch: list["_Read | Future[_Read]"]) -> list[_Read]:
        read = [each if isinstance(each, _Read) else each.result() for each in batch]
        pixels = [each.pixels for each in read if each.pixels is not None]
        if self._extractor is None or not pixels:
            return read
        vectors = iter(self._extractor.embed_possible(pixels))
        return [each if each.pixels is None else self._with_vector(each, next(vectors)) for each in read]

    def _with_vector(self, read: _Read, vector: "np.ndarray | NoEmbedding") -> _Read:
        if isinstance(vector, NoEmbedding):
            return replace(read, content=Content(failure=str(vector), limits=self._judged_by), pixels=None)
        return replace(read, pixels=None, vector=vector.astype(np.float16).tobytes())

    def _finish(self, batch: list[_Read]) -> list[Seen]:
        return [self._put(read) for read in batch]

    def _put(self, read: _Read) -> Seen:
        seen = read.seen
        if read.content and self._extractor and read.vector:
            self._cache.put_rows(self._extractor.fingerprint, seen.sha256, read.vector)
        if read.content:
            self._cache.put_content(seen.sha256, read.content)
        if seen.sha256:
            self._cache.put_hash(seen.file, seen.sha256)
        return seen


def content_of(picture: Picture, data: bytes) -> Content:
    """What is remembered of a decoded picture."""
    return Content(
        pixels=picture.pixels_sha256,
        width=picture.width,
        height=picture.height,
        format=picture.format,
        indeterminate=picture.indeterminate,
        moves=moves(data, picture.format),
        metadata=tuple(facts_of(data, picture.format).items()),
        riches=riches_of(data, picture.format),
    )


def _bytes_of(file: Found, most: int) -> tuple[Found, str, bytes | None]:
    """The file as it is, SHA-256 in hex, and its bytes, None if they are more than `most`. Raises OSError."""
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        now = found_of(file.path, os.fstat(descriptor), file.unit)
        if now.size > most:
            sha256, data = hashlib.file_digest(opened, "sha256").hexdigest(), None
        else:
            data = opened.read(now.size + 1)
            sha256 = hashlib.sha256(data).hexdigest()
        if found_of(file.path, os.fstat(descriptor), file.unit).stamp != now.stamp or len(data or b"") > now.size:
            raise OSError("it was changed while it was read")
    return now, sha256, data


def sha256_of(path: str, cache: Cache) -> tuple[Found, str]:
    """A file as it is and the SHA-256 of its bytes, in hex, read only if the cache does not know. Raises OSError."""
    file = found_of(path, os.stat(path, follow_symlinks=False), NOTHING)  # noqa: PTH116  # may not be UTF-8
    if known := cache.hashes([file]).get(path):
        return file, known
    now, sha256, _ = _bytes_of(file, 0)
    cache.put_hash(now, sha256)
    return now, sha256


def read_again(file: Found, sha256: str, limits: InputSettings) -> Picture:
    """The picture of a file whose content is to be the same as it was. Raises InputError, OSError."""
    _, now, data = _bytes_of(file, limits.max_bytes)
    if now != sha256 or data is None:
        raise OSError("it was changed meanwhile")
    return decode(data, limits)
