"""What extractors that run a network share: preprocessing, views of a picture, and what becomes of their vectors."""

from abc import abstractmethod

import numpy as np
from PIL.Image import Image

from extractor.interface import Extractor, Pixels, Vectors, normalised
from extractor.preprocess import Preprocess
from extractor.settings import ExtractorSettings


class NetworkExtractor(Extractor):
    """A network that takes one view at a time.

    The vectors of several views are summed, which keeps their length, or laid end to end (`preprocess.combine`).
    """

    def __init__(self, settings: ExtractorSettings) -> None:
        self.batch_size = settings.batch_size
        self._preprocess = Preprocess.of(settings.size, settings.preprocess)
        self._concatenates = settings.preprocess.combine == "concatenate"

    @abstractmethod
    def _embed_view(self, batch: Pixels) -> Vectors:
        """uint8 (N, H, W, 3), in one piece of memory -> float32 (N, d), each row of norm 1."""

    def prepare(self, image: Image) -> Pixels:
        return self._preprocess.prepare(image)

    def _infer(self, batch: Pixels) -> Vectors:
        each = [self._embed_view(np.ascontiguousarray(view)) for view in self._preprocess.views(batch)]
        if len(each) == 1:
            return each[0]
        return normalised(np.concatenate(each, axis=1) if self._concatenates else np.sum(each, axis=0))

    def _warm_up(self) -> int:
        """The first call of all, which is slower; gives the length of a vector, D."""
        blank = np.zeros((1, self._preprocess.size, self._preprocess.size, 3), np.uint8)
        return self._dim_of(self._embed_view(blank).shape[1])

    def _dim_of(self, view_dim: int) -> int:
        return view_dim * self._preprocess.count if self._concatenates else view_dim

    def _head(self, head: str) -> str:
        """The part of a fingerprint that stands for pooling and what is done with the views' vectors."""
        if self._preprocess.count == 1:
            return head
        return f"{head}-{'concatenated' if self._concatenates else 'summed'}{self._preprocess.count}"
