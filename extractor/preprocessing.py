"""Pictures of any size -> the fixed square that a model takes."""

import math

import numpy as np
from PIL.Image import Image, Resampling

from extractor.interface import Pixels

# As accurate as bicubic and Lanczos, and the fastest that does not make blocks of a small picture (docs/model.md).
FILTER = Resampling.BILINEAR
# A large picture is first shrunk by whole factors, as long as this many times the wanted size remains.
REDUCING_GAP = 2.0


def half_crop(image: Image, size: int, resample: Resampling = FILTER) -> Pixels:
    """Picture of any size and mode -> uint8 (size, size, 3) in RGB order.

    Half of the way to a square is cut off both ends of the longer side, half is squeezed: of a picture of aspect a,
    1/sqrt(a) of the length stays (0.82 of a 3:2 photograph) and is squeezed by sqrt(a). Squeezing it all loses copies
    whose frame has another shape, such as screenshots; cutting it all loses the ends.
    """
    width, height = image.size
    square = math.sqrt(width * height)
    across, down = max(0.0, width - square) / 2, max(0.0, height - square) / 2
    box = (across, down, width - across, height - down)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return np.asarray(rgb.resize((size, size), resample, box, REDUCING_GAP))


def half_crop_name(size: int, resample: Resampling = FILTER) -> str:
    """The part of a fingerprint that stands for `half_crop`."""
    return f"{size}x{size}-halfcrop-{resample.name.lower()}-gap{REDUCING_GAP:g}"
