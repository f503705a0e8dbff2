"""Measure what each option of `refine` adds to a search: `python scripts/measure_search.py`.

For each number of pictures a store is filled with random vectors in clusters and indexed as the service would. Every
round searches for one more member of some cluster, without refinement and with each option in turn; figures are
medians over the rounds, the ratios those within a round, so that a machine whose speed varies does not matter much.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from index_store import Catalog, ImageStore, NewImage, Reciprocal, Refinement
from index_store.records import Vectors
from retrieval.settings import load_settings

NAME = "measured"
DIM = 512
CLUSTER = 20  # pictures each
COSINE = 0.7  # of a picture to the centre of its cluster
CHUNK = 5000
TOP_K = 10
PARTS, TRUST = 15, np.float32(0.95)  # of a thorough search: the most that there are, and how much each counts
Times = dict[str, list[float]]


def main(argv: Sequence[str] | None = None) -> None:
    """Print one table a number of pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pictures", type=int, nargs="+", default=[5_000, 20_000, 100_000], help="default: %(default)s"
    )
    parser.add_argument("--rounds", type=int, default=50, help="default: %(default)s")
    given = parser.parse_args(argv)
    for count in given.pictures:
        with filled(count) as (store, queries):
            stats = store.stats(store.collection(NAME))
            print(f"\n{stats.images} pictures, {stats.index_kind}, {stats.pending} pending")
            report(measure(store, queries(given.rounds + 1)))


@contextmanager
def filled(count: int) -> Iterator[tuple[ImageStore, "Clusters"]]:
    """A store of `count` pictures, all in one generation, and where more of their kind come from."""
    clusters = Clusters(max(1, count // CLUSTER))
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=folder)
        with closing(_store(Path(folder), settings.catalog_url)) as filling:
            for start in tqdm(range(0, count, CHUNK), desc="fill", unit="chunk"):
                filling.add(NAME, [_picture(start + i, v) for i, v in enumerate(clusters(min(CHUNK, count - start)))])
            filling.rebuild(NAME)
        with closing(_store(Path(folder), settings.catalog_url)) as store:
            store.warm_up()
            yield store, clusters


class Clusters:
    """Draws (N, DIM) float32 unit vectors, each at COSINE to the centre of a random cluster."""

    def __init__(self, count: int) -> None:
        self._random = np.random.default_rng(0)
        self._centres = _unit(self._random.standard_normal((count, DIM), dtype=np.float32))

    def __call__(self, count: int) -> Vectors:
        centres = self._centres[self._random.integers(len(self._centres), size=count)]
        noise = _unit(self._random.standard_normal((count, DIM), dtype=np.float32))
        return _unit(COSINE * centres + np.float32(np.sqrt(1 - COSINE**2)) * noise)


def options(depth: int) -> dict[str, Refinement]:
    """What is measured, with the defaults of the HTTP contract."""
    return {
        "expand (average), k 5": Refinement(depth, expand_k=5),
        "expand (alpha 3), k 5": Refinement(depth, expand_k=5, alpha=3.0),
        "augment, k 5": Refinement(depth, augment_k=5),
        "rerank (k-reciprocal)": Refinement(depth, rerank=Reciprocal()),
        "expand (alpha 3) + rerank": Refinement(depth, expand_k=5, alpha=3.0, rerank=Reciprocal()),
        "all three": Refinement(depth, expand_k=5, alpha=3.0, augment_k=5, rerank=Reciprocal()),
    }


def measure(store: ImageStore, queries: Vectors) -> Times:
    """Milliseconds of each option in each round, the plain search first; a first round of warming up is left out."""
    depth = load_settings().search.refine_depth
    times: Times = {}
    for query in tqdm(queries, desc="rounds", unit="round"):
        started = perf_counter()
        store.search(NAME, query[None], TOP_K)
        times.setdefault("plain", []).append(1e3 * (perf_counter() - started))
        views = np.concatenate([query[None], TRUST * queries[:PARTS]])
        started = perf_counter()
        store.search(NAME, [views], TOP_K)
        times.setdefault(f"thorough, {PARTS + 1} views", []).append(1e3 * (perf_counter() - started))
        for name, refinement in options(depth).items():
            started = perf_counter()
            store.search_refined(NAME, query[None], TOP_K, refinement)
            times.setdefault(name, []).append(1e3 * (perf_counter() - started))
    return {name: values[1:] for name, values in times.items()}


def report(times: Times) -> None:
    """Print medians, and ratios to the plain search."""
    print(f"{'':28}{'median ms':>10}{'ratio':>8}")
    for name, values in times.items():
        ratio = statistics.median(one / plain for one, plain in zip(values, times["plain"], strict=True))
        print(f"{name:28}{statistics.median(values):10.2f}{ratio:8.1f}")


def _store(folder: Path, catalog_url: str) -> ImageStore:
    return ImageStore(Catalog(catalog_url), folder / "index", load_settings().index, "measured", DIM)


def _picture(number: int, vector: Vectors) -> NewImage:
    sha256 = f"{number:064x}"
    return NewImage(str(number), vector, sha256, sha256, 640, 480, 50_000, "JPEG", None, {})


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


if __name__ == "__main__":
    main()
