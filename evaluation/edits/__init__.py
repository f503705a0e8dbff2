"""The suite's edits, after those of the Image Similarity Challenge (Douze et al. 2021, arXiv 2106.09672).

An edit takes an RGB picture of any size, a seeded generator, another RGB picture to work with, and a strength; it gives
an RGB picture of any size. The same seed gives the same pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator
from PIL import ImageOps
from PIL.Image import Image, Resampling

from evaluation.edits import overlays, pixels, scenes, shapes

Amount = tuple[float, float]
Change = Callable[[Image, Generator, Image, float], Image]

STRENGTHS = ("weak", "medium", "strong")
ONLY = "only"  # the strength of an edit that has no degrees

# Raised whenever an edit or the make-up of the suite changes: figures of different versions are not comparable.
VERSION = 1


@dataclass(frozen=True)
class Edit:
    """One kind of edit.

    change: does it; its last argument is the amount.
    unit:   what the amount is.
    levels: strength -> range of the amount, from which it is drawn evenly.
    """

    name: str
    change: Change
    unit: str
    levels: dict[str, Amount]

    def __call__(self, image: Image, rng: Generator, other: Image, strength: str) -> Image:
        """A copy of `image` edited at that strength; the picture given stays as it is."""
        return self.change(image, rng, other, float(rng.uniform(*self.levels[strength])))


@dataclass(frozen=True)
class Case:
    """An edit at one strength."""

    edit: str
    strength: str

    def __call__(self, image: Image, rng: Generator, other: Image) -> Image:
        return EDITS[self.edit](image, rng, other, self.strength)

    def __str__(self) -> str:
        return self.edit if self.strength == ONLY else f"{self.edit}, {self.strength}"


def _three(name: str, change: Change, unit: str, *ranges: Amount) -> Edit:
    return Edit(name, change, unit, dict(zip(STRENGTHS, ranges, strict=True)))


def _one(name: str, change: Change, unit: str) -> Edit:
    return Edit(name, change, unit, {ONLY: (1, 1)})


_ALL = [
    _three("JPEG", pixels.jpeg, "quality", (50, 70), (25, 45), (8, 20)),
    _three("WebP", pixels.webp, "quality", (40, 60), (15, 35), (1, 10)),
    _three("scale", shapes.scale, "of each side", (0.5, 0.75), (0.25, 0.45), (0.1, 0.2)),
    _three("aspect", shapes.aspect, "of one side", (0.75, 0.9), (0.55, 0.7), (0.35, 0.5)),
    _three("crop", shapes.crop, "of each side stays", (0.8, 0.9), (0.55, 0.7), (0.35, 0.5)),
    _three("rotate", shapes.rotate, "degrees, canvas grown", (3, 8), (10, 20), (25, 45)),
    _three("rotate and cut", shapes.rotate_and_cut, "degrees, corners cut off", (2, 6), (8, 15), (20, 35)),
    _one("quarter turn", shapes.quarter_turn, "90 degrees, either way"),
    _one("mirror", shapes.mirror, "left for right"),
    _one("upside down", shapes.upside_down, "top for bottom"),
    _three("perspective", shapes.perspective, "of a side, corners inwards", (0.03, 0.08), (0.1, 0.16), (0.2, 0.28)),
    _three("padding", shapes.padding, "of each side, added at both ends", (0.03, 0.08), (0.1, 0.2), (0.25, 0.4)),
    _three("blur", pixels.blur, "radius, of the shorter side", (0.003, 0.006), (0.008, 0.012), (0.015, 0.025)),
    _three("noise", pixels.noise, "standard deviation, of 255", (8, 15), (20, 35), (45, 70)),
    _three("pixelate", pixels.pixelate, "blocks across the shorter side", (60, 90), (35, 50), (18, 28)),
    _three("palette", pixels.palette, "colours left", (48, 64), (12, 20), (4, 7)),
    _one("grey", pixels.grey, "no colour"),
    _three("colour", pixels.colour, "saturation, more or less by", (0.3, 0.5), (0.6, 0.8), (0.85, 0.95)),
    _three("hue", pixels.hue, "of the colour circle, either way", (0.03, 0.06), (0.1, 0.2), (0.3, 0.5)),
    _three("brightness", pixels.brightness, "more or less by", (0.15, 0.25), (0.35, 0.5), (0.6, 0.75)),
    _three("contrast", pixels.contrast, "more or less by", (0.2, 0.3), (0.4, 0.55), (0.65, 0.8)),
    _three("stripes", pixels.stripes, "of the picture covered", (0.08, 0.15), (0.2, 0.3), (0.35, 0.5)),
    _three("text", overlays.text, "type height, of the picture's", (0.05, 0.08), (0.1, 0.14), (0.16, 0.22)),
    _three("watermark", overlays.watermark, "opacity of text all over", (0.15, 0.3), (0.35, 0.5), (0.55, 0.75)),
    _three("emoji", overlays.emoji, "size, of the shorter side", (0.15, 0.22), (0.28, 0.38), (0.45, 0.6)),
    _three("logo", overlays.logo, "size, of the shorter side", (0.15, 0.25), (0.3, 0.45), (0.5, 0.7)),
    _three(
        "caption bar", overlays.caption, "height of the bar, of the picture's", (0.1, 0.15), (0.2, 0.3), (0.35, 0.5)
    ),
    _three("meme", overlays.meme, "height of each of two lines", (0.08, 0.12), (0.15, 0.2), (0.25, 0.32)),
    _three("blend", scenes.blend, "share of another picture", (0.15, 0.25), (0.3, 0.4), (0.45, 0.55)),
    _three("picture on it", scenes.under_picture, "sides of another picture", (0.25, 0.35), (0.4, 0.5), (0.55, 0.65)),
    _three("on picture", scenes.on_picture, "of another picture's sides", (0.7, 0.85), (0.5, 0.65), (0.3, 0.45)),
    _three("collage", scenes.collage, "tiles, one of them the picture", (2, 2), (4, 4), (9, 9)),
    _three("phone", scenes.phone, "of the screen's width", (0.9, 1.0), (0.7, 0.85), (0.5, 0.65)),
    _three("window", scenes.window, "of the screen's sides", (0.75, 0.9), (0.55, 0.7), (0.35, 0.5)),
]
EDITS = {edit.name: edit for edit in _ALL}
CASES = [Case(edit.name, strength) for edit in _ALL for strength in edit.levels]

# The edits that must never hide a picture: it has to be found first.
REQUIRED: dict[str, Callable[[Image], Image]] = {
    "JPEG q40": lambda image: pixels.re_encoded(image, "JPEG", 40),
    "half size": lambda image: shapes.scaled(image, 0.5, 0.5),
    "crop 70 %": lambda image: shapes.centre_crop(image, 0.7),
    "mirrored": ImageOps.mirror,
    "10 degrees": lambda image: image.rotate(10, Resampling.BICUBIC, expand=True),
}
