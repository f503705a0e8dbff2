"""Builds a generation from the catalog and publishes it with one rename; to be run off the serving process."""

import fcntl
import hashlib
import logging
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index_store.catalog import Catalog
from index_store.errors import BrokenGeneration
from index_store.files import sha256_of, sync, write_atomically
from index_store.generation import (
    DATA_FILES,
    INDEX_FILE,
    MANIFEST_FILE,
    POINTER,
    SEQ_DTYPE,
    SEQS_FILE,
    VECTORS_FILE,
    Manifest,
    current,
    map_vectors,
)
from index_store.records import Collection, RebuildReport, Seqs
from index_store.reserve import told_if_full
from index_store.rows import VECTOR_DTYPE, vector_chunks
from index_store.settings import IndexSettings
from index_store.training import (
    FEWEST,
    FLAT,
    Effort,
    TrainedIndex,
    empty_index,
    reuse_ivf,
    train_ivf,
    training_sample_size,
    tune,
)
from index_store.vouched import manifest_sha256, vouch

log = logging.getLogger(__name__)

CHUNK = 4096
LOCK_FILE = ".lock"
BUILDING = ".building-"
_FOLDER = re.compile(r".+-[0-9a-f]{12}")


@dataclass(frozen=True)
class InForce:
    """The generation that searches of a collection use: made from its catalog as it stands."""

    folder: Path
    manifest: Manifest

    @classmethod
    def find(cls, catalog: Catalog, collection: Collection, root: Path) -> "InForce | None":
        """None where there is none. Looks at the manifest only, not at the data."""
        folder = current(index_folder(root, collection))
        if folder is None:
            return None
        try:
            return cls(folder, Manifest.read(folder, manifest_sha256(catalog, collection, folder.name)))
        except BrokenGeneration:
            return None

    def is_whole(self) -> bool:
        """Whether all its data is there and undamaged; reads all of it."""
        try:
            self.manifest.verify(self.folder)
        except BrokenGeneration:
            return False
        return True


def index_folder(root: Path, collection: Collection) -> Path:
    """Where the generations of a collection are; another one of the same name, later, gets another folder."""
    return root / f"{collection.name}-{collection.uid[:12]}"


def rebuild(catalog: Catalog, name: str, root: Path, settings: IndexSettings) -> RebuildReport:
    """Fold every change up to now into a new generation under `root` and point to it; serving processes swap it in.

    Does nothing where the newest generation covers all changes and is whole. A second rebuild of the same collection
    waits for the first. What an interrupted one has left is removed. Raises UnknownCollection, StorageFull.
    """
    started = time.perf_counter()
    folder = index_folder(root, catalog.collection(name))
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _remove_leftovers(folder)
        collection = catalog.collection(name)
        newest = InForce.find(catalog, collection, root)
        newest = newest if newest and newest.is_whole() else None
        if newest and newest.manifest.covers >= collection.clock:
            return _report(newest, changed=False)
        built, fresh = _build(catalog, collection, folder, settings, newest)
    catalog.purge(collection, built.manifest.covers)
    return _report(built, changed=True, trained=fresh, seconds=round(time.perf_counter() - started, 3))


def pending_changes(catalog: Catalog, collection: Collection, root: Path) -> int:
    """Adds and deletes that the newest generation does not hold yet."""
    newest = InForce.find(catalog, collection, root)
    return catalog.changes_since(collection, newest.manifest.covers if newest else 0)


def sweep(catalog: Catalog, root: Path) -> None:
    """Remove the index of collections that are no more, and nothing else that may lie in `root`."""
    folders = [folder for folder in root.iterdir() if _FOLDER.fullmatch(folder.name)] if root.is_dir() else []
    wanted = {index_folder(root, collection) for collection in catalog.collections()}  # newer than the folders
    for folder in folders:
        if folder not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / LOCK_FILE).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_leftovers(folder: Path) -> None:
    """Of rebuilds that were killed; to be called while no other can be under way."""
    for left in [*folder.glob(f"{BUILDING}*"), *folder.glob(f".{POINTER}.*.tmp")]:
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _report(generation: InForce, **facts: Any) -> RebuildReport:
    it = generation.manifest
    return RebuildReport(
        generation=generation.folder.name, kind=it.kind, count=it.count, nlist=it.nlist, nprobe=it.nprobe, **facts
    )


