"""Picture files -> RGB pictures, read as the service reads them, scaled down to a size that edits can be made of."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.Image import Resampling

from evaluation.progress import progress
from retrieval.errors import InputError
from retrieval.picture import decode
from retrieval.settings import InputSettings


@dataclass(frozen=True)
class Reader:
    """How files are read.

    limits:  the service's, section `input` of config.yaml.
    longest: pixels; a picture whose longer side is longer is scaled down to it.
    """

    limits: InputSettings
    longest: int

    def read(self, path: Path) -> Image.Image:
        """Upright RGB. Raises InputError for what is no picture, OSError for what cannot be read."""
        return scaled_down(decode(path.read_bytes(), self.limits).image, self.longest)


def scaled_down(image: Image.Image, longest: int) -> Image.Image:
    """With no side longer than `longest` pixels."""
    factor = longest / max(image.size)
    if factor >= 1:
        return image
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Resampling.BICUBIC, reducing_gap=3.0)


@dataclass(frozen=True)
class Photo:
    """A picture file, read anew whenever it is opened, so that a large folder need not fit into memory."""

    name: str
    path: Path
    reader: Reader

    edits = ""
    chain = 0

    def open(self) -> Image.Image:
        """Upright RGB. Raises InputError, OSError."""
        return self.reader.read(self.path)


@dataclass(frozen=True)
class Found:
    """What a look through the files gave.

    photos:   those that can be read.
    digest:   SHA-256 of their names and pixels, in hex.
    problems: a line for each that was passed over.
    """

    photos: list[Photo]
    digest: str
    problems: list[str]


def look_through(photos: Sequence[Photo], repeats: bool = False) -> Found:
    """Read every file once. What cannot be read is left out and said so; so is, without `repeats`, what has the same
    pixels as one before it: a copy of either would be right for both.
    """
    digest, problems = hashlib.sha256(), []
    kept: list[Photo] = []
    seen: dict[bytes, Path] = {}
    for photo, pixels in _digests(photos):
        if isinstance(pixels, Exception):
            problems.append(f"{photo.path}: {pixels}")
        elif pixels in seen and not repeats:
            problems.append(f"{photo.path}: the same picture as {seen[pixels]}")
        else:
            seen[pixels] = photo.path
            kept.append(photo)
            digest.update(photo.name.encode("utf-8", "surrogateescape") + b"\0" + pixels)
    return Found(kept, digest.hexdigest(), problems)


def _digests(photos: Sequence[Photo]) -> Iterator[tuple[Photo, bytes | Exception]]:
    """Each with the SHA-256 of its size and pixels, or with what kept it from being read."""
    with progress(len(photos), "read") as bar:
        for photo in photos:
            try:
                image = photo.open()
            except (InputError, OSError) as error:
                yield photo, error
            else:
                yield photo, hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
            bar.update()
