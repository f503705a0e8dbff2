"""What every extractor is: pictures in, unit vectors out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


class Extractor(ABC):
    """Embeds pictures so that the dot product of two vectors is their cosine in [-1, 1], higher is closer.

    fingerprint: names everything that changes vectors; vectors of different fingerprints must never be compared.
    dim:         D, the length of a vector.
    input_shape: (H, W, 3), the shape that `prepare` gives and `embed_prepared` takes.

    Every method may be called from several threads at once.
    """

    fingerprint: str
    dim: int
    input_shape: tuple[int, int, int]

    @abstractmethod
    def prepare(self, image: Image) -> Pixels:
        """Picture of any size -> model input, uint8 (H, W, 3) in RGB order. Runs in the caller's thread."""

    @abstractmethod
    def _infer(self, batch: Pixels) -> Vectors:
        """uint8 (N, H, W, 3) with N >= 1 -> float32 (N, D), each row of norm 1."""

    def embed_prepared(self, batch: Pixels) -> Vectors:
        """Model inputs, uint8 (N, H, W, 3) with any N >= 0 -> float32 (N, D), each row of norm 1.

        Raises ValueError for another dtype or shape.
        """
        if batch.dtype != np.uint8 or batch.shape[1:] != self.input_shape:
            raise ValueError(f"expected uint8 (N, *{self.input_shape}), got {batch.dtype} {batch.shape}")
        return self._infer(batch) if len(batch) else np.empty((0, self.dim), np.float32)

    def prepare_many(self, images: Sequence[Image]) -> Pixels:
        """Pictures -> uint8 (N, H, W, 3), in their order."""
        return np.array([self.prepare(image) for image in images], np.uint8).reshape(-1, *self.input_shape)

    def embed(self, images: Sequence[Image]) -> Vectors:
        """Pictures -> float32 (N, D), each row of norm 1, in their order; one picture is the batch of one."""
        return self.embed_prepared(self.prepare_many(images))
