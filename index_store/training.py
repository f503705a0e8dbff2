"""Which FAISS index suits how many vectors, and how far a search in it must look to reach a recall target."""

from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index_store.records import Seqs, Vectors

FLAT, IVF = "flat-fp16", "ivf-pq4fs"
# Codes of 4 bits for each 12 dimensions. Sums of them come from registers, 32 vectors at a time (Andre et al., PVLDB
# 2015, "Cache locality is not enough"), fifty times as fast as products; what they blur, exact scores of the best few
# make up for. The dimensions are principal axes, dealt out so that all codes have the same share of the variance (Ge et
# al., CVPR 2013, "Optimized product quantization"); dimensions as they come would take half as many codes again.
DIMS_PER_CODE, CODE_BITS = 12, 4
# Up to so many stand in one list and are all looked at: copies that are edited much are in other lists than their
# sources, so that where vectors form no clusters half of the lists have to be looked at, however many there are.
ONE_LIST = 1 << 20
# Beyond that. Of two million vectors, 2,048 lists save an eighth of a search beside 512, and take three times as long.
PER_LIST = 8192
TRAINING_POINTS_PER_LIST = 40
TRAINING_ROUNDS = 10  # more move the centroids, and with them recall at a given nprobe, next to nothing
FEWEST_PER_LIST = 39  # with less, FAISS warns
FEWEST = FEWEST_PER_LIST * 2**CODE_BITS  # vectors to train codes with
CODE_POINTS = 1 << 14  # vectors that codes are trained with, at most
PROBE_SAMPLE = 1000
PROBE_COSINES = (0.4, 0.95)  # of edited copies with their source
RERANKED = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
CODES_PER_PRODUCT = 500  # codes can be summed in the time in which one stored vector is fetched and scored
PROBED_MORE = 2**0.5  # times as many lists, from one try to the next
SAME = 1e-3  # cosine; what float16 and the order of sums make of equal ones
OUTGROWN = 2.0


@dataclass
class TrainedIndex:
    """An index ready for `add`, with what the manifest says of it."""

    index: Any
    kind: str
    trained_on: int
    nlist: int | None
    fresh: bool


@dataclass(frozen=True)
class Effort:
    """How far a search in an IVF index looks: lists, and the best candidates in them that are scored again exactly.

    recall: of the sources of disturbed vectors that were so found.
    """

    nprobe: int
    rerank: int
    recall: float


