"""What is compared: extractors of this project, and perceptual hashes as baselines."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from evaluation.errors import EvaluationError
from extractor import ExtractorSettings, Parts, load_extractor

Matrix = NDArray[np.float32]
HALF = 2  # bytes: the catalog and the index keep vectors as float16


class Descriptor(ABC):
    """Embeds pictures and scores pairs of them.

    name:        as the person called it.
    fingerprint: names everything that changes vectors.
    dim:         length of a vector, or bits of a hash.
    size:        bytes that one picture takes where it is kept.
    settings:    for the record.
    """

    name: str
    fingerprint: str
    dim: int
    size: int
    settings: dict[str, Any]

    @abstractmethod
    def embed(self, images: Sequence[Image]) -> Matrix:
        """Pictures -> float32 (N, dim), in their order."""

    def embed_queries(self, images: Sequence[Image], references: Matrix) -> list[Matrix]:  # noqa: ARG002
        """Pictures to search for -> float32 (V, dim) each: a reference's score is that of the best of the V rows.

        references: (R, dim), what is searched among; who has found a picture there may stop looking for it.
        """
        return list(self.embed(images)[:, None])

    @abstractmethod
    def scores(self, queries: Matrix, references: Matrix) -> Matrix:
        """(Q, dim), (R, dim) -> float32 (Q, R), at most 1, higher is closer."""


class Embedding(Descriptor):
    """An extractor; the score is the cosine, of vectors in float32, before they are rounded to be kept."""

    def __init__(self, name: str, settings: ExtractorSettings):
        """Loads the model. Raises ExtractorError."""
        self._extractor = load_extractor(settings)
        self.name, self.fingerprint, self.dim = name, self._extractor.fingerprint, self._extractor.dim
        self.size = HALF * self.dim
        self.settings = settings.model_dump(mode="json")

    def embed(self, images: Sequence[Image]) -> Matrix:
        return self._extractor.embed(images)

    def scores(self, queries: Matrix, references: Matrix) -> Matrix:
        return queries @ references.T


class Thorough(Embedding):
    """An extractor that also embeds parts of the queries, unless the whole is found with certainty. See `Parts`."""

    def __init__(self, name: str, settings: ExtractorSettings):
        super().__init__(name, settings)
        self._parts = Parts(settings, self._extractor)
        self._parts.load()  # now, not within the time of the first query

    def embed_queries(self, images: Sequence[Image], references: Matrix) -> list[Matrix]:
        wholes = self.embed(images)
        best = self.scores(wholes, references).max(axis=1, initial=-1)
        return [self._rows(*each) for each in zip(images, wholes, best, strict=True)]

    def _rows(self, image: Image, whole: Matrix, best: np.float32) -> Matrix:
        if self._parts.is_enough(float(best)):
            return whole[None]
        return np.concatenate([whole[None], self._parts.rows(image)])


class Hash(Descriptor):
    """A binary hash; the score is the part of its bits that agree, exact in float32. Its vectors are of -1 and 1."""

    def __init__(self, name: str, bits: int, function: Callable[[Image], Any], fingerprint: str):
        self.name, self.dim, self.size, self.fingerprint = name, bits, bits // 8, fingerprint
        self.settings = {}
        self._function = function

    def embed(self, images: Sequence[Image]) -> Matrix:
        bits = [np.asarray(self._function(image), np.float32).reshape(self.dim) for image in images]
        return np.array(bits, np.float32).reshape(-1, self.dim) * 2 - 1

    def scores(self, queries: Matrix, references: Matrix) -> Matrix:
        agreeing: Matrix = (queries @ references.T) / np.float32(2 * self.dim) + np.float32(0.5)
        return agreeing


def _dhash() -> Hash:
    import imagehash  # noqa: PLC0415 - only baselines need it

    return Hash("dhash", 64, lambda image: imagehash.dhash(image).hash, f"dhash/imagehash {imagehash.__version__}")


def _phash() -> Hash:
    import imagehash  # noqa: PLC0415

    return Hash("phash", 64, lambda image: imagehash.phash(image).hash, f"phash/imagehash {imagehash.__version__}")


def _pdq() -> Hash:
    import pdqhash  # noqa: PLC0415

    return Hash("pdq", 256, lambda image: pdqhash.compute(np.asarray(image))[0], f"pdq/pdqhash {pdqhash.__version__}")


BASELINES: dict[str, Callable[[], Hash]] = {"dhash": _dhash, "phash": _phash, "pdq": _pdq}


def load_baseline(name: str) -> Hash:
    """One of BASELINES. Raises EvaluationError where its library is not installed."""
    try:
        return BASELINES[name]()
    except ImportError as error:
        how = "pip install -r requirements-evaluate.txt"
        raise EvaluationError(f"the baseline {name} needs {error.name}, which is not installed: {how}") from None
