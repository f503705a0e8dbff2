"""Builds a generation from the catalog and publishes it with one rename; to be run off the serving process."""

import shutil
import time
import uuid
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
    SEQS_FILE,
    VECTORS_FILE,
    Manifest,
    current,
    fits,
    map_vectors,
)
from index_store.records import Collection, RebuildReport, Seqs
from index_store.rows import VECTOR_DTYPE, vector_chunks
from index_store.settings import IndexSettings
from index_store.training import (
    FLAT,
    IVF,
    TrainedIndex,
    empty_index,
    reuse_ivf,
    train_ivf,
    training_sample_size,
    tune_nprobe,
)

CHUNK = 4096


def index_folder(root: Path, collection: Collection) -> Path:
    """Where the generations of a collection are; another one of the same name, later, gets another folder."""
    return root / f"{collection.name}-{collection.uid[:12]}"


def rebuild(catalog: Catalog, name: str, root: Path, settings: IndexSettings) -> RebuildReport:
    """Fold every change up to now into a new generation under `root` and point to it; serving processes swap it in.

    Does nothing where the newest generation covers all changes and is whole. Only one process may run this at a time.
    Raises UnknownCollection.
    """
    started = time.perf_counter()
    collection = catalog.collection(name)
    folder = index_folder(root, collection)
    newest = _newest(folder, collection)
    if newest and newest.covers >= collection.clock:
        return RebuildReport(False, _name(folder), newest.kind, newest.count, newest.nlist, newest.nprobe)
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".building-{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        manifest, fresh = _write(catalog, collection, aside, settings, folder / _name(folder) if newest else None)
        generation = _publish(folder, aside, manifest)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    catalog.purge(collection, manifest.covers)
    seconds = time.perf_counter() - started
    return RebuildReport(
        True, generation, manifest.kind, manifest.count, manifest.nlist, manifest.nprobe, fresh, round(seconds, 3)
    )


def manifest_in_force(collection: Collection, root: Path) -> tuple[Manifest | None, str | None]:
    """The manifest and name of the generation that searches of a collection use, or nothing where there is none."""
    folder = current(index_folder(root, collection))
    manifest = Manifest.find(folder) if folder else None
    return (manifest, folder.name) if manifest and folder and fits(manifest, collection) else (None, None)


def pending_changes(catalog: Catalog, collection: Collection, root: Path) -> int:
    """Adds and deletes that the newest generation does not hold yet."""
    manifest, _ = manifest_in_force(collection, root)
    return catalog.changes_since(collection, manifest.covers if manifest else 0)


def sweep(catalog: Catalog, root: Path) -> None:
    """Remove the index of collections that are no more."""
    wanted = {index_folder(root, collection) for collection in catalog.collections()}
    for folder in root.iterdir() if root.is_dir() else ():
        if folder not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def _newest(folder: Path, collection: Collection) -> Manifest | None:
    """The manifest in force, if it is this collection's and its files are whole."""
    generation = current(folder)
    if generation is None:
        return None
    try:
        manifest = Manifest.read(generation)
        whole = all(sha256_of(generation / name) == manifest.checksums[name] for name in DATA_FILES)
    except (BrokenGeneration, OSError, KeyError):
        return None
    return manifest if whole and fits(manifest, collection) else None


def _write(
    catalog: Catalog, collection: Collection, aside: Path, settings: IndexSettings, previous: Path | None
) -> tuple[Manifest, bool]:
    count = _write_vectors(catalog, collection, aside)
    vectors = map_vectors(aside / VECTORS_FILE, count, collection.dim)
    built = _choose(vectors, count, settings, previous)
    for start in range(0, count, CHUNK):
        built.index.add(np.asarray(vectors[start : start + CHUNK], dtype=np.float32))
    nprobe = tune_nprobe(built.index, vectors, settings) if built.kind == IVF else None
    faiss.write_index(built.index, str(aside / INDEX_FILE))
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
        nprobe=nprobe,
        checksums=checksums,
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
    np.save(aside / SEQS_FILE, all_seqs)
    return len(all_seqs)


def _choose(vectors: Any, count: int, settings: IndexSettings, previous: Path | None) -> TrainedIndex:
    if count <= settings.exact_below or count == 0:
        return empty_index(count, vectors.shape[1])
    if previous is not None and (old := Manifest.read(previous)).kind != FLAT:
        reused = reuse_ivf(previous / INDEX_FILE, old.trained_on, count)
        if reused is not None:
            return reused
    chosen = np.random.default_rng(0).choice(count, size=training_sample_size(count), replace=False)
    return train_ivf(np.asarray(vectors[np.sort(chosen)], dtype=np.float32), count)


def _publish(folder: Path, aside: Path, manifest: Manifest) -> str:
    name = f"gen-{manifest.covers:012d}-{uuid.uuid4().hex[:8]}"
    previous = _name(folder)
    aside.rename(folder / name)
    sync(folder)
    write_atomically(folder / POINTER, name.encode())
    for old in folder.iterdir():
        # The previous one stays: a process that has just read the pointer may be about to open it.
        if old.is_dir() and old.name not in (name, previous):
            shutil.rmtree(old, ignore_errors=True)
    return name


def _name(folder: Path) -> str:
    generation = current(folder)
    return generation.name if generation else ""