class Lists:
    """The lists of codes in an index of `train_ivf`, as they are searched; any number of threads may."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._lists = faiss.extract_index_ivf(index)
        self.count = int(self._lists.nlist)
        axes = faiss.downcast_VectorTransform(index.chain.at(0))
        self._axes: Vectors = faiss.vector_to_array(axes.A).reshape(axes.d_out, axes.d_in)

    def search(self, queries: Vectors, depth: int, nprobe: int, selector: Any = None) -> Seqs:
        """Places (Q, depth) of what seems nearest, best first, in `nprobe` lists; -1 for none."""
        how = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)
        # One by one: FAISS's own takes four times as long, and all in one call threads of BLAS (see scoring.products).
        turned = np.stack([self._axes @ query for query in queries])
        places: Seqs = self._lists.search(turned, depth, params=how)[1]
        return places


def empty_index(count: int, dim: int) -> TrainedIndex:
    """The exact kind: float16 vectors, inner product; needs no training."""
    index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    return TrainedIndex(index, FLAT, count, None, False)


def train_ivf(vectors: Vectors, count: int) -> TrainedIndex:
    """Lists of codes, trained on (M, D) float32 `vectors`, a sample of the `count` to come; M is D at least."""
    nlist = max(1, min(_lists(count), len(vectors) // FEWEST_PER_LIST))
    axes = _principal_axes(vectors)
    quantizer = faiss.IndexFlatIP(axes.d_out)
    codes = faiss.IndexIVFPQFastScan(
        quantizer, axes.d_out, nlist, axes.balanced_bins, CODE_BITS, faiss.METRIC_INNER_PRODUCT
    )
    codes.cp.niter = TRAINING_ROUNDS
    index = faiss.IndexPreTransform(axes, codes)
    index.train(vectors)
    return TrainedIndex(index, IVF, count, nlist, True)


def _principal_axes(vectors: Vectors) -> Any:
    """A rotation to as many of them as make whole codes; what is left out varies least."""
    dim = vectors.shape[1]
    codes = min(dim, max(2, 2 * round(dim / DIMS_PER_CODE / 2)))  # two share a byte
    axes = faiss.PCAMatrix(dim, dim // codes * codes)
    axes.balanced_bins = codes
    axes.train(vectors)
    axes.have_bias = False  # inner products must stay what they are
    return axes


def reuse_ivf(path: Path, trained_on: int, count: int) -> TrainedIndex | None:
    """The emptied index at `path`, unless the data has outgrown (or shrunk below) what it was trained for."""
    is_alike = (count <= ONE_LIST) == (trained_on <= ONE_LIST)
    if not is_alike or not trained_on / OUTGROWN <= count <= trained_on * OUTGROWN:
        return None
    index = faiss.read_index(str(path))
    index.reset()
    return TrainedIndex(index, IVF, trained_on, Lists(index).count, False)


def training_sample_size(count: int) -> int:
    """Vectors worth reading for training an index over `count`."""
    return min(count, max(CODE_POINTS, _lists(count) * TRAINING_POINTS_PER_LIST))


def _lists(count: int) -> int:
    return 1 if count <= ONE_LIST else ceil(count / PER_LIST)


def tune(index: Any, vectors: Any, recall_target: float, seed: int = 0) -> Effort:
    """The cheapest effort that reaches the target; if none does, all lists and most candidates.

    `vectors` (N, D) are what the index holds, in order. Queries are a sample of them, each turned as edits do until its
    cosine to the original is one of PROBE_COSINES or between. One counts as found if the original is among the
    candidates, or another as close as that. A target of 1 asks for everything: no sample can promise less.
    """
    lists = Lists(index)
    count, nlist = len(vectors), lists.count
    if recall_target >= 1:
        return Effort(nlist, count, 1.0)
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(count, size=min(PROBE_SAMPLE, count), replace=False))
    queries = _disturbed(np.asarray(vectors[chosen], dtype=np.float32), random)
    reranked = [each for each in RERANKED if each < count] or [count]
    best, least, nprobe = None, inf, 1
    while True:
        found = lists.search(queries, reranked[-1], nprobe)
        ranks = _ranks(found, chosen, queries, vectors)
        efforts = [Effort(nprobe, each, float((ranks < each).mean())) for each in reranked]
        scanned = count * nprobe / nlist
        for effort in efforts:
            if effort.recall >= recall_target and scanned + effort.rerank * CODES_PER_PRODUCT < least:
                best, least = effort, scanned + effort.rerank * CODES_PER_PRODUCT
        if scanned >= least or nprobe >= nlist:
            return best or efforts[-1]
        nprobe = min(ceil(nprobe * PROBED_MORE), nlist)


def _ranks(found: Seqs, chosen: Seqs, queries: Vectors, vectors: Any) -> Seqs:
    """Where among the (Q, K) found the one chosen for each query is, or else the first that is as close; K for none."""
    hits = found == chosen[:, None]
    ranks: Seqs = np.where(hits.any(axis=1), hits.argmax(axis=1), found.shape[1])
    for row in np.flatnonzero(ranks >= RERANKED[0]):
        before = found[row, : ranks[row]]
        least = np.asarray(vectors[chosen[row]], dtype=np.float32) @ queries[row]
        close = np.vecdot(np.asarray(vectors[before], dtype=np.float32), queries[row]) >= least - SAME
        close &= before >= 0
        if close.any():
            ranks[row] = close.argmax()
    return ranks


def _disturbed(vectors: Vectors, random: np.random.Generator) -> Vectors:
    """Half of each turn is in any direction, half in one in which the vectors vary.

    Vectors of copies with one to three edits (of SSCD's student) differ from their sources' along axes whose variance
    is 1.3 times the mean; in any direction it would be 1, and here it is 1.4. One kind alone is too easy or too hard.
    """
    any_direction = random.standard_normal(vectors.shape, dtype=np.float32)
    own = random.standard_normal((len(vectors), len(vectors)), dtype=np.float32) @ (vectors - vectors.mean(axis=0))
    noise = _unit(any_direction) + _unit(own)
    noise = _unit(noise - np.vecdot(noise, vectors)[:, None] * vectors)
    cosines = random.uniform(*PROBE_COSINES, size=(len(vectors), 1)).astype(np.float32)
    disturbed: Vectors = cosines * vectors + np.sqrt(np.float32(1) - cosines**2) * noise
    return disturbed


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