def _build(
    catalog: Catalog, collection: Collection, folder: Path, settings: IndexSettings, newest: InForce | None
) -> tuple[InForce, bool]:
    # The vectors twice, float16 and in the index, which holds them so too while it is exact.
    catalog.reserve.check(folder, catalog.count(collection) * (4 * collection.dim + 16))
    aside = folder / f"{BUILDING}{uuid.uuid4().hex}"
    try:
        aside.mkdir(parents=True)
        with told_if_full(aside):
            manifest, fresh = _write(catalog, collection, aside, settings, newest)
        name = f"gen-{manifest.covers:012d}-{uuid.uuid4().hex[:8]}"
        vouch(catalog, collection, name, hashlib.sha256(manifest.to_json()).hexdigest())
        _publish(folder, aside, name)
    except (FileNotFoundError, RuntimeError):  # the latter from FAISS, for the same
        catalog.collection(collection.name)  # raises UnknownCollection where it was deleted, and its folder with it
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return InForce(folder / name, manifest), fresh


def _write(
    catalog: Catalog, collection: Collection, aside: Path, settings: IndexSettings, newest: InForce | None
) -> tuple[Manifest, bool]:
    count = _write_vectors(catalog, collection, aside)
    vectors = map_vectors(aside / VECTORS_FILE, count, collection.dim)
    built, effort = _filled(vectors, count, settings, newest)
    with (aside / INDEX_FILE).open("wb") as file:  # given a path, FAISS passes over what goes wrong as it is closed
        faiss.write_index(built.index, faiss.PyCallbackIOWriter(file.write))
    for name in DATA_FILES:
        sync(aside / name)
    checksums = {name: sha256_of(aside / name) for name in DATA_FILES}
    manifest = Manifest(
        collection=collection.uid,
        fingerprint=collection.fingerprint,
        dim=collection.dim,
        covers=collection.clock,
        count=count,
        kind=built.kind,
        trained_on=built.trained_on,
        nlist=built.nlist,
        checksums=checksums,
        **(asdict(effort) if effort else {}),
    )
    write_atomically(aside / MANIFEST_FILE, manifest.to_json())
    return manifest, built.fresh


def _write_vectors(catalog: Catalog, collection: Collection, aside: Path) -> int:
    """Stream the living vectors to disk as float16, in order of seq; gives how many. Memory stays at one chunk."""
    seqs: list[Seqs] = [np.empty(0, dtype=np.int64)]
    with (aside / VECTORS_FILE).open("wb") as file, catalog.reading() as connection:
        for chunk_seqs, chunk in vector_chunks(connection, collection, 0, collection.clock):
            seqs.append(chunk_seqs)
            file.write(chunk.astype(VECTOR_DTYPE).tobytes())
    all_seqs = np.concatenate(seqs)
    with (aside / SEQS_FILE).open("wb") as file:
        file.write(all_seqs.astype(SEQ_DTYPE).tobytes())
    return len(all_seqs)


def _filled(
    vectors: Any, count: int, settings: IndexSettings, newest: InForce | None
) -> tuple[TrainedIndex, Effort | None]:
    """An index that holds the vectors: the first of those worth a try that reaches the target, or else the last."""
    target = settings.recall_target
    for built in _choices(vectors, count, settings, newest):
        for start in range(0, count, CHUNK):
            built.index.add(np.asarray(vectors[start : start + CHUNK], dtype=np.float32))
        if built.kind == FLAT:
            return built, None
        effort = tune(built.index, vectors, target)
        if effort.recall >= target:
            return built, effort
    log.warning("searches will find %.3f of copies, less than index.recall_target, %g", effort.recall, target)
    return built, effort


def _choices(vectors: Any, count: int, settings: IndexSettings, newest: InForce | None) -> Iterator[TrainedIndex]:
    """Empty indexes; of codes, one trained on earlier vectors, which may be like these, comes before a new one."""
    dim = vectors.shape[1]
    if count <= max(settings.exact_below, FEWEST, dim):
        yield empty_index(count, dim)
        return
    if newest is not None and newest.manifest.kind != FLAT:
        reused = reuse_ivf(newest.folder / INDEX_FILE, newest.manifest.trained_on, count)
        if reused is not None:
            yield reused
    chosen = np.random.default_rng(0).choice(count, size=training_sample_size(count), replace=False)
    yield train_ivf(np.asarray(vectors[np.sort(chosen)], dtype=np.float32), count)


def _publish(folder: Path, aside: Path, name: str) -> None:
    previous = current(folder)
    aside.rename(folder / name)
    sync(folder)
    write_atomically(folder / POINTER, name.encode())
    for old in folder.iterdir():
        # The previous one stays: a process that has just read the pointer may be about to open it.
        if old.is_dir() and old.name != name and old != previous:
            shutil.rmtree(old, ignore_errors=True)
