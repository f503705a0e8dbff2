"""Whether a picture holds enough for its vector to mean anything: blank, flat and tiny ones all look alike."""

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

# Different photographs scaled down to squares of so many pixels score, to their nearest, in the median (and the worst
# hundredth): 16: 0.53 (0.65), 24: 0.43 (0.59), 32: 0.39 (0.59), 48: 0.30 (0.47), whole: 0.17 (0.40), with SSCD.
LEAST_SIDE = 32
# Of 300 photographs the plainest has 7.4. Flat pictures and gradients have 0, flat ones with noise or artefacts of
# JPEG up to 1, a white page with one word 1.9.
LEAST_CONTENT = 2.0
# Two photographs, each on an otherwise white page of which it fills 2 to 9 %, score 0.53 to 0.69, on a black one up to
# 0.9: the page says most. Of 500 photographs, the emptiest sky leaves 20 % filled.
LEAST_FILLED = 0.1
SAME_COLOUR = 8  # of 255, in every channel
Cells = NDArray[np.float64]  # (N, 3): colours of the cells of a grid, 0 to 255
_GRID = 32
_MOST = 512


def is_indeterminate(image: Image) -> bool:
    """Whether the RGB picture has too little content to be compared by what it shows."""
    if min(image.size) < LEAST_SIDE:
        return True
    small = cells(image)
    return content(small) < LEAST_CONTENT or filled(small) < LEAST_FILLED


def content(small: Cells) -> float:
    """How far a picture is from a smooth gradient: root mean square, in steps of 0 to 255."""
    smooth = _BASIS @ (_BASIS.T @ small)
    return float(np.sqrt(np.mean((small - smooth) ** 2)))


def filled(small: Cells) -> float:
    """The part of a picture that is not of its one main colour, 0 to 1."""
    channels = np.ascontiguousarray(small.T)  # NumPy takes three times as long along a short last axis
    away = np.abs(channels - np.median(channels, axis=1, keepdims=True)).max(axis=0)
    return float((away > SAME_COLOUR).mean())


def cells(image: Image) -> Cells:
    """The picture, RGB, as a grid."""
    # Averaging over every pixel of a large picture takes longer than embedding it; some hundred for each cell will do.
    thinned = image.resize((_MOST, _MOST), Resampling.NEAREST) if min(image.size) > _MOST else image
    return np.asarray(thinned.resize((_GRID, _GRID), Resampling.BOX), np.float64).reshape(-1, 3)


def _basis() -> NDArray[np.float64]:
    """(N, 6): orthonormal, spanning the polynomials of degree two on the grid."""
    y, x = np.mgrid[-1 : 1 : _GRID * 1j, -1 : 1 : _GRID * 1j]
    return np.linalg.qr(np.stack([each.ravel() for each in (np.ones_like(x), x, y, x * x, x * y, y * y)], axis=1))[0]


_BASIS = _basis()
