"""Settings and pictures for the tests of the extractor."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from extractor import ExtractorSettings

ROOT = Path(__file__).resolve().parents[2]

BASE = ExtractorSettings(
    name="sscd",
    engine="openvino",
    model_dir=ROOT / ".models",
    size=224,
    threads=0,
    batch_size=4,
    batch_wait_ms=2.0,
)


def settings(**changes: object) -> ExtractorSettings:
    """The base settings with some values changed, validated."""
    return ExtractorSettings.model_validate(BASE.model_dump() | changes)


def picture(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A seeded picture of soft coloured patches: like a photograph, it survives JPEG."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))
