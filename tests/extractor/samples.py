"""Settings and pictures for the tests of the extractor."""

from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from extractor import ExtractorSettings
from scripts.fetch_model import ROOT, default_settings

BASE = default_settings().model_dump() | {"model_dir": ROOT / ".models", "size": 224, "batch_size": 4}


def settings(**changes: Any) -> ExtractorSettings:
    """The settings of config.yaml with some values changed, validated; `settings(resnet={"pooling": "gap"})`."""
    merged = {key: {**BASE[key], **value} if isinstance(value, dict) else value for key, value in changes.items()}
    return ExtractorSettings.model_validate(BASE | merged)


def picture(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A seeded picture of soft coloured patches: like a photograph, it survives JPEG."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))
