"""Edits that put a picture among others or on a screen."""

import math

from numpy.random import Generator
from PIL import Image, ImageDraw, ImageOps

from evaluation.edits.drawing import colour, font, pasted, sized, words

Picture = Image.Image
PHONE = (540, 960)
SCREEN = (960, 600)
TILE = (240, 180)
THEMES = [("white", "black", "#dddddd"), ("#202020", "white", "#404040")]


def blend(image: Picture, _rng: Generator, other: Picture, share: float) -> Picture:
    """Another picture shines through."""
    return Image.blend(image, other.resize(image.size), share)


def under_picture(image: Picture, rng: Generator, other: Picture, part: float) -> Picture:
    """Another picture lies on it."""
    return pasted(image, sized(other, image.width * part, image.height * part), rng)


def on_picture(image: Picture, rng: Generator, other: Picture, part: float) -> Picture:
    """It lies on another picture, cut to that one's shape."""
    size = (max(1, round(other.width * part)), max(1, round(other.height * part)))
    return pasted(other, ImageOps.fit(image, size), rng)


def collage(image: Picture, rng: Generator, other: Picture, tiles: float) -> Picture:
    """Tiles on a coloured ground, one of them the picture, cut to the tile, the rest windows of another picture."""
    down = math.isqrt(round(tiles))
    across = round(tiles) // down
    sheet = Image.new("RGB", (across * (TILE[0] + 6) + 6, down * (TILE[1] + 6) + 6), colour(rng))
    own = int(rng.integers(across * down))
    for tile in range(across * down):
        content = image if tile == own else _window_of(other, rng)
        row, column = divmod(tile, across)
        sheet.paste(ImageOps.fit(content, TILE), (column * (TILE[0] + 6) + 6, row * (TILE[1] + 6) + 6))
    return sheet


def _window_of(image: Picture, rng: Generator) -> Picture:
    """Half of each side, anywhere, mirrored or not."""
    width, height = (max(1, side // 2) for side in image.size)
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    part = image.crop((left, top, left + width, top + height))
    return ImageOps.mirror(part) if rng.integers(2) else part


def phone(image: Picture, rng: Generator, _: Picture, part: float) -> Picture:
    """A telephone's screen: text above and below, the picture in the middle."""
    ground, ink, _line = THEMES[rng.integers(2)]
    shown = _contained(image, round(PHONE[0] * part), 800)
    screen = Image.new("RGB", PHONE, ground)
    screen.paste(shown, ((PHONE[0] - shown.width) // 2, max(60, int(rng.uniform(60, 900 - shown.height)))))
    draw = ImageDraw.Draw(screen)
    for line in (10, 35, 905, 930):
        draw.text((20, line), words(rng, 6), ink, font(20))
    return screen


def window(image: Picture, rng: Generator, _: Picture, part: float) -> Picture:
    """An application's window on a desktop: title bar with buttons, a list at the left, the picture, a status line."""
    ground, ink, line = THEMES[rng.integers(2)]
    screen = Image.new("RGB", SCREEN, colour(rng))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((20, 20, 940, 580), ground, line)
    _title_bar(draw, rng, ink, line)
    for row in range(75, 540, 36):
        draw.text((34, row), words(rng, 1), ink, font(15))
    draw.text((34, 556), words(rng, 8), ink, font(14))
    shown = _contained(image, round(SCREEN[0] * part * 0.85), round(SCREEN[1] * part * 0.85))
    screen.paste(shown, (140 + (800 - shown.width) // 2, 55 + (495 - shown.height) // 2))
    return screen


def _title_bar(draw: ImageDraw.ImageDraw, rng: Generator, ink: str, line: str) -> None:
    draw.rectangle((20, 20, 940, 50), line)
    for left, light in ((32, "#ff5f57"), (54, "#febc2e"), (76, "#28c840")):
        draw.ellipse((left, 28, left + 14, 42), light)
    draw.text((420, 26), words(rng, 3), ink, font(16))


def _contained(image: Picture, width: int, height: int) -> Picture:
    """As large as fits, same shape, at least a pixel each way."""
    factor = min(width / image.width, height / image.height)
    return sized(image, image.width * factor, image.height * factor)
