"""Edits that move pixels: size, frame, angle."""

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageOps
from PIL.Image import Resampling, Transform, Transpose

from evaluation.edits.drawing import colour

Picture = Image.Image
EDGE = 4  # pixels, which interpolation mixes with what lies outside


def scaled(image: Picture, across: float, down: float) -> Picture:
    """Both sides times a factor, 8 pixels at least."""
    return image.resize((max(8, round(image.width * across)), max(8, round(image.height * down))), Resampling.BICUBIC)


def scale(image: Picture, _rng: Generator, _: Picture, factor: float) -> Picture:
    """Smaller, same shape."""
    return scaled(image, factor, factor)


def aspect(image: Picture, rng: Generator, _: Picture, factor: float) -> Picture:
    """One side shorter, the other as it was."""
    return scaled(image, *rng.permutation([factor, 1.0]))


def crop(image: Picture, rng: Generator, _: Picture, part: float) -> Picture:
    """A window anywhere."""
    width, height = (max(1, round(side * part)) for side in image.size)
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def centre_crop(image: Picture, part: float) -> Picture:
    """The middle, each side `part` of the picture's."""
    across, down = image.width * (1 - part) / 2, image.height * (1 - part) / 2
    return image.crop((round(across), round(down), round(image.width - across), round(image.height - down)))


def mirror(image: Picture, _rng: Generator, _: Picture, _amount: float) -> Picture:
    """Left for right."""
    return image.transpose(Transpose.FLIP_LEFT_RIGHT)


def upside_down(image: Picture, _rng: Generator, _: Picture, _amount: float) -> Picture:
    """Top for bottom."""
    return image.transpose(Transpose.FLIP_TOP_BOTTOM)


def quarter_turn(image: Picture, rng: Generator, _: Picture, _amount: float) -> Picture:
    """By 90 degrees either way."""
    return image.transpose([Transpose.ROTATE_90, Transpose.ROTATE_270][rng.integers(2)])


def rotate(image: Picture, rng: Generator, _: Picture, degrees: float) -> Picture:
    """Either way, the canvas grown, its corners black."""
    return image.rotate(float(rng.choice([-1, 1])) * degrees, Resampling.BICUBIC, expand=True)


def rotate_and_cut(image: Picture, rng: Generator, _: Picture, degrees: float) -> Picture:
    """Either way, then the largest window of the picture's shape that has no empty corner."""
    turned = image.rotate(float(rng.choice([-1, 1])) * degrees, Resampling.BICUBIC)
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    longer = max(image.width / image.height, image.height / image.width)
    across, down = (max(1, int(side / (cosine + longer * sine)) - EDGE) for side in image.size)
    left, top = (image.width - across) // 2, (image.height - down) // 2
    return turned.crop((left, top, left + across, top + down))


def padding(image: Picture, rng: Generator, _: Picture, part: float) -> Picture:
    """A border of one colour."""
    across, down = (max(1, round(side * part)) for side in image.size)
    return ImageOps.expand(image, (across, down, across, down), colour(rng))


def perspective(image: Picture, rng: Generator, _: Picture, pull: float) -> Picture:
    """Each corner pulled inwards by half of `pull` to all of it; what is left empty is black."""
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
    moved = corners + (1 - 2 * corners) * rng.uniform(pull / 2, pull, (4, 2))
    return image.transform(image.size, Transform.PERSPECTIVE, _homography(moved, corners, image), Resampling.BICUBIC)


def _homography(source: np.ndarray, target: np.ndarray, image: Picture) -> list[float]:
    """Pillow's eight coefficients, which map points of the result (source) to points of the picture (target)."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source * image.size, target * image.size, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.array(rows), np.array(values))]
