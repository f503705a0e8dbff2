"""What several edits draw with. Everything is Pillow's own, its font too, so that a suite needs no files."""

import functools

from numpy.random import Generator
from PIL import Image, ImageFont
from PIL.Image import Resampling

WORDS = ["seen", "this", "picture", "before", "never", "again", "sale", "breaking", "news", "my", "holiday", "follow"]
Colour = tuple[int, int, int]


def colour(rng: Generator) -> Colour:
    """Any colour."""
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def words(rng: Generator, count: int) -> str:
    """So many words, with repetitions."""
    return " ".join(rng.choice(WORDS, count))


@functools.lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font, `size` pixels high, 4 at least."""
    return _font(max(4, round(size)))


def sized(image: Image.Image, width: float, height: float) -> Image.Image:
    """Scaled to that size, at least a pixel each way."""
    return image.resize((max(1, round(width)), max(1, round(height))), Resampling.BICUBIC)


def pasted(ground: Image.Image, top: Image.Image, rng: Generator, mask: Image.Image | None = None) -> Image.Image:
    """A copy of `ground` with `top` somewhere on it."""
    ground = ground.copy()
    left, upper = (int(rng.integers(max(1, g - t + 1))) for g, t in zip(ground.size, top.size, strict=True))
    ground.paste(top, (left, upper), mask)
    return ground
