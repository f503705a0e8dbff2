"""Pictures of any size -> the fixed square that a model takes."""

import numpy as np
from PIL.Image import Image, Resampling

from extractor.interface import Pixels

FILTER = Resampling.BICUBIC
# A large picture is first shrunk by whole factors, as long as this many times the wanted size remains: from 12
# megapixels that is several times faster, and Pillow's documentation calls 3 nearly the same as resizing at once.
REDUCING_GAP = 3.0


def squash(image: Image, size: int, resample: Resampling = FILTER) -> Pixels:
    """Picture -> uint8 (size, size, 3) in RGB order; width and height are scaled apart, so nothing is cut off."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return np.asarray(rgb.resize((size, size), resample, reducing_gap=REDUCING_GAP))


def squash_name(size: int, resample: Resampling = FILTER) -> str:
    """The part of a fingerprint that stands for `squash`."""
    return f"{size}x{size}-squash-{resample.name.lower()}-gap{REDUCING_GAP:g}"
