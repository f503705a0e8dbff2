"""Measure the index at scale on this machine: `python scripts/benchmark_index.py --sizes 1e4 1e5 1e6`.

For each number of pictures a store is filled with synthetic vectors and indexed as the service would. Then a process
of its own opens it and searches: one query at a time, with exact search now and then beside them; on many threads; and
while another process rebuilds the index with a thousand pictures more, until that is swapped in. Queries are stored
vectors turned to a cosine that edited copies have with their source, in directions like those of edits, and to compare
in any; one is found if its source is the best match. `search` is the whole: index, exact scores, and the catalog's
rows; `index` the first of these.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from index_store import Catalog, ImageStore, NewImage
from index_store.ranking import SLACK
from index_store.records import Vectors
from retrieval.job_runner import NICENESS
from retrieval.settings import load_settings

NAME = "measured"
DIM = 512
CHUNK = 10_000
COSINES = (0.4, 0.95)  # of edited copies with their source, with SSCD
# Along some principal axes of the student's vectors of 30,000 pieces of photographs, times DIM.
VARIANCES = {
    0: 10.3,
    1: 7.3,
    2: 6.0,
    4: 4.8,
    8: 3.6,
    16: 2.9,
    32: 2.2,
    64: 1.7,
    128: 1.2,
    256: 0.75,
    384: 0.48,
    511: 0.18,
}
ADDED = 1000  # before a rebuild
EXACT = 20  # exact searches among the others
THREADS = 16
Figures = dict[str, float]
Result = TypeVar("Result")


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table with a column for each size, and write JSON if asked."""
    given = _parser().parse_args(argv)
    if given.rebuild:
        rebuild(given.rebuild)
        return
    if given.measure:
        print(json.dumps(measured(given.measure, int(given.sizes[0]), given.queries)))
        return
    columns: dict[int, Figures] = {}
    for size in map(int, given.sizes):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            columns[size] = filled(Path(folder), size) | _in_a_process_of_its_own(Path(folder), size, given.queries)
    report(columns)
    if given.json:
        given.json.write_text(json.dumps(columns, indent=2))


def filled(folder: Path, size: int) -> Figures:
    """Store and index `size` vectors; what that took."""
    draw = Draw()
    with closing(_store(folder)) as store:
        started = perf_counter()
        for start in tqdm(range(0, size, CHUNK), desc=f"add {size:,}", unit="chunk"):
            chunk = draw(min(CHUNK, size - start))
            store.add(NAME, [_picture(start + number, vector) for number, vector in enumerate(chunk)])
        added = perf_counter()
        made = store.rebuild(NAME)
        built = perf_counter()
    index = sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file())
    return {
        "add: vectors/s": size / (added - started),
        "build: s": built - added,
        "nlist": made.nlist or 0,
        "nprobe": made.nprobe or 0,
        "disk, index: bytes a vector": index / size,
        "disk, catalog: bytes a vector": (folder / "catalog.db").stat().st_size / size,
    }


def measured(folder: Path, size: int, count: int) -> Figures:
    """Open the store in `folder`, in a process that has done nothing yet, and search it."""
    before = _private_bytes()
    opening, store = _timed(lambda: _opened(folder))
    with closing(store):
        sources = np.random.default_rng(1).integers(size, size=count)
        originals = np.stack([store.stored(NAME, str(source))[1] for source in sources.tolist()])
        queries = disturbed(originals, like_edits=True)
        found_of_any = found_first(store, disturbed(originals, like_edits=False), sources)
        grown = _private_bytes() - before
        return {
            "open: s": opening / 1e3,
            "memory, private: bytes a vector": grown / size,
            "found first, turned as by edits": found_first(store, queries, sources),
            "found first, turned in any direction": found_of_any,
            **alone(store, queries),
            **side_by_side(store, queries),
            **while_rebuilding(store, folder, size, queries),
        }


def found_first(store: ImageStore, queries: Vectors, sources: NDArray[np.int64]) -> float:
    """Part of the queries whose source is the best match."""
    best = [store.search(NAME, [query], 1)[0][0].image.id for query in queries]
    return float(np.mean([each == str(source) for each, source in zip(best, sources, strict=True)]))


