"""Which FAISS index suits how many vectors, and how many lists a query must probe to reach a recall target."""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index_store.records import Vectors
from index_store.settings import IndexSettings

FLAT, IVF = "flat-fp16", "ivf-sq8"
TRAINING_POINTS_PER_LIST = 40
TRAINING_ROUNDS = 10  # more move the centroids, and with them recall at a given nprobe, next to nothing
FEWEST_PER_LIST = 39  # with less, FAISS warns
PROBE_SAMPLE = 256
# Edited copies score 0.25 to 1 with their source; tuning at the middle of the hard half keeps recall for the rest.
PROBE_COSINE = 0.6
OUTGROWN = 2.0


@dataclass
class TrainedIndex:
    """An index ready for `add`, with what the manifest says of it."""

    index: Any
    kind: str
    trained_on: int
    nlist: int | None
    fresh: bool


def empty_index(count: int, dim: int) -> TrainedIndex:
    """The exact kind: float16 vectors, inner product; needs no training."""
    index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    return TrainedIndex(index, FLAT, count, None, False)


def train_ivf(vectors: Vectors, count: int) -> TrainedIndex:
    """IVF with 4 sqrt(n) lists of 8-bit codes, trained on (M, D) float32 `vectors`, a sample of the `count` to come."""
    dim = vectors.shape[1]
    nlist = max(1, min(int(4 * sqrt(count)), len(vectors) // FEWEST_PER_LIST))
    quantizer = faiss.IndexFlatIP(dim)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer, dim, nlist, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter = TRAINING_ROUNDS
    index.train(vectors)
    return TrainedIndex(index, IVF, count, nlist, True)


def reuse_ivf(path: Path, trained_on: int, count: int) -> TrainedIndex | None:
    """The emptied index at `path`, unless the data has outgrown (or shrunk below) what it was trained for."""
    if not trained_on / OUTGROWN <= count <= trained_on * OUTGROWN:
        return None
    index = faiss.read_index(str(path))
    index.reset()
    return TrainedIndex(index, IVF, trained_on, index.nlist, False)


def training_sample_size(count: int) -> int:
    """Vectors worth reading for training an IVF over `count`."""
    return min(count, int(4 * sqrt(count)) * TRAINING_POINTS_PER_LIST)


def tune_nprobe(index: Any, vectors: Any, settings: IndexSettings, seed: int = 0) -> int:
    """Smallest nprobe (a power of two, or all lists) that finds the source of a disturbed vector often enough.

    `vectors` (N, D) are what the index holds, in order. Queries are a sample of them, each turned in a random direction
    until its cosine to the original is PROBE_COSINE, about that of a heavily edited copy. A target of 1 asks for all
    lists: no sample can promise less.
    """
    if settings.recall_target >= 1:
        return int(index.nlist)
    random = np.random.default_rng(seed)
    chosen = random.choice(len(vectors), size=min(PROBE_SAMPLE, len(vectors)), replace=False)
    queries = _disturbed(np.asarray(vectors[np.sort(chosen)], dtype=np.float32), random)
    nprobe = 1
    while nprobe < index.nlist:
        parameters = faiss.SearchParametersIVF(nprobe=nprobe)
        found = index.search(queries, min(settings.rerank, len(vectors)), params=parameters)[1]
        if (found == np.sort(chosen)[:, None]).any(axis=1).mean() >= settings.recall_target:
            return nprobe
        nprobe *= 2
    return int(index.nlist)


def _disturbed(vectors: Vectors, random: np.random.Generator) -> Vectors:
    noise = random.standard_normal(vectors.shape, dtype=np.float32)
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return PROBE_COSINE * vectors + np.float32(np.sqrt(1 - PROBE_COSINE**2)) * noise
