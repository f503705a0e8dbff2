"""Damaged picture files, each made again by its number: real files of every format, cut, spliced and overwritten."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
from numpy.random import Generator
from PIL import Image

SIDE = (96, 64)
MOST_CHANGES = 6
# What lengths, sizes and counts are wrong with.
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
PNG = b"\x89PNG\r\n\x1a\n"


def mutant(number: int) -> bytes:
    """The file of that number: one of `originals`, changed in one to six ways."""
    rng = np.random.default_rng(number)
    files = originals()
    data = files[rng.integers(len(files))]
    for _ in range(rng.integers(1, MOST_CHANGES + 1)):
        data = CHANGES[rng.integers(len(CHANGES))](data, rng)
    return with_checksums(data) if data.startswith(PNG) and rng.random() < 0.8 else data


@cache
def originals() -> list[bytes]:
    """Small files in every format and in many of their variants."""
    pillow_heif.register_heif_opener()
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (4, 6, 4), dtype=np.uint8)).resize(SIDE, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    return [_encoded(smooth.convert(mode), name, {"exif": exif} | more) for mode, name, more in _variants(smooth)]


def _variants(smooth: Image.Image) -> list[tuple[str, str, dict[str, Any]]]:
    """Mode, format and options of each original."""
    film = {"save_all": True, "append_images": [smooth.convert("RGB").rotate(90)]}
    tiffs = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "lzma", "zstd", "jpeg")
    return [
        *[("RGB", name, {}) for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")],
        *[("RGBA", name, {}) for name in ("PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF")],
        *[("RGB", name, film) for name in ("PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF", "MPO")],
        *[("RGB", "TIFF", {"compression": each}) for each in tiffs],
        *[("1", "TIFF", {"compression": each}) for each in ("group3", "group4")],
        *[
            (mode, name, {})
            for mode, name in (("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("1", "PNG"), ("P", "BMP"))
        ],
        *[("I", "TIFF", {}), ("F", "TIFF", {"compression": "tiff_lzw"}), ("I;16", "PNG", {}), ("LAB", "TIFF", {})],
        ("RGB", "JPEG", {"progressive": True, "icc_profile": bytes(500)}),
        ("RGB", "WEBP", {"lossless": True, "icc_profile": bytes(500)}),
    ]


def _encoded(image: Image.Image, name: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _place(data: bytes, rng: Generator) -> int:
    """The header matters most."""
    return int(rng.random() ** 3 * len(data))


def _flip(data: bytes, rng: Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + bytes([rng.integers(256)]) + data[at + 1 :]


def _number(data: bytes, rng: Generator) -> bytes:
    """A number of one, two or four bytes, of either order, becomes an unlikely one."""
    size = int(rng.choice([1, 2, 4]))
    value = int(rng.choice(NUMBERS)) % (1 << 8 * size)
    at = _place(data, rng)
    return data[:at] + value.to_bytes(size, "big" if rng.random() < 0.5 else "little") + data[at + size :]


def _cut(data: bytes, rng: Generator) -> bytes:
    return data[: int(rng.random() ** 0.3 * len(data))]


def _slice(data: bytes, rng: Generator) -> bytes:
    at = _place(data, rng)
    return data[at : at + int(rng.integers(1, 200))]


def _remove(data: bytes, rng: Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 50)) :]


def _repeat(data: bytes, rng: Generator) -> bytes:
    """A piece comes again, up to fifty times, there or elsewhere."""
    at = _place(data, rng)
    return data[:at] + _slice(data, rng) * int(rng.integers(1, 50)) + data[at:]


def _splice(data: bytes, rng: Generator) -> bytes:
    """The beginning of one file and the end of another."""
    files = originals()
    other = files[rng.integers(len(files))]
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _overwrite(data: bytes, rng: Generator) -> bytes:
    at, piece = _place(data, rng), _slice(data, rng)
    return data[:at] + piece + data[at + len(piece) :]


# Small changes come more often: they get further into a decoder.
CHANGES: tuple[Callable[[bytes, Generator], bytes], ...] = (
    *[_flip] * 4,
    *[_number] * 6,
    *[_cut, _remove, _repeat, _splice, _overwrite],
)


def with_checksums(png: bytes) -> bytes:
    """The PNG with the right checksum in every chunk, so that a reader looks at what was changed."""
    parts, at = [PNG], len(PNG)
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4])
        if end + 4 > len(png):
            break
        parts += [png[at:end], struct.pack(">I", zlib.crc32(png[at + 4 : end]))]
        at = end + 4
    return b"".join(parts) + png[at:]
