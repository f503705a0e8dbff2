"""Edited copies of pictures, after the edits of the Image Similarity Challenge (Douze et al. 2021, arXiv 2106.09672).

An edit takes an RGB picture, a seeded generator, and another picture to paste on; it gives an RGB picture of any size.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from PIL.Image import Resampling, Transform, Transpose

Picture = Image.Image
Edit = Callable[[Picture, Generator, Picture], Picture]

WORDS = ["seen", "this", "picture", "before", "never", "again", "sale", "breaking", "news", "my", "holiday", "follow"]


def _colour(rng: Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _scaled(image: Picture, across: float, down: float) -> Picture:
    return image.resize((max(8, round(image.width * across)), max(8, round(image.height * down))), Resampling.BICUBIC)


def _words(rng: Generator, count: int) -> str:
    return " ".join(rng.choice(WORDS, count))


def jpeg(image: Picture, rng: Generator, _: Picture) -> Picture:
    """Quality 10 to 40."""
    return re_encoded(image, int(rng.integers(10, 41)))


def re_encoded(image: Picture, quality: int) -> Picture:
    """Through JPEG and back."""
    data = BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def resize(image: Picture, rng: Generator, _: Picture) -> Picture:
    """To 0.25 to 0.75 of each side."""
    factor = rng.uniform(0.25, 0.75)
    return _scaled(image, factor, factor)


def aspect(image: Picture, rng: Generator, _: Picture) -> Picture:
    """One side to 0.5 to 0.8 of its length, the other stays."""
    factor = rng.uniform(0.5, 0.8)
    return _scaled(image, *rng.permutation([factor, 1.0]))


def crop(image: Picture, rng: Generator, _: Picture) -> Picture:
    """A window anywhere, each side 0.4 to 0.8 of the picture's."""
    width, height = (round(side * rng.uniform(0.4, 0.8)) for side in image.size)
    left, top = int(rng.integers(image.width - width)), int(rng.integers(image.height - height))
    return image.crop((left, top, left + width, top + height))


def centre_crop(image: Picture, part: float) -> Picture:
    """The middle, each side `part` of the picture's."""
    across, down = image.width * (1 - part) / 2, image.height * (1 - part) / 2
    return image.crop((round(across), round(down), round(image.width - across), round(image.height - down)))


def mirror(image: Picture, _rng: Generator, _: Picture) -> Picture:
    """Left for right."""
    return image.transpose(Transpose.FLIP_LEFT_RIGHT)


def upside_down(image: Picture, _rng: Generator, _: Picture) -> Picture:
    """Top for bottom."""
    return image.transpose(Transpose.FLIP_TOP_BOTTOM)


def rotate(image: Picture, rng: Generator, _: Picture) -> Picture:
    """By 5 to 45 degrees either way, the canvas grown, its corners black."""
    return image.rotate(rng.choice([-1, 1]) * rng.uniform(5, 45), Resampling.BICUBIC, expand=True)


def quarter_turn(image: Picture, rng: Generator, _: Picture) -> Picture:
    """By 90 degrees either way."""
    return image.transpose([Transpose.ROTATE_90, Transpose.ROTATE_270][rng.integers(2)])


def blur(image: Picture, rng: Generator, _: Picture) -> Picture:
    """Gaussian, radius 1 to 4 pixels."""
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(1, 4)))


def noise(image: Picture, rng: Generator, _: Picture) -> Picture:
    """Gaussian, standard deviation 10 to 50 of 255."""
    values = np.asarray(image, np.float32)
    return Image.fromarray((values + rng.normal(0, rng.uniform(10, 50), values.shape)).clip(0, 255).astype(np.uint8))


def tone(image: Picture, rng: Generator, _: Picture) -> Picture:
    """Colour, brightness and contrast, each times 0.4 to 1.8."""
    for kind in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        image = kind(image).enhance(rng.uniform(0.4, 1.8))
    return image


def grey(image: Picture, _rng: Generator, _: Picture) -> Picture:
    """No colour."""
    return image.convert("L").convert("RGB")


def text(image: Picture, rng: Generator, _: Picture) -> Picture:
    """One to three lines of large type."""
    image = image.copy()
    font = ImageFont.load_default(float(rng.uniform(0.08, 0.2)) * image.height)
    for _line in range(rng.integers(1, 4)):
        place = (float(rng.uniform(0, 0.4)) * image.width, float(rng.uniform(0, 0.8)) * image.height)
        ImageDraw.Draw(image).text(place, _words(rng, 3), _colour(rng), font)
    return image


