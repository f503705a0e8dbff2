"""SSCD, a descriptor trained to recognise copies (Pizzi et al., CVPR 2022, arXiv 2202.10261), and its student.

The teacher is a ResNet50 with GeM pooling (p=3) and a 512-d projection; the student a MobileNetV4 in the same space.
"""

from collections.abc import Iterator

import numpy as np
from PIL.Image import Image

from extractor.engines import ENGINES
from extractor.interface import Extractor, Pixels, Vectors
from extractor.models import MODELS
from extractor.preprocessing import half_crop, half_crop_name
from extractor.settings import ExtractorSettings


def power_of_two_slices(count: int, most: int) -> Iterator[slice]:
    """Cuts range(count) into runs whose lengths are powers of two, each at most `most`: 11 -> 8, 2, 1.

    OpenVINO compiles kernels, some 100 ms, for each batch size it meets: this way there are few to meet.
    """
    start = 0
    while start < count:
        length = 1 << (min(count - start, most).bit_length() - 1)
        yield slice(start, start + length)
        start += length


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
        self._warm_up()

    def _warm_up(self) -> None:
        for exponent in range(self._batch_size.bit_length()):
            self._engine(np.zeros((1 << exponent, *self.input_shape), np.uint8))

    def prepare(self, image: Image) -> Pixels:
        return half_crop(image, self.input_shape[0])

    def _infer(self, batch: Pixels) -> Vectors:
        return np.concatenate([self._engine(batch[part]) for part in power_of_two_slices(len(batch), self._batch_size)])
