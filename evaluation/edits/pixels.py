"""Edits that leave everything where it is: encoding, blur, noise, colour."""

from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageEnhance, ImageFilter
from PIL.Image import Resampling

from evaluation.edits.drawing import colour as any_colour

Picture = Image.Image


def re_encoded(image: Picture, form: str, quality: int) -> Picture:
    """Through a lossy format of Pillow's and back."""
    data = BytesIO()
    image.save(data, form, quality=quality)
    return Image.open(data).convert("RGB")


def jpeg(image: Picture, _rng: Generator, _: Picture, quality: float) -> Picture:
    """Saved as JPEG."""
    return re_encoded(image, "JPEG", round(quality))


def webp(image: Picture, _rng: Generator, _: Picture, quality: float) -> Picture:
    """Saved as WebP."""
    return re_encoded(image, "WEBP", round(quality))


def blur(image: Picture, _rng: Generator, _: Picture, radius: float) -> Picture:
    """Gaussian, half a pixel at least."""
    return image.filter(ImageFilter.GaussianBlur(max(0.5, radius * min(image.size))))


def noise(image: Picture, rng: Generator, _: Picture, deviation: float) -> Picture:
    """Gaussian, each value on its own."""
    values = np.asarray(image, np.float32)
    grain = rng.standard_normal(values.shape, np.float32) * np.float32(deviation)
    return Image.fromarray((values + grain).clip(0, 255).astype(np.uint8))


def pixelate(image: Picture, _rng: Generator, _: Picture, blocks: float) -> Picture:
    """Blocks of one colour, each its pixels' average."""
    factor = min(1.0, blocks / min(image.size))
    small = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))), Resampling.BOX)
    return small.resize(image.size, Resampling.NEAREST)


def palette(image: Picture, _rng: Generator, _: Picture, colours: float) -> Picture:
    """Few colours, not dithered."""
    return image.quantize(round(colours), dither=Image.Dither.NONE).convert("RGB")


def grey(image: Picture, _rng: Generator, _: Picture, _amount: float) -> Picture:
    """No colour."""
    return image.convert("L").convert("RGB")


def colour(image: Picture, rng: Generator, _: Picture, amount: float) -> Picture:
    """Saturation times 1 - amount or 1 + amount."""
    return ImageEnhance.Color(image).enhance(_either_way(rng, amount))


def brightness(image: Picture, rng: Generator, _: Picture, amount: float) -> Picture:
    """Brightness times 1 - amount or 1 + amount."""
    return ImageEnhance.Brightness(image).enhance(_either_way(rng, amount))


def contrast(image: Picture, rng: Generator, _: Picture, amount: float) -> Picture:
    """Contrast times 1 - amount or 1 + amount."""
    return ImageEnhance.Contrast(image).enhance(_either_way(rng, amount))


def _either_way(rng: Generator, amount: float) -> float:
    return 1 + float(rng.choice([-1, 1])) * amount


def hue(image: Picture, rng: Generator, _: Picture, turn: float) -> Picture:
    """Every colour moved on by the same part of the colour circle."""
    tint, saturation, value = image.convert("HSV").split()
    moved = np.asarray(tint).astype(np.int16) + round(float(rng.choice([-1, 1])) * turn * 256)
    return Image.merge("HSV", (Image.fromarray((moved % 256).astype(np.uint8)), saturation, value)).convert("RGB")


def stripes(image: Picture, rng: Generator, _: Picture, share: float) -> Picture:
    """Bars of one colour at even distances, from side to side or top to bottom."""
    values = np.array(image)
    lengthwise = bool(rng.integers(2))
    lines = values.swapaxes(0, 1) if lengthwise else values
    period = max(2, len(lines) // int(rng.integers(4, 16)))
    lines[np.arange(len(lines)) % period < max(1, round(period * share))] = any_colour(rng)
    return Image.fromarray(values)
