"""Vectors to index, and queries for them, as SSCD would give them."""

from collections.abc import Iterator

import numpy as np

from index_store.records import Vectors

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


class Draw:
    """Draws (N, DIM) float32 unit vectors, without clusters, whose variance falls from axis to axis as SSCD's does."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        variances = np.interp(np.arange(DIM), list(VARIANCES), list(VARIANCES.values()))
        self._scale = np.sqrt(variances).astype(np.float32)

    def __call__(self, count: int) -> Vectors:
        return _unit(self._scale * self._random.standard_normal((count, DIM), dtype=np.float32))


def chunks(size: int) -> Iterator[tuple[int, Vectors]]:
    """The first `size` vectors, always the same, some at a time with the number of their first."""
    draw = Draw()
    for start in range(0, size, CHUNK):
        yield start, draw(min(CHUNK, size - start))


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


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths
