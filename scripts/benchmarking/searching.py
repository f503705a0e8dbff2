"""Searches of a filled store, in a process that has done nothing yet; prints the figures as JSON.

python -m scripts.benchmarking.searching FOLDER SIZE QUERIES
python -m scripts.benchmarking.searching FOLDER              rebuilds, as the service's jobs do, at low priority
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import cycle
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np
from numpy.typing import NDArray

from index_store import ImageStore
from index_store.ranking import SLACK
from index_store.records import Vectors
from retrieval.job_runner import NICENESS
from scripts.benchmarking.figures import Figures, percentiles, private_bytes, timed
from scripts.benchmarking.filling import NAME, picture, store_in
from scripts.benchmarking.vectors import CHUNK, DIM, Draw, disturbed

ROOT = Path(__file__).resolve().parents[2]
ADDED = 1000  # before a rebuild
EXACT = 20  # exact searches among the others
EXACT_S = 60.0  # for which they may go on
COMPARED = 500  # queries that all vectors are compared with, at once
THREADS = 16
SAME = 1e-4  # between scores of the same vector, which is kept as float16


def measured(folder: Path, size: int, count: int) -> Figures:
    """Open the store in `folder` and search it."""
    before = private_bytes()
    opening, store = timed(lambda: _opened(folder))
    with closing(store):
        sources = np.random.default_rng(1).integers(size, size=count)
        originals = np.stack([store.stored(NAME, str(source))[1] for source in sources.tolist()])
        queries = disturbed(originals, like_edits=True)
        found_of_any = found_first(store, disturbed(originals, like_edits=False), sources)
        grown = private_bytes() - before
        return {
            **_manifest(store),
            "open: s": opening / 1e3,
            "memory, private: bytes a vector": grown / size,
            "found first, turned as by edits": found_first(store, queries, sources),
            "found first, turned in any direction": found_of_any,
            "as exact search, turned as by edits": as_exact(store, queries[:COMPARED]),
            **alone(store, queries),
            **side_by_side(store, queries),
            **while_rebuilding(store, folder, queries),
        }


def found_first(store: ImageStore, queries: Vectors, sources: NDArray[np.int64]) -> float:
    """Part of the queries whose source is the best match."""
    best = [store.search(NAME, [query], 1)[0][0].image.id for query in queries]
    return float(np.mean([each == str(source) for each, source in zip(best, sources, strict=True)]))


def as_exact(store: ImageStore, queries: Vectors) -> float:
    """Part of the queries whose best match is no worse than what exact search of all vectors finds."""
    found = np.array([store.search(NAME, [query], 1)[0][0].score for query in queries])
    return float(np.mean(found >= exactly(store, queries) - SAME))


def alone(store: ImageStore, queries: Vectors) -> Figures:
    """One query at a time, on one core; after some of them, the same by exact search."""
    ms, index_ms, exact_ms = list[float](), list[float](), list[float]()
    snapshot = store.moment(NAME).snapshot
    faiss.omp_set_num_threads(1)
    for number, query in enumerate(queries):
        ms.append(timed(partial(store.search, NAME, [query], 1))[0])
        index_ms.append(timed(partial(snapshot.search, query[None], 1 + SLACK))[0])
        if number % max(1, len(queries) // EXACT) == 0 and sum(exact_ms) < 1e3 * EXACT_S:
            exact_ms.append(timed(partial(exactly, store, query[None]))[0])
            store.search(NAME, [query], 1)  # the one that finds the caches full of other things
    return {
        **percentiles("search", ms),
        **percentiles("index", index_ms),
        "exact search: p50 ms": statistics.median(exact_ms),
    }


def exactly(store: ImageStore, queries: Vectors) -> Vectors:
    """Of each of the (Q, DIM) the score of the nearest of all indexed vectors, by FAISS's exact search of float32."""
    best = np.full(len(queries), -1, np.float32)
    for chunk in _indexed(store):
        scores, _ = faiss.knn(queries, chunk, 1, faiss.METRIC_INNER_PRODUCT)
        best = np.maximum(best, scores[:, 0])
    return best


def side_by_side(store: ImageStore, queries: Vectors) -> Figures:
    """Many threads at once, as a service has them."""
    started = perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        ms = list(pool.map(lambda query: timed(lambda: store.search(NAME, [query], 1))[0], queries))
    rate = len(queries) / (perf_counter() - started)
    return {**percentiles(f"{THREADS} threads", ms), f"{THREADS} threads: searches/s": rate}


def while_rebuilding(store: ImageStore, folder: Path, queries: Vectors) -> Figures:
    """Searches without a pause, before, while another process rebuilds, and until its index is swapped in."""
    idle = [timed(partial(store.search, NAME, [query], 1))[0] for query in queries]
    held = store.catalog.count(store.collection(NAME))  # a kept store grows with every run
    store.add(NAME, [picture(held + number, vector) for number, vector in enumerate(Draw(seed=held)(ADDED))])
    before = store.moment(NAME).snapshot.generation
    during, started = list[float](), perf_counter()
    with subprocess.Popen([sys.executable, "-m", __spec__.name, str(folder)], cwd=ROOT) as rebuilding:  # noqa: S603
        searches = cycle(queries)
        while rebuilding.poll() is None or store.moment(NAME).snapshot.generation is before:
            during.append(timed(partial(store.search, NAME, [next(searches)], 1))[0])
            if rebuilding.returncode:
                raise RuntimeError("the rebuild failed")
    return {
        "rebuilt and swapped in: s": perf_counter() - started,
        **percentiles("search while rebuilding", during),
        "p99 while rebuilding / idle": float(np.percentile(during, 99) / np.percentile(idle, 99)),
    }


def rebuild(folder: Path) -> None:
    """As the service's jobs do, in a process of its own at low priority."""
    os.nice(NICENESS)
    with closing(store_in(folder)) as store:
        store.rebuild(NAME)


def _manifest(store: ImageStore) -> Figures:
    """What the index that is searched says of itself."""
    generation = store.moment(NAME).snapshot.generation
    manifest = generation.manifest if generation else None
    return {name: getattr(manifest, name, None) or 0 for name in ("count", "nlist", "nprobe", "rerank")}


def _indexed(store: ImageStore) -> Iterator[Vectors]:
    generation = store.moment(NAME).snapshot.generation
    stored = generation.vectors if generation else np.empty((0, DIM), np.float16)
    for start in range(0, len(stored), CHUNK):
        yield stored[start : start + CHUNK].astype(np.float32)


def _opened(folder: Path) -> ImageStore:
    store = store_in(folder)
    store.warm_up()
    return store


if __name__ == "__main__":
    where, *numbers = sys.argv[1:]
    if numbers:
        print(json.dumps(measured(Path(where), *map(int, numbers))))
    else:
        rebuild(Path(where))
