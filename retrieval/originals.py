"""Where a picture that the catalog knows can be read again: its own file, the library, or what the catalog keeps."""

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from index_store import Catalog, ImageRecord
from index_store.files import sha256_of
from retrieval.errors import InputError
from retrieval.keeping import THUMBNAIL_FORMAT
from retrieval.picture import Picture, decode
from retrieval.settings import Settings


class Absent(InputError):
    """A picture cannot be had; the message says why."""


class Library:
    """The files below a folder by SHA-256: listed when first asked for, each hashed once and only if its size fits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_size: dict[int, list[Path]] | None = None
        self._by_sha256: dict[str, Path] = {}
        self._looking = threading.Lock()

    def find(self, sha256: str, size: int) -> Path | None:
        """A file of these bytes, `size` of them."""
        with self._looking:
            if self._by_size is None:
                self._by_size = {}
                for path, length in _files(self.folder):
                    self._by_size.setdefault(length, []).append(path)
            for path in self._by_size.pop(size, ()):
                with suppress(OSError):
                    self._by_sha256.setdefault(sha256_of(path), path)
            return self._by_sha256.get(sha256)


class Originals:
    """Reads the pictures of one collection again; safe to share between threads."""

    def __init__(self, settings: Settings, catalog: Catalog, collection: str) -> None:
        self._catalog = catalog
        self._library = Library(settings.data_dir / "library" / collection)
        self._limits = settings.input
        formats = tuple(dict.fromkeys((*settings.input.formats, THUMBNAIL_FORMAT)))
        self._kept_limits = settings.input.model_copy(update={"formats": formats})

    def read(self, image: ImageRecord) -> tuple[str, Picture]:
        """The picture, and where it was: "file", "library", "original" or "thumbnail". Raises Absent."""
        reasons = []
        for look in (self._at_source, self._in_library, self._in_catalog):
            try:
                return look(image)
            except (InputError, OSError) as error:
                reasons.append(str(error))
        raise Absent("; ".join(reasons))

    def _at_source(self, image: ImageRecord) -> tuple[str, Picture]:
        if not image.source or not Path(image.source).is_absolute():
            raise Absent(f"its source is not a file here ({image.source})")
        return "file", decode(_whole(Path(image.source), image), self._limits)

    def _in_library(self, image: ImageRecord) -> tuple[str, Picture]:
        path = self._library.find(image.sha256, image.size)
        if path is None:
            raise Absent(f"no file in {self._library.folder} has its SHA-256")
        return "library", decode(_whole(path, image), self._limits)

    def _in_catalog(self, image: ImageRecord) -> tuple[str, Picture]:
        kept = self._catalog.kept_picture(image.seq)
        if kept is None:
            raise Absent("the catalog keeps no picture of it")
        return kept.kind, decode(kept.data, self._kept_limits)


def _whole(path: Path, image: ImageRecord) -> bytes:
    """The bytes of the file at `path`, if they are the picture's. Raises Absent, OSError."""
    if not path.is_file():  # a pipe would be waited for
        raise Absent(f"no file {path}")
    with path.open("rb") as file:
        data = file.read(image.size + 1)
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise Absent(f"{path} has other bytes than were added")
    return data


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every regular file below a folder, with its size."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(OSError):
                facts = path.stat()
                if stat.S_ISREG(facts.st_mode):
                    yield path, facts.st_size
