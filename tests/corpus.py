"""Makers of pictures, good and hostile, for all tests; nothing is read from disk."""

import functools
import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw

pillow_heif.register_heif_opener()

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "BMP": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
}
FORMATS: dict[str, dict[str, Any]] = LOSSLESS | {
    "JPEG": {"quality": 92},
    "GIF": {},
    "AVIF": {"quality": 85},
    "HEIF": {"quality": 85},
}


def photo(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A photo-like RGB picture: smooth colour fields, some shapes, a little grain. Other seeds clearly differ."""
    random = np.random.default_rng(seed)
    fields = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(fields)
    for shape in (draw.ellipse, draw.rectangle, draw.ellipse, draw.rectangle):
        left, top = random.uniform(0, 0.8, 2) * size
        width, height = random.uniform(0.1, 0.35, 2) * size
        shape((left, top, left + width, top + height), fill=tuple(random.integers(0, 256, 3).tolist()))
    grain = random.normal(0, 4, (size[1], size[0], 1))
    return Image.fromarray((np.asarray(fields) + grain).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002 - Pillow's name for it
    """The picture as a file of `format`, a name of Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif(orientation: int) -> bytes:
    """An EXIF block that says how the picture is turned, 1 to 8."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(size: tuple[int, int], depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG of raw `rows`, each with its filter byte, whatever the header claims; for what Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def huge_png(side: int = 10_000) -> bytes:
    """A valid 1-bit PNG of side x side pixels in a few kB."""
    return png((side, side), 1, 0, bytes((1 + side // 8) * side))


def tiled_tiff(tile: int) -> bytes:
    """A TIFF of 64 x 64 pixels cut from one compressed tile of tile x tile."""
    values = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: 134, 325: 30}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return b"II*\0" + struct.pack("<IH", 8, len(values)) + entries + bytes(4) + zlib.compress(bytes(20_000))[:30]


def many_scans(scans: int) -> bytes:
    """A small progressive JPEG whose last scan is repeated until there are so many."""
    jpeg = encoded(photo(1), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * (scans - jpeg.count(b"\xff\xda")) + b"\xff\xd9"


@functools.cache
def bad_pictures() -> dict[str, bytes]:
    """Files that no service should take for a picture, by what is wrong with them."""
    jpeg, gif, bmp = (encoded(photo(1), name) for name in ("JPEG", "GIF", "BMP"))
    screen = b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0)
    return {
        "empty": b"",
        "one byte": b"\xff",
        "text": b"hello, this is no picture\n" * 20,
        "random": np.random.default_rng(0).bytes(5000),
        "zeros": bytes(5000),
        "html": b"<!doctype html><title>404</title>",
        "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "pdf": b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF",
        "zip": b"PK\x03\x04" + bytes(26),
        "icon": b"\x00\x00\x01\x00\x01\x00\x10\x10" + bytes(40),
        "ppm": b"P6 2 2 255\n" + bytes(12),
        "truncated jpeg": jpeg[: len(jpeg) // 2],
        "jpeg header only": jpeg[:20],
        "truncated png": encoded(photo(1), "PNG")[:-2000],
        "truncated webp": encoded(photo(1), "WEBP")[:-50],
        "truncated gif": gif[:-500],
        "truncated bmp": bmp[:-500],
        "gif without frames": screen + b";",
        "huge png": huge_png(),
        "huge gif frame": screen + b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x08\x01\x00\x00;",
        "huge tiff tile": tiled_tiff(20_000),
        "jpeg of many scans": many_scans(1000),
        "bmp that claims more rows": bmp[:22] + struct.pack("<i", 2000) + bmp[26:],
        "png with a broken animation": png((1, 1), 8, 0, b"\0\0", chunk(b"acTL", b"\0")),
        "png of no width": png((0, 10), 8, 2, bytes(31 * 10)),
        "png with a broken chunk": encoded(photo(1), "PNG").replace(b"IDAT", b"IDAT\xff", 1),
    }


@functools.cache
def vague_pictures() -> dict[str, Image.Image]:
    """Pictures with too little content to say what they are copies of, by name; no two have the same pixels."""
    y, x = np.mgrid[0:240, 0:320]
    ramp = np.stack([x // 2, y // 2, (x + y) // 4], axis=-1).astype(np.uint8)
    noise = np.random.default_rng(0).normal(128, 5, (240, 320, 3)).clip(0, 255).astype(np.uint8)
    word = Image.new("RGB", (800, 600), "white")
    ImageDraw.Draw(word).text((300, 280), "word", fill="black")
    flat = {colour: Image.new("RGB", (320, 240), colour) for colour in ("white", "black", "red", "#123456", "#808080")}
    tiny = {f"{side} pixels": photo(1, (320, 240)).resize((side, side)) for side in (1, 2, 16, 31)}
    return {
        **flat,
        **tiny,
        "strip": photo(2, (320, 12)),
        "gradient": Image.fromarray(ramp),
        "gradient upside down": Image.fromarray(ramp[::-1].copy()),
        "noise": Image.fromarray(noise),
        "nearly blank page": word,
    }
