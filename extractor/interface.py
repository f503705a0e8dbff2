"""What every extractor is: pictures in, unit vectors out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from extractor.errors import NoEmbedding

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Fingerprint:
    """Everything that changes vectors, by name: vectors of different fingerprints must never be compared."""

    model: str
    preprocess: str
    head: str
    transform: str
    engine: str

    def __str__(self) -> str:
        return "/".join(astuple(self))


class Extractor(ABC):
    """Embeds pictures so that the dot product of two vectors is their cosine in [-1, 1], higher is closer.

    made_of:    what `fingerprint` names.
    dim:        D, the length of a vector.
    batch_size: most pictures that `_infer` is given at a time.
    lanes:      pictures to embed side by side, each by itself, as fast as in a batch; 0: batches are faster.

    Every method may be called from several threads at once.
    """

    made_of: Fingerprint
    dim: int
    batch_size: int = 64
    lanes: int = 0

    @property
    def fingerprint(self) -> str:
        """Vectors of different fingerprints must never be compared."""
        return str(self.made_of)

    @abstractmethod
    def prepare(self, image: Image) -> Pixels:
        """Picture of any size -> model input, uint8 (H, W, 3) in RGB order. Runs in the caller's thread.

        H and W are fixed for most extractors; those that keep a picture's aspect give each its own.
        """

    @abstractmethod
    def _infer(self, batch: Pixels) -> Vectors:
        """uint8 (N, H, W, 3) with N >= 1 -> float32 (N, D), each row of norm 1."""

    def embed_prepared(self, pictures: Sequence[Pixels]) -> Vectors:
        """Model inputs as `prepare` gives them, any number -> float32 (N, D), each row of norm 1, in their order.

        Raises ValueError for another dtype or number of axes, NoEmbedding where there is none for one of them.
        """
        vectors = np.empty((len(pictures), self.dim), np.float32)
        for places in by_shape(pictures):
            for start in range(0, len(places), self.batch_size):
                some = places[start : start + self.batch_size]
                vectors[some] = self._infer(np.stack([pictures[place] for place in some]))
        return vectors

    def embed_possible(self, pictures: Sequence[Pixels]) -> list[Vectors | NoEmbedding]:
        """The same, picture by picture: float32 (D,), or why there is none. One that has none harms no other."""
        try:
            return list(self.embed_prepared(pictures))
        except NoEmbedding as error:
            if len(pictures) == 1:
                return [error]
            return [one for picture in pictures for one in self.embed_possible([picture])]

    def prepare_many(self, images: Sequence[Image]) -> list[Pixels]:
        """Pictures -> model inputs, in their order."""
        return [self.prepare(image) for image in images]

    def embed(self, images: Sequence[Image]) -> Vectors:
        """Pictures -> float32 (N, D), each row of norm 1, in their order; one picture is the batch of one."""
        return self.embed_prepared(self.prepare_many(images))


def normalised(vectors: NDArray[np.floating]) -> Vectors:
    """Rows (N, D) scaled to norm 1, as float32. A row of nothing but zeros gets the direction that favours none.

    Raises NoEmbedding where a row is not finite.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise NoEmbedding("the network gives no finite numbers: its weights are damaged, or the precision is too low")
    even = np.full((1, vectors.shape[1]), vectors.shape[1] ** -0.5)
    return np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1), even).astype(np.float32)


def by_shape(pictures: Sequence[Pixels]) -> Iterator[list[int]]:
    """Places of the pictures of each shape. Raises ValueError for what is no uint8 (H, W, 3)."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, pixels in enumerate(pictures):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(f"expected uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}")
        places.setdefault(pixels.shape, []).append(place)
    yield from places.values()
