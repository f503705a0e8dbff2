"""What of a picture a thorough search looks at beside the whole, since one vector stands for a picture as a whole.

A picture may lie on another one, in a window or in a collage; stripes and bars may lie on it. What each kind of part
adds was measured: docs/thorough.md.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling
from PIL.ImageStat import Stat

from extractor.rectangles import Box, rectangles

SHORTER = 400  # pixels; a larger picture is first shrunk by a whole factor, as long as its shorter side has so many
DEVIATION = 6  # of 255: mean distance from its mean colour up to which a line is of one colour, JPEG's noise included
LOOKED_AT = 64  # pixels of a line, at most twice as many
FEWEST = 24  # lines that must be left to be a picture
LEAST = 8  # of 255: standard deviation of a channel below which a part would resemble every plain surface
CHANGED = 0.97  # of the area; with more of it left, the part would be the whole again
RECTANGLES = 4
QUARTERS: list[Box] = [(x / 2, y / 2, (x + 1) / 2, (y + 1) / 2) for y in range(2) for x in range(2)]
# The thirds in the middle and beside it; those in the corners add nothing to the quarters.
CROSS: list[Box] = [(x / 3, y / 3, (x + 1) / 3, (y + 1) / 3) for x, y in ((1, 1), (1, 0), (0, 1), (2, 1), (1, 2))]
BLOCKS = 24  # pixels across the shorter side of the picture without its details
MOST = 2 + RECTANGLES + len(QUARTERS) + len(CROSS)


def parts_of(image: Image.Image) -> list[Image.Image]:
    """RGB picture -> its parts, MOST at most, none of a plain surface; always the same for the same pixels."""
    image = image.reduce(max(1, min(image.size) // SHORTER))
    bare = without_flat_lines(image)
    ground = image if bare is None else bare
    wholes = [without_details(image)] + ([] if bare is None else [bare])
    cut = [_cut(ground, box) for box in (*rectangles(ground, RECTANGLES), *QUARTERS, *CROSS)]
    return [part for part in wholes + cut if max(Stat(part).stddev) >= LEAST]


def without_flat_lines(image: Image.Image) -> Image.Image | None:
    """The picture without its rows and columns of one colour: borders, bars, gutters, stripes; None without any."""
    values = np.asarray(image)
    bare = values[_are_busy(values)]
    bare = np.compress(_are_busy(bare.swapaxes(0, 1)), bare, axis=1)
    if min(bare.shape[:2]) < FEWEST or bare.size > CHANGED * values.size:
        return None
    return Image.fromarray(bare)


def without_details(image: Image.Image) -> Image.Image:
    """A blur that is the same whether or not the picture was made of small blocks of one colour."""
    factor = min(1, BLOCKS / min(image.size))
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Resampling.BOX)


def _are_busy(lines: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N, L, 3) -> (N,): which lines are not of one colour."""
    if not lines.size:
        return np.zeros(len(lines), bool)
    some = lines[:, :: max(1, lines.shape[1] // LOOKED_AT)]
    channels = np.ascontiguousarray(some.transpose(2, 0, 1), np.float32)  # reckons several times faster than as it lies
    deviation = np.abs(channels - channels.mean(axis=2, keepdims=True)).mean(axis=(0, 2))
    busy: NDArray[np.bool_] = deviation >= DEVIATION
    return busy


def _cut(image: Image.Image, box: Box) -> Image.Image:
    """At least a pixel each way."""
    left, top, right, bottom = (round(part * side) for part, side in zip(box, image.size * 2, strict=True))
    return image.crop((left, top, max(left + 1, right), max(top + 1, bottom)))
