"""SSCD, a descriptor trained to recognise copies (Pizzi et al., CVPR 2022, arXiv 2202.10261), and its student.

The teacher is a ResNet50 with GeM pooling (p=3) and a 512-d projection; the student a MobileNetV4 in the same space.
"""

import numpy as np
from PIL.Image import Image

from extractor.engines import ENGINES
from extractor.interface import Extractor, Pixels, Vectors
from extractor.models import MODELS
from extractor.preprocessing import half_crop, half_crop_name
from extractor.settings import ExtractorSettings


class Sscd(Extractor):
    """`sscd` or `sscd_distilled` on the engine of the settings; its vectors leave the model with norm 1."""

    dim = 512

    def __init__(self, settings: ExtractorSettings):
        """Loads, checks and warms up the model, two to three seconds. Raises ModelMissing, ModelCorrupt."""
        model = MODELS[settings.name]
        self.input_shape = (settings.size, settings.size, 3)
        self.fingerprint = (
            f"{settings.name}-{model.sha256[:12]}/{half_crop_name(settings.size)}/gem3-{self.dim}/no-whitening/"
            f"{settings.engine}-{model.precision}"
        )
        self._batch_size = settings.batch_size
        self._engine = ENGINES[settings.engine](model.read(settings.model_dir), settings.size, settings.threads)
        self.embed_prepared(np.zeros((1, *self.input_shape), np.uint8))  # the first call of all is slower

    def prepare(self, image: Image) -> Pixels:
        return half_crop(image, self.input_shape[0])

    def _infer(self, batch: Pixels) -> Vectors:
        parts = range(0, len(batch), self._batch_size)
        return np.concatenate([self._engine(batch[start : start + self._batch_size]) for start in parts])
