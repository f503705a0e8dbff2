"""Vectors of a picture's parts: what a thorough search looks for beside the whole picture."""

from threading import Lock

import numpy as np
from PIL.Image import Image

from extractor.crops import parts_of
from extractor.interface import Extractor, Vectors
from extractor.onnx import OnnxExtractor
from extractor.settings import ExtractorSettings


class Parts:
    """Embeds the parts of pictures, in the space of the extractor that embeds whole ones.

    SSCD's parts are embedded by its student, whose vectors lie in the same space, in a fraction of the time; it is
    loaded when it is first needed. Other extractors embed their parts themselves: no other model knows their space.

    Every method may be called from several threads at once.
    """

    def __init__(self, settings: ExtractorSettings, whole: Extractor):
        self._settings = settings
        self._whole = whole
        self._loaded: Extractor | None = None
        self._loading = Lock()

    def is_enough(self, score: float) -> bool:
        """Whether a whole picture that was found with this score was found for certain, so that parts add nothing."""
        return score >= self._settings.parts.enough

    def rows(self, image: Image) -> Vectors:
        """RGB picture -> float32 (P, D), one row for each part; P may differ from picture to picture.

        Their norm is `trust`, not 1: a part resembles other pictures by chance more easily than a whole does.
        """
        extractor = self.load()
        return extractor.embed(parts_of(image)) * np.float32(self._settings.parts.trust)

    def load(self) -> Extractor:
        """What embeds the parts, ready. Raises ModelMissing, ModelCorrupt, BadModel."""
        with self._loading:
            if self._loaded is None:
                self._loaded = self._student() if self._has_student else self._whole
            return self._loaded

    @property
    def _has_student(self) -> bool:
        return self._settings.name == "sscd" and self._settings.transform is None

    def _student(self) -> Extractor:
        # Its vectors are never kept, so it may run in the fastest arithmetic: bf16 halves its time where there is any.
        changes = {"name": "sscd_distilled", "size": self._settings.parts.size, "arithmetic": "fastest"}
        return OnnxExtractor(self._settings.model_copy(update=changes))
