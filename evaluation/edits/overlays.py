"""Edits that write or draw on a picture."""

import math
from collections.abc import Callable

from numpy.random import Generator
from PIL import Image, ImageDraw
from PIL.ImageDraw import ImageDraw as Draw

from evaluation.edits.drawing import Colour, colour, font, pasted, words

Picture = Image.Image
YELLOW, RED, DARK = (255, 205, 60), (225, 40, 60), (60, 40, 20)


def text(image: Picture, rng: Generator, _: Picture, height: float) -> Picture:
    """One to four lines of type, the more the larger."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _line in range(1 + int(rng.integers(1 + round(height * 15)))):
        place = (float(rng.uniform(0, 0.4)) * image.width, float(rng.uniform(0, 0.8)) * image.height)
        draw.text(place, words(rng, 3), colour(rng), font(height * image.height))
    return image


def watermark(image: Picture, rng: Generator, _: Picture, opacity: float) -> Picture:
    """White or black text all over, slanting."""
    size = max(8, min(image.size) // 9)
    reach = image.width + image.height
    layer = Image.new("L", (reach, reach))
    draw = ImageDraw.Draw(layer)
    for top in range(0, reach, 2 * size):
        draw.text((0, top), (words(rng, 3) + "   ") * (reach // (6 * size) + 1), round(255 * opacity), font(size))
    slanted = layer.rotate(30)
    left, upper = (reach - image.width) // 2, (reach - image.height) // 2
    mask = slanted.crop((left, upper, left + image.width, upper + image.height))
    image = image.copy()
    image.paste(["white", "black"][rng.integers(2)], (0, 0, *image.size), mask)
    return image


def emoji(image: Picture, rng: Generator, _: Picture, size: float) -> Picture:
    """One to three faces, hearts and stars, drawn and not set in type."""
    side = max(2, round(size * min(image.size)))
    for _piece in range(1 + int(rng.integers(3))):
        badge = Image.new("RGBA", (side, side))
        SHAPES[rng.integers(len(SHAPES))](ImageDraw.Draw(badge), side - 1)
        image = pasted(image, badge.convert("RGB"), rng, badge.getchannel("A"))
    return image


def _face(draw: Draw, side: float) -> None:
    draw.ellipse((0, 0, side, side), YELLOW)
    for left in (0.25, 0.6):
        draw.ellipse((side * left, side * 0.25, side * (left + 0.15), side * 0.45), DARK)
    draw.chord((side * 0.22, side * 0.3, side * 0.78, side * 0.82), 10, 170, DARK)


def _heart(draw: Draw, side: float) -> None:
    draw.ellipse((0, 0, side * 0.54, side * 0.54), RED)
    draw.ellipse((side * 0.46, 0, side, side * 0.54), RED)
    draw.polygon([(side * 0.06, side * 0.42), (side * 0.94, side * 0.42), (side / 2, side)], RED)


def _star(draw: Draw, side: float) -> None:
    radii = (side / 2, side / 5)
    points = [(corner * math.pi / 5, radii[corner % 2]) for corner in range(10)]
    draw.polygon([(side / 2 + r * math.sin(a), side / 2 - r * math.cos(a)) for a, r in points], YELLOW, DARK)


SHAPES: list[Callable[[Draw, float], None]] = [_face, _heart, _star]


def logo(image: Picture, rng: Generator, _: Picture, size: float) -> Picture:
    """A disc with a letter, half transparent at most."""
    side = max(2, round(size * min(image.size)))
    badge = Image.new("RGB", (side, side), colour(rng))
    ImageDraw.Draw(badge).text((side * 0.3, side * 0.1), "R", colour(rng), font(side * 0.7))
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), fill=int(rng.integers(128, 256)))
    return pasted(image, badge, rng, mask)


def caption(image: Picture, rng: Generator, _: Picture, height: float) -> Picture:
    """A white bar of text above."""
    bar = max(1, round(height * image.height))
    framed = Image.new("RGB", (image.width, image.height + bar), "white")
    framed.paste(image, (0, bar))
    ImageDraw.Draw(framed).text((5, bar * 0.2), words(rng, 6), "black", font(bar * 0.4))
    return framed


def meme(image: Picture, rng: Generator, _: Picture, height: float) -> Picture:
    """White capitals with a black edge, above and below: on the picture or on black bars of their own."""
    line = max(1, round(height * image.height))
    bars = line if rng.integers(2) else 0
    framed = Image.new("RGB", (image.width, image.height + 2 * bars))
    framed.paste(image, (0, bars))
    for middle in (line / 2, framed.height - line / 2):
        _centred(framed, middle, line * 0.75, words(rng, 3).upper(), (255, 255, 255))
    return framed


def _centred(image: Picture, middle: float, size: float, line: str, ink: Colour) -> None:
    edge = max(1, round(size / 14))
    place = (image.width / 2, middle)
    ImageDraw.Draw(image).text(place, line, ink, font(size), anchor="mm", stroke_width=edge, stroke_fill="black")
