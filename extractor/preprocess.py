"""Pictures of any size -> what a model takes: the aspect, the size, and the views of test-time augmentation.

Geometry only, with Pillow, for every model alike; a network that wants values scaled does that itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import ImageOps
from PIL.Image import Image, Resampling

from extractor.interface import Pixels
from extractor.settings import PreprocessSettings

# A large picture is first shrunk by whole factors, as long as this many times the wanted size remains.
REDUCING_GAP = 2.0
MEAN_COLOUR = (124, 116, 104)  # of ImageNet: what networks trained on it see as nothing
MULTIPLE = 32  # of pixels, which the strides of a ResNet divide
LONGEST = 3  # times the shorter edge: a strip of any length must not become an input of any length

Aspect = Callable[[Image, int, Resampling], Image]


def half_crop(image: Image, size: int, resample: Resampling) -> Image:
    """A square of which half is cut and half is squeezed.

    Half of the way to a square is cut off both ends of the longer side, half is squeezed: of a picture of aspect a,
    1/sqrt(a) of the length stays (0.82 of a 3:2 photograph) and is squeezed by sqrt(a). Squeezing it all loses copies
    whose frame has another shape, such as screenshots; cutting it all loses the ends.
    """
    width, height = image.size
    square = math.sqrt(width * height)
    across, down = max(0.0, width - square) / 2, max(0.0, height - square) / 2
    return image.resize((size, size), resample, (across, down, width - across, height - down), REDUCING_GAP)


def squash(image: Image, size: int, resample: Resampling) -> Image:
    """A square of the whole picture, its sides scaled apart; what SSCD's authors do for batches."""
    return image.resize((size, size), resample, reducing_gap=REDUCING_GAP)


def pad(image: Image, size: int, resample: Resampling) -> Image:
    """A square around the whole picture: the longer side becomes `size`, the rest is of the mean colour."""
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    inner = image.resize((width, height), resample, reducing_gap=REDUCING_GAP)
    return ImageOps.pad(inner, (size, size), color=MEAN_COLOUR)


def centre_crop(image: Image, size: int, resample: Resampling) -> Image:
    """The square in the middle, as high as the picture is at its shorter side."""
    across, down = ((side - min(image.size)) / 2 for side in image.size)
    box = (across, down, image.width - across, image.height - down)
    return image.resize((size, size), resample, box, REDUCING_GAP)


def shorter_edge(image: Image, size: int, resample: Resampling) -> Image:
    """Keeps the aspect: the shorter edge becomes `size`, the longer a multiple of 32, at most three times as long."""
    longer = min(max(image.size) / min(image.size), LONGEST) * size
    sides = (size, max(size, round(longer / MULTIPLE) * MULTIPLE))
    return image.resize(sides if image.width <= image.height else sides[::-1], resample, reducing_gap=REDUCING_GAP)


ASPECTS: dict[str, Aspect] = {
    "half_crop": half_crop,
    "squash": squash,
    "pad": pad,
    "centre_crop": centre_crop,
    "shorter_edge": shorter_edge,
}
VIEWS = {"one": 1, "two_flip": 2, "ten_crop": 10}
MIDDLE = (0.5, 0.5)
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1), MIDDLE)


@dataclass(frozen=True)
class Preprocess:
    """One way to prepare pictures. `size` is in pixels; the rest is explained in config.yaml."""

    size: int
    aspect: str
    resample: Resampling
    zoom: float
    view: str

    @classmethod
    def of(cls, size: int, settings: PreprocessSettings) -> Self:
        """As the settings say."""
        return cls(size, settings.aspect, Resampling[settings.filter.upper()], settings.zoom, settings.views)

    @property
    def name(self) -> str:
        """The part of a fingerprint that stands for this."""
        resample = self.resample.name.lower()
        parts = [f"{self.size}x{self.size}", self.aspect.replace("_", ""), resample, f"gap{REDUCING_GAP:g}"]
        parts += [f"zoom{self.zoom!r}"] if self.zoom > 1 else []
        return "-".join(parts + ([self.view.replace("_", "")] if self.view != "one" else []))

    @property
    def count(self) -> int:
        """How many views `views` cuts."""
        return VIEWS[self.view]

    @property
    def input_size(self) -> int:
        """Side in pixels of the squares that the model sees, -1 where their shape follows the picture."""
        is_cut = self.view == "ten_crop" or self.zoom > 1
        return self.size if is_cut or self.aspect != "shorter_edge" else -1

    def prepare(self, image: Image) -> Pixels:
        """Picture of any size and mode -> uint8 (H, W, 3) in RGB order, from which `views` are cut."""
        rgb = image if image.mode == "RGB" else image.convert("RGB")
        scaled = ASPECTS[self.aspect](rgb, round(self.size * self.zoom), self.resample)
        return np.asarray(scaled)

    def views(self, batch: Pixels) -> list[Pixels]:
        """uint8 (N, H, W, 3) -> what the model sees of them: 1, 2 or 10 batches of N."""
        if self.view == "ten_crop":
            return [_cut(side, self.size, *corner) for side in (batch, _mirrored(batch)) for corner in CORNERS]
        whole = _cut(batch, self.size, *MIDDLE) if self.zoom > 1 else batch
        return [whole] if self.view == "one" else [whole, _mirrored(whole)]


def _mirrored(batch: Pixels) -> Pixels:
    return batch[:, :, ::-1]


def _cut(batch: Pixels, size: int, down: float, across: float) -> Pixels:
    """A window of size x size, `down` and `across` of the room from the top left corner."""
    top, left = round((batch.shape[1] - size) * down), round((batch.shape[2] - size) * across)
    return batch[:, top : top + size, left : left + size]
