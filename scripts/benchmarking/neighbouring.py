"""One library of nearest neighbours over the same vectors and queries; prints figures as JSON.

python -m scripts.benchmarking.neighbouring FOLDER SIZE QUERIES           the queries, and what exact search finds
python -m scripts.benchmarking.neighbouring FOLDER SIZE QUERIES build NAME
python -m scripts.benchmarking.neighbouring FOLDER SIZE QUERIES search NAME
"""

import json
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np

from index_store.records import Vectors
from scripts.benchmarking.figures import Figures, percentiles, private_bytes, timed
from scripts.benchmarking.neighbours import PEERS
from scripts.benchmarking.vectors import DIM, chunks, disturbed

INDEX, QUERIES = "index", "queries.npz"


def prepare(folder: Path, size: int, count: int) -> Figures:
    """Write the queries that our own index is asked, the sources, and what exact search finds first for each."""
    vectors = _all(size)
    sources = np.random.default_rng(1).integers(size, size=count)
    queries = disturbed(vectors[sources].astype(np.float16).astype(np.float32), like_edits=True)
    nearest = faiss.knn(queries, vectors, 1, faiss.METRIC_INNER_PRODUCT)[1][:, 0]
    np.savez(folder / QUERIES, queries=queries, sources=sources, nearest=nearest)
    return {"exact search, found first": float(np.mean(nearest == sources))}


def build(folder: Path, size: int, name: str) -> Figures:
    """Build and save the index; what that took."""
    vectors, peer = _all(size), PEERS[name]()
    started = perf_counter()
    peer.build(vectors)
    seconds = perf_counter() - started
    peer.save(folder / INDEX)
    return {"build: s": seconds, "disk, index: bytes a vector": (folder / INDEX).stat().st_size / size}


def search(folder: Path, size: int, name: str) -> Figures:
    """Open the index in a process that has not built it, and ask it."""
    with np.load(folder / QUERIES) as held:
        queries, sources, nearest = held["queries"], held["sources"], held["nearest"]
    before = private_bytes()
    peer = PEERS[name]()
    opening, _ = timed(lambda: peer.load(folder / INDEX))
    peer.nearest(queries[:1])
    answers = [timed(partial(peer.nearest, query[None])) for query in queries]
    grown = private_bytes() - before
    found = np.array([number for _, number in answers])
    return {
        "open: s": opening / 1e3,
        "memory, private: bytes a vector": grown / size,
        "found first, turned as by edits": float(np.mean(found == sources)),
        "as exact search, turned as by edits": float(np.mean(found == nearest)),
        **percentiles("index", [ms for ms, _ in answers]),
    }


def _all(size: int) -> Vectors:
    """float32, in place, so that there is one copy."""
    vectors = np.empty((size, DIM), np.float32)
    for start, chunk in chunks(size):
        vectors[start : start + len(chunk)] = chunk
    return vectors


def main(folder: str, size: str, count: str, *step: str) -> None:
    """What the command line says."""
    if step:
        figures = {"build": build, "search": search}[step[0]](Path(folder), int(size), step[1])
    else:
        figures = prepare(Path(folder), int(size), int(count))
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
