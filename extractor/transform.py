"""What may be done to vectors after the network: PCA, PCA-whitening, SVD, fitted on pictures like those to be served.

All are one affine map, then scaling to norm 1: (N, D) -> (N, d). `scripts/fit_whitening.py` makes the files.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from PIL.Image import Image

from extractor.arrays import load_arrays, save_arrays
from extractor.errors import BadModel
from extractor.interface import Extractor, Pixels, Vectors, normalised

Kind = Literal["centre", "pca", "pca_whiten", "svd", "svd_whiten"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAKER = "scripts/fit_whitening.py"
# Of the largest spread: a direction in which the sample spreads less is rounding, and whitening would blow it up.
FLAT = 1e-5


@dataclass(frozen=True, eq=False)
class Transform:
    """(vectors - mean) @ matrix, scaled to norm 1.

    base:   the fingerprint of the extractor whose vectors it takes.
    mean:   (D,) float32.
    matrix: (D, d) float32.
    """

    kind: Kind
    base: str
    mean: Vectors
    matrix: Vectors

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ModelMissing, BadModel."""
        arrays = load_arrays(path, ("kind", "base", "mean", "matrix"), MAKER)
        kind: Any = str(arrays["kind"])
        mean, matrix = arrays["mean"], arrays["matrix"]
        fits = mean.ndim == 1 and matrix.ndim == 2 and len(matrix) == len(mean) and matrix.shape[1] > 0
        if kind not in KINDS or not fits or not _are_numbers(mean) or not _are_numbers(matrix):
            raise BadModel(f"{path} was not made by {MAKER}: its numbers are damaged")
        return cls(kind, str(arrays["base"]), mean, matrix)

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        words = {"kind": np.array(self.kind), "base": np.array(self.base)}
        save_arrays(path, words | {"mean": self.mean, "matrix": self.matrix})

    @property
    def name(self) -> str:
        """The part of a fingerprint that stands for this."""
        digest = hashlib.sha256(self.mean.tobytes() + self.matrix.tobytes()).hexdigest()
        return f"{self.kind.replace('_', '-')}-{self.matrix.shape[1]}-{digest[:12]}"

    def __call__(self, vectors: Vectors) -> Vectors:
        """Unit vectors (N, D) -> unit vectors (N, d)."""
        return normalised((vectors - self.mean) @ self.matrix)


def fit(vectors: Vectors, kind: Kind, dim: int | None, base: str) -> Transform:
    """A transform to `dim` numbers (None: as many as the sample supports), fitted on a sample of unit vectors (N, D).

    pca, pca_whiten: the directions of largest variance around the mean, whitened ones scaled to equal variance
    (Jegou and Chum, "Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening",
    ECCV 2012). svd, svd_whiten: the same around zero, as PyRetri has it. centre: only the mean is taken away.
    Raises ValueError where the sample supports fewer than `dim`.
    """
    if not len(vectors):
        raise ValueError("there are no pictures to fit on")
    mean = np.zeros(vectors.shape[1]) if kind.startswith("svd") else vectors.mean(axis=0, dtype=np.float64)
    matrix = np.eye(vectors.shape[1])
    if kind != "centre":
        spread, axes = _principal_axes(vectors - mean, dim)
        matrix = axes / spread if kind.endswith("whiten") else axes
    elif dim not in (None, vectors.shape[1]):
        raise ValueError(f"centring keeps all {vectors.shape[1]} numbers of a vector; for fewer, take pca")
    return Transform(kind, base, mean.astype(np.float32), matrix.astype(np.float32))


def _principal_axes(values: np.ndarray, dim: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Of rows (N, D): the standard deviations (d,) along, and the unit axes (D, d) of largest spread, largest first."""
    _, singular, axes = np.linalg.svd(values, full_matrices=False)
    supported = int(np.count_nonzero(singular > FLAT * singular.max(initial=0)))
    if supported < (dim or 1):
        raise ValueError(f"{len(values)} pictures support {supported} dimensions, not {dim}: fit on more or keep fewer")
    kept = slice(dim or supported)
    return singular[kept] / len(values) ** 0.5, axes[kept].T


def _are_numbers(values: np.ndarray) -> bool:
    return values.dtype == np.float32 and bool(np.isfinite(values).all())


class Transformed(Extractor):
    """An extractor and a transform of its vectors."""

    def __init__(self, base: Extractor, transform: Transform) -> None:
        """Raises BadModel where the transform was fitted on vectors of another extractor."""
        if transform.base != base.fingerprint or len(transform.mean) != base.dim:
            raise BadModel(
                f"extractor.transform was fitted on vectors of {transform.base}; these are of {base.fingerprint}: "
                f"fit another with {MAKER}, or put the settings back"
            )
        self._base = base
        self._transform = transform
        self.batch_size, self.lanes = base.batch_size, base.lanes
        self.dim = transform.matrix.shape[1]
        self.made_of = replace(base.made_of, transform=transform.name)

    def prepare(self, image: Image) -> Pixels:
        return self._base.prepare(image)

    def _infer(self, batch: Pixels) -> Vectors:
        return self._transform(self._base.embed_prepared(list(batch)))