def alone(store: ImageStore, queries: Vectors) -> Figures:
    """One query at a time, on one core; after some of them, the same by exact search."""
    ms, index_ms, exact_ms = list[float](), list[float](), list[float]()
    snapshot = store.moment(NAME).snapshot
    for number, query in enumerate(queries):
        ms.append(_timed(partial(store.search, NAME, [query], 1))[0])
        index_ms.append(_timed(partial(snapshot.search, query[None], 1 + SLACK))[0])
        if number % max(1, len(queries) // EXACT) == 0:
            exact_ms.append(_timed(partial(exactly, store, query))[0])
            store.search(NAME, [query], 1)  # the one that finds the caches full of other things
    return {
        **_percentiles("search", ms),
        **_percentiles("index", index_ms),
        "exact search: p50 ms": statistics.median(exact_ms),
    }


def exactly(store: ImageStore, query: Vectors) -> float:
    """Score of the nearest of all indexed vectors, by FAISS's exact search of float32 on one core."""
    generation = store.moment(NAME).snapshot.generation
    faiss.omp_set_num_threads(1)
    best = -1.0
    stored = generation.vectors if generation else np.empty((0, DIM), np.float16)
    for start in range(0, len(stored), CHUNK):
        chunk = stored[start : start + CHUNK].astype(np.float32)
        best = max(best, float(faiss.knn(query[None], chunk, 1, faiss.METRIC_INNER_PRODUCT)[0].item()))
    return best


def side_by_side(store: ImageStore, queries: Vectors) -> Figures:
    """Many threads at once, as a service has them."""
    started = perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        ms = list(pool.map(lambda query: _timed(lambda: store.search(NAME, [query], 1))[0], queries))
    rate = len(queries) / (perf_counter() - started)
    return {**_percentiles(f"{THREADS} threads", ms), f"{THREADS} threads: searches/s": rate}


def while_rebuilding(store: ImageStore, folder: Path, size: int, queries: Vectors) -> Figures:
    """Searches without a pause, before, while another process rebuilds, and until its index is swapped in."""
    idle = [_timed(partial(store.search, NAME, [query], 1))[0] for query in queries]
    store.add(NAME, [_picture(size + number, vector) for number, vector in enumerate(Draw()(ADDED))])
    before = store.moment(NAME).snapshot.generation
    command = [sys.executable, __file__, "--rebuild", str(folder)]
    during, started = list[float](), perf_counter()
    with subprocess.Popen(command) as rebuilding:  # noqa: S603
        searches = cycle(queries)
        while rebuilding.poll() is None or store.moment(NAME).snapshot.generation is before:
            during.append(_timed(partial(store.search, NAME, [next(searches)], 1))[0])
            if rebuilding.returncode:
                raise RuntimeError("the rebuild failed")
    return {
        "rebuilt and swapped in: s": perf_counter() - started,
        **_percentiles("search while rebuilding", during),
        "p99 while rebuilding / idle": float(np.percentile(during, 99) / np.percentile(idle, 99)),
    }


def rebuild(folder: Path) -> None:
    """As the service's jobs do, in a process of its own at low priority."""
    os.nice(NICENESS)
    with closing(_store(folder)) as store:
        store.rebuild(NAME)


def disturbed(originals: Vectors, *, like_edits: bool) -> Vectors:
    """Each (N, DIM) turned to a cosine out of COSINES, in any direction or half along the axes of large variance.

    The latter is as edits do: see `index_store.training`.
    """
    random = np.random.default_rng(2)
    noise = _unit(random.standard_normal(originals.shape, dtype=np.float32))
    noise += Draw(seed=3)(len(originals)) if like_edits else 0
    noise = _unit(noise - np.vecdot(noise, originals)[:, None] * originals)
    cosines = random.uniform(*COSINES, size=(len(originals), 1)).astype(np.float32)
    return _unit(cosines * originals + np.sqrt(np.float32(1) - cosines**2) * noise)


class Draw:
    """Draws (N, DIM) float32 unit vectors, without clusters, whose variance falls from axis to axis as SSCD's does."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        variances = np.interp(np.arange(DIM), list(VARIANCES), list(VARIANCES.values()))
        self._scale = np.sqrt(variances).astype(np.float32)

    def __call__(self, count: int) -> Vectors:
        return _unit(self._scale * self._random.standard_normal((count, DIM), dtype=np.float32))


def report(columns: dict[int, Figures]) -> None:
    """Print the table."""
    print(f"{'':38}" + "".join(f"{size:>14,}" for size in columns))
    for name in next(iter(columns.values())):
        print(f"{name:38}" + "".join(f"{figures[name]:14.3f}" for figures in columns.values()))


def _in_a_process_of_its_own(folder: Path, size: int, queries: int) -> Figures:
    command = [sys.executable, __file__, "--measure", str(folder), "--sizes", str(size), "--queries", str(queries)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    figures: Figures = json.loads(run.stdout)
    return figures


def _opened(folder: Path) -> ImageStore:
    store = _store(folder)
    store.warm_up()
    return store


def _store(folder: Path) -> ImageStore:
    settings = load_settings(data_dir=folder)
    return ImageStore(Catalog(settings.catalog_url), folder / "index", settings.index, "measured", DIM)


def _picture(number: int, vector: Vectors) -> NewImage:
    sha256 = f"{number:064x}"
    return NewImage(str(number), vector, sha256, sha256, 640, 480, 50_000, "JPEG", None, {})


def _timed(call: Callable[[], Result]) -> tuple[float, Result]:
    """Milliseconds, and what came of it."""
    started = perf_counter()
    result = call()
    return 1e3 * (perf_counter() - started), result


def _percentiles(name: str, ms: list[float]) -> Figures:
    p50, p99 = np.percentile(ms, (50, 99))
    return {f"{name}: p50 ms": float(p50), f"{name}: p99 ms": float(p99)}


def _private_bytes() -> int:
    """Memory of this process that no file and no other process has."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sizes", type=float, nargs="+", default=[1e4, 1e5, 1e6], help="numbers of vectors (%(default)s)")
    add("--queries", type=int, default=2000, help="searches for each size (%(default)s)")
    add("--folder", type=Path, help="where there is room for 4 kB a vector; default: the system's for temporary files")
    add("--json", type=Path, help="also write the figures to this file")
    for inner in ("--measure", "--rebuild"):  # what the other processes do, over this folder
        add(inner, type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
