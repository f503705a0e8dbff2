"""One immutable generation of an index: FAISS index, exact vectors, and a manifest that vouches for both."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from index_store.errors import BrokenGeneration
from index_store.files import sha256_of
from index_store.records import Seqs, Vectors
from index_store.rows import VECTOR_DTYPE
from index_store.training import Lists

INDEX_FILE, VECTORS_FILE, SEQS_FILE, MANIFEST_FILE = "index.faiss", "vectors.f16", "seqs.i64", "manifest.json"
DATA_FILES = (INDEX_FILE, VECTORS_FILE, SEQS_FILE)
POINTER = "CURRENT"
NAME = re.compile(r"gen-[0-9]+-[0-9a-f]+")
LAYOUT = 3
SEQ_DTYPE = np.dtype("<i8")


@dataclass(frozen=True)
class Manifest:
    """What a generation holds: `covers` is the catalog's clock up to which every change is in it.

    nprobe, rerank, recall: of an IVF index, how far a search looks and what that found when it was built; see `Effort`.
    """

    collection: str
    fingerprint: str
    dim: int
    covers: int
    count: int
    kind: str
    trained_on: int
    nlist: int | None
    checksums: dict[str, str]
    nprobe: int | None = None
    rerank: int | None = None
    recall: float | None = None
    layout: int = LAYOUT

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def read(cls, folder: Path, sha256: str | None) -> Self:
        """The manifest in `folder`, whose bytes the catalog knows by `sha256`. Raises BrokenGeneration."""
        if sha256 is None:
            raise BrokenGeneration(f"{folder.name} was not made from this catalog as it stands")
        try:
            content = (folder / MANIFEST_FILE).read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise BrokenGeneration(f"{folder.name}/{MANIFEST_FILE} is damaged: the catalog knows another checksum")
            return cls(**json.loads(content))
        except (OSError, ValueError, TypeError) as error:
            raise BrokenGeneration(f"{folder.name}: no readable manifest ({error})") from error

    def verify(self, folder: Path) -> None:
        """Raises BrokenGeneration where a file is missing, damaged or of another layout."""
        if self.layout != LAYOUT:
            raise BrokenGeneration(f"{folder.name}: layout {self.layout}, this program reads {LAYOUT}")
        for name in DATA_FILES:
            try:
                actual = sha256_of(folder / name)
            except OSError as error:
                raise BrokenGeneration(f"{folder.name}/{name}: {error.strerror}") from error
            if actual != self.checksums.get(name):
                raise BrokenGeneration(f"{folder.name}/{name} is damaged: its checksum is not the manifest's")


class Generation:
    """An opened generation, memory-mapped; any number of threads may search it."""

    def __init__(self, folder: Path, sha256: str | None) -> None:
        """`sha256` is what the catalog says of the manifest. Raises BrokenGeneration."""
        self.name = folder.name
        self.manifest = Manifest.read(folder, sha256)
        self.manifest.verify(folder)
        try:
            index = faiss.read_index(str(folder / INDEX_FILE), faiss.IO_FLAG_MMAP_IFC)
            self._index = index if self.manifest.nprobe is None else Lists(index)
            # Read, not mapped, 8 bytes a picture: one bit that turns in the file would hide many of the others.
            # No .npy: its header is parsed by `ast`, which before Python 3.11.8 can fail while another thread uses it.
            self.seqs: Seqs = np.fromfile(folder / SEQS_FILE, SEQ_DTYPE)
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

    def search(self, queries: Vectors, depth: int, kept: "Kept | None" = None) -> Seqs:
        """Candidates for (Q, D) queries among all positions or those `kept`: seqs (Q, depth) int64, -1 for none."""
        # Codes put neighbours in another order: beyond as many as are asked for, others may be closer.
        looked_at = min(depth + (self.manifest.rerank or 0), self.manifest.count)
        with _one_thread():
            places = self._places(queries, looked_at, kept.selector if kept else None)
        if looked_at > depth:
            places = np.stack([self._best(query, row, depth) for query, row in zip(queries, places, strict=True)])
        seqs: Seqs = np.where(places >= 0, self.seqs[places], -1)
        return seqs

    def _best(self, query: Vectors, places: Seqs, depth: int) -> Seqs:
        """The `depth` of `places`, found by codes, whose vectors are closest to the query, in no order."""
        products = np.vecdot(self.vectors[places].astype(np.float32), query)
        products[places < 0] = -np.inf
        best: Seqs = places[np.argpartition(products, len(places) - depth)[len(places) - depth :]]
        return best

    def vectors_of(self, seqs: Seqs) -> NDArray[np.float16]:
        """Stored vectors (M, D) of `seqs`, all of which this generation holds."""
        return self.vectors[np.searchsorted(self.seqs, seqs)]

    def _places(self, queries: Vectors, depth: int, selector: Any) -> Seqs:
        if isinstance(self._index, Lists):
            return self._index.search(queries, depth, self.manifest.nprobe or 1, selector)
        how = faiss.SearchParameters(sel=selector) if selector else None
        places: Seqs = self._index.search(queries, depth, params=how)[1]
        return places


def map_vectors(path: Path, count: int, dim: int) -> NDArray[np.float16]:
    """The (count, dim) vectors in a file of bare little-endian float16, mapped rather than read."""
    if count == 0:  # an empty file cannot be mapped
        return np.empty((0, dim), dtype=VECTOR_DTYPE)
    return np.asarray(np.memmap(path, dtype=VECTOR_DTYPE, mode="r", shape=(count, dim)))  # a memmap is slow to take of


class Kept:
    """Which positions of a generation are not deleted, one bit each, as FAISS takes them. Immutable."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits = bits
        self.selector = faiss.IDSelectorBitmap(bits)

    @classmethod
    def all_of(cls, count: int) -> Self:
        return cls(np.full((count + 7) // 8, 0xFF, dtype=np.uint8))

    def less(self, positions: Seqs) -> "Kept":
        """These but `positions`."""
        bits = self._bits.copy()
        np.bitwise_and.at(bits, positions >> 3, ~np.left_shift(np.uint8(1), (positions & 7).astype(np.uint8)))
        return Kept(bits)


def current(folder: Path) -> Path | None:
    """The generation that the pointer in a collection's index folder names, or None."""
    try:
        name = (folder / POINTER).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return folder / name if NAME.fullmatch(name) else None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Requests are served side by side: the threads of each would wait for those of the others, at every barrier.

    FAISS keeps the number a calling thread, and a build in this thread later wants its own back.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
