"""Pictures that differ, made from numbers."""

from pathlib import Path

import numpy as np
from PIL import Image


def drawn(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """Coarse coloured noise, the same for the same seed."""
    values = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)


def saved(path: Path, seed: int, size: tuple[int, int] = (96, 64), **options: object) -> Path:
    """The picture as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn(seed, size).save(path, **options)  # type: ignore[arg-type]
    return path
