"""Builds a generation from the catalog and publishes it with one rename; to be run off the serving process."""

import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from .catalog import Catalog
from .errors import BrokenGeneration
from .files import sha256_of, sync, write_atomically
from .generation import (
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
from .records import Collection, RebuildReport, Seqs
from .rows import VECTOR_DTYPE, vector_chunks
from .settings import IndexSettings
from .training import FLAT, IVF, TrainedIndex, empty_index, reuse_ivf, train_ivf, training_sample_size, tune_nprobe

CHUNK = 4096


def rebuild(catalog: Catalog, collection: Collection, folder: Path, settings: IndexSettings) -> RebuildReport:
    """Fold every change up to now into a new generation under `folder` and point to it.

    Does nothing where the newest generation covers all changes and is whole. Only one process may run this at a time.
    """
    started = time.perf_counter()
    newest = _newest(folder, collection)
    if newest and newest.covers >= collection.clock:
        return RebuildReport(False, _name(folder), newest.kind, newest.count, newest.nlist, newest.nprobe)
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".building-{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        manifest, fresh = _write(catalog, collection, aside, settings, folder / _name(folder) if newest else None)
        name = _publish(folder, aside, manifest)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    catalog.purge(collection, manifest.covers)
    seconds = time.perf_counter() - started
    return RebuildReport(
        True, name, manifest.kind, manifest.count, manifest.nlist, manifest.nprobe, fresh, round(seconds, 3)
    )


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