def logo(image: Picture, rng: Generator, _: Picture) -> Picture:
    """A disc with a letter, half as high as the picture at most, half transparent at most."""
    side = round(rng.uniform(0.2, 0.5) * min(image.size))
    badge = Image.new("RGB", (side, side), _colour(rng))
    ImageDraw.Draw(badge).text((side * 0.3, side * 0.1), "R", _colour(rng), ImageFont.load_default(side * 0.7))
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), fill=int(rng.integers(128, 256)))
    return _pasted(image, badge, rng, mask)


def _pasted(ground: Picture, top: Picture, rng: Generator, mask: Picture | None = None) -> Picture:
    ground = ground.copy()
    left, upper = (int(rng.integers(max(1, g - t + 1))) for g, t in zip(ground.size, top.size, strict=True))
    ground.paste(top, (left, upper), mask)
    return ground


def caption(image: Picture, rng: Generator, _: Picture) -> Picture:
    """A bar of text above, 0.15 to 0.35 of the height."""
    bar = round(rng.uniform(0.15, 0.35) * image.height)
    framed = Image.new("RGB", (image.width, image.height + bar), "white")
    framed.paste(image, (0, bar))
    ImageDraw.Draw(framed).text((5, bar * 0.2), _words(rng, 6), "black", ImageFont.load_default(bar * 0.4))
    return framed


def padding(image: Picture, rng: Generator, _: Picture) -> Picture:
    """A border of one colour, 0.05 to 0.3 of each side, on both ends."""
    across, down = (round(side * rng.uniform(0.05, 0.3)) for side in image.size)
    return ImageOps.expand(image, (across, down), _colour(rng))


def on_picture(image: Picture, rng: Generator, other: Picture) -> Picture:
    """Pasted on another picture, 0.35 to 0.7 of its sides."""
    part = rng.uniform(0.35, 0.7)
    return _pasted(other, ImageOps.fit(image, (round(other.width * part), round(other.height * part))), rng)


def screenshot(image: Picture, rng: Generator, _: Picture) -> Picture:
    """In a telephone's screen: text above and below, the picture across 0.6 to 1 of the width."""
    ground, ink = [("white", "black"), ("black", "white")][rng.integers(2)]
    image = ImageOps.contain(image, (round(540 * rng.uniform(0.6, 1)), 800))
    screen = Image.new("RGB", (540, 960), ground)
    screen.paste(image, ((540 - image.width) // 2, int(rng.uniform(60, 140))))
    for line in (10, 35, 905, 930):
        ImageDraw.Draw(screen).text((20, line), _words(rng, 6), ink, ImageFont.load_default(20))
    return screen


def perspective(image: Picture, rng: Generator, _: Picture) -> Picture:
    """Each corner pulled inwards by up to 0.2 of each side."""
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
    moved = corners + (1 - 2 * corners) * rng.uniform(0, 0.2, (4, 2))
    return image.transform(image.size, Transform.PERSPECTIVE, _homography(moved, corners, image), Resampling.BICUBIC)


def _homography(source: np.ndarray, target: np.ndarray, image: Picture) -> list[float]:
    """Pillow's eight coefficients, which map points of the result (source) to points of the picture (target)."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source * image.size, target * image.size, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.array(rows), np.array(values))]


def chain(image: Picture, rng: Generator, other: Picture) -> Picture:
    """Two or three of the above, each once."""
    for index in rng.choice(len(SINGLE), rng.integers(2, 4), replace=False):
        image = SINGLE[index](image, rng, other)
    return image


SINGLE: list[Edit] = [
    *(jpeg, resize, aspect, crop, mirror, upside_down, rotate, quarter_turn, blur, noise, tone, grey),
    *(text, logo, caption, padding, on_picture, screenshot, perspective),
]
EDITS: list[Edit] = [*SINGLE, *[chain] * len(SINGLE)]  # half of the copies have several edits

# The edits that must never hide a picture: it has to be found first.
REQUIRED: dict[str, Callable[[Picture], Picture]] = {
    "JPEG q40": lambda image: re_encoded(image, 40),
    "half size": lambda image: _scaled(image, 0.5, 0.5),
    "crop 70 %": lambda image: centre_crop(image, 0.7),
    "mirrored": ImageOps.mirror,
    "10 degrees": lambda image: image.rotate(10, Resampling.BICUBIC, expand=True),
}
