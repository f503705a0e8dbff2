"""One immutable generation of an index: FAISS index, exact vectors, and a manifest that vouches for both."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from index_store.errors import BrokenGeneration
from index_store.files import sha256_of
from index_store.records import Collection, Seqs, Vectors

INDEX_FILE, VECTORS_FILE, SEQS_FILE, MANIFEST_FILE = "index.faiss", "vectors.f16", "seqs.npy", "manifest.json"
DATA_FILES = (INDEX_FILE, VECTORS_FILE, SEQS_FILE)
POINTER = "CURRENT"
LAYOUT = 1


@dataclass(frozen=True)
class Manifest:
    """What a generation holds: `covers` is the catalog's clock up to which every change is in it."""

    collection: str
    fingerprint: str
    dim: int
    covers: int
    count: int
    kind: str
    trained_on: int
    nlist: int | None
    nprobe: int | None
    checksums: dict[str, str]
    layout: int = LAYOUT

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises BrokenGeneration."""
        try:
            return cls(**json.loads((folder / MANIFEST_FILE).read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise BrokenGeneration(f"{folder.name}: no readable manifest ({error})") from error

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The manifest in `folder`, or None where there is no readable one."""
        try:
            return cls.read(folder)
        except BrokenGeneration:
            return None


class Generation:
    """An opened generation, memory-mapped; any number of threads may search it."""

    def __init__(self, folder: Path) -> None:
        """Raises BrokenGeneration where a file is missing, damaged or of another layout."""
        self.name = folder.name
        self.manifest = Manifest.read(folder)
        if self.manifest.layout != LAYOUT:
            raise BrokenGeneration(f"{folder.name}: layout {self.manifest.layout}, this program reads {LAYOUT}")
        _verify(folder, self.manifest)
        try:
            self._index = faiss.read_index(str(folder / INDEX_FILE), faiss.IO_FLAG_MMAP_IFC)
            self.seqs: Seqs = np.load(folder / SEQS_FILE, mmap_mode="r")
            self.vectors = map_vectors(folder / VECTORS_FILE, self.manifest.count, self.manifest.dim)
        except (OSError, ValueError, RuntimeError) as error:
            raise BrokenGeneration(f"{folder.name}: {error}") from error

    def positions_of(self, seqs: Seqs) -> Seqs:
        """Where in this generation those of `seqs` stand that it holds."""
        places = np.searchsorted(self.seqs, seqs)
        inside = places < len(self.seqs)
        held: Seqs = np.asarray(places[inside])
        found: Seqs = held[self.seqs[held] == seqs[inside]]
        return found

    def search(self, queries: Vectors, depth: int, without: Any = None) -> Seqs:
        """Candidates for (Q, D) queries: seqs (Q, depth) int64, -1 where there are fewer.

        `without` is the selector of an `Excluding`.
        """
        _, places = self._index.search(queries, min(depth, self.manifest.count), params=self._parameters(without))
        seqs: Seqs = np.where(places >= 0, self.seqs[places], -1)
        return seqs

    def vectors_of(self, seqs: Seqs) -> NDArray[np.float16]:
        """Stored vectors (M, D) of `seqs`, all of which this generation holds."""
        return self.vectors[np.searchsorted(self.seqs, seqs)]

    def _parameters(self, without: Any) -> Any:
        if self.manifest.nprobe is None:
            return faiss.SearchParameters(sel=without) if without else None
        return faiss.SearchParametersIVF(nprobe=self.manifest.nprobe, sel=without)


def map_vectors(path: Path, count: int, dim: int) -> NDArray[np.float16]:
    """The (count, dim) vectors in a file of bare little-endian float16, mapped rather than read."""
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, dim), dtype=np.float16)
    return np.memmap(path, dtype="<f2", mode="r", shape=(count, dim))


class Excluding:
    """A FAISS selector that passes over positions; keeps alive what the C++ object refers to."""

    def __init__(self, positions: Seqs) -> None:
        self._positions = faiss.IDSelectorBatch(positions)
        self.selector = faiss.IDSelectorNot(self._positions)


def current(folder: Path) -> Path | None:
    """The generation that the pointer in a collection's index folder names, or None."""
    try:
        name = (folder / POINTER).read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    return folder / name if name and Path(name).name == name else None


def fits(manifest: Manifest, collection: Collection) -> bool:
    """Whether a generation is of this very collection, and not from a catalog that has since been put back in time."""
    same = (manifest.collection, manifest.fingerprint, manifest.dim)
    return same == (collection.uid, collection.fingerprint, collection.dim) and manifest.covers <= collection.clock


def withdraw(folder: Path, name: str) -> None:
    """Take back the pointer to a generation that must never be searched, unless it has moved on already."""
    generation = current(folder)
    if generation is not None and generation.name == name:
        (folder / POINTER).unlink(missing_ok=True)


def _verify(folder: Path, manifest: Manifest) -> None:
    for name in DATA_FILES:
        try:
            actual = sha256_of(folder / name)
        except OSError as error:
            raise BrokenGeneration(f"{folder.name}/{name}: {error.strerror}") from error
        if actual != manifest.checksums.get(name):
            raise BrokenGeneration(f"{folder.name}/{name} is damaged: its checksum is not the manifest's")
