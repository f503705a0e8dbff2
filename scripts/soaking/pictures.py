"""Thousands of different pictures from some dozens, made again from their number whenever they are needed."""

import random
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from retrieval.content import is_indeterminate

SIDE = 640  # pixels of the longer side that variants are cut from
LEAST = 256  # pixels of the shorter side of a usable picture
LEAST_DETAIL = 0.12  # bytes a pixel as a JPEG file; of smoother ones little is left in another encoding
CROP = (0.5, 0.85)  # of each side
COPIES = (("JPEG", {"quality": 75}), ("WEBP", {"quality": 80, "method": 0}), ("PNG", {"compress_level": 0}))


class Variants:
    """Cut from colour pictures, one way up or another. Each has a number, and no two numbers give the same bytes."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._bases = [base for path in paths if (base := _usable(path)) is not None]

    def __len__(self) -> int:
        return len(self._bases)

    def make(self, number: int) -> bytes:
        """A JPEG file; always the same for one number."""
        chance = random.Random(number)  # noqa: S311  # no secret
        while is_indeterminate(piece := _piece(chance.choice(self._bases), chance)):
            pass
        turn = chance.choice((None, *Image.Transpose))
        return _encoded(piece if turn is None else piece.transpose(turn), "JPEG", quality=90, comment=str(number))

    @staticmethod
    def copy(data: bytes, kind: int) -> tuple[bytes, str]:
        """The same picture in another encoding, and the name of its format; which one goes by `kind`."""
        name, options = COPIES[kind % len(COPIES)]
        return _encoded(Image.open(BytesIO(data)), name, **options), name.lower()


def _piece(base: Image.Image, chance: random.Random) -> Image.Image:
    width, height = (round(side * chance.uniform(*CROP)) for side in base.size)
    left, top = chance.randint(0, base.width - width), chance.randint(0, base.height - height)
    return base.crop((left, top, left + width, top + height))


def _usable(path: Path) -> Image.Image | None:
    """None for what is no picture, grey, small or smooth: pieces of it would look like each other."""
    try:
        with Image.open(path) as file:
            if file.mode != "RGB" or min(file.size) < LEAST:
                return None
            image = file.copy()
    except OSError:
        return None
    image.thumbnail((SIDE, SIDE))
    detail = len(_encoded(image, "JPEG", quality=90)) / (image.width * image.height)
    return image if detail >= LEAST_DETAIL else None


def _encoded(image: Image.Image, name: str, **options: object) -> bytes:
    data = BytesIO()
    image.save(data, name, **options)
    return data.getvalue()
