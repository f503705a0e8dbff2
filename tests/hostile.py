"""Hostile picture files, built here: each with the attack it tries and the answer it must get."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from tests.corpus import chunk, encoded, huge_png, many_scans, png, tiled_tiff
from tests.malformed import (
    RED,
    bmp,
    box,
    claiming,
    derived,
    dimensions,
    exif_of_data,
    gif,
    gif_frame,
    grid,
    jpeg_with,
    plain_tiff,
    replaced,
    riff,
    segment,
    small,
    tiff,
    tiff_of_data,
    understated,
    webp,
    zipped,
)

Answer = Literal["BadImage", "PictureTooLarge", "picture"]


@dataclass(frozen=True)
class Hostile:
    """A file and its answer: an error of the service's, or a small picture where the trick is harmless."""

    attack: str
    answer: Answer
    make: Callable[[], bytes]


FILES = (
    Hostile("PNG bomb: 100 megapixels of one bit in 12 kB", "PictureTooLarge", huge_png),
    Hostile("PNG header of 2^31 x 2^31 pixels", "PictureTooLarge", lambda: png((2**31 - 1, 2**31 - 1), 16, 6, b"\0")),
    Hostile(
        "PNG: interlaced, cut after the first pass", "BadImage", lambda: small("PNG")[:40] + b"\1" + small("PNG")[41:60]
    ),
    Hostile("PNG: zTXt bomb of 1,000 times its size", "BadImage", lambda: zipped(b"zTXt", b"k\0\0", 5_000_000)),
    Hostile("PNG: iTXt bomb", "BadImage", lambda: zipped(b"iTXt", b"k\0\1\0\0\0", 5_000_000)),
    Hostile("PNG: iCCP bomb", "BadImage", lambda: zipped(b"iCCP", b"k\0\0", 5_000_000)),
    Hostile("PNG: a million chunks", "BadImage", lambda: png((1, 1), 8, 0, b"\0\0", chunk(b"teXt", b"") * 1_000_000)),
    Hostile("PNG: a chunk of 4 GB", "BadImage", lambda: small("PNG")[:33] + b"\xff\xff\xff\xffIDAT" + bytes(90)),
    Hostile("PNG: pixels that end early", "BadImage", lambda: png((4000, 4000), 8, 2, bytes(100))),
    Hostile("PNG: more pixels than the header says", "picture", lambda: png((1, 1), 8, 2, bytes(5_000_000))),
    Hostile(
        "APNG: a million frames claimed",
        "picture",
        lambda: png((1, 1), 8, 0, b"\0\0", chunk(b"acTL", struct.pack(">II", 10**6, 0))),
    ),
    Hostile("JPEG: scan bomb, 1,000 scans", "BadImage", lambda: many_scans(1_000)),
    Hostile("JPEG: a million empty segments", "BadImage", lambda: jpeg_with(segment(0xE1, b"") * 1_000_000)),
    Hostile("JPEG: five million fill bytes", "BadImage", lambda: jpeg_with(b"\xff" * 5_000_000)),
    Hostile("JPEG: a million comments", "BadImage", lambda: jpeg_with(segment(0xFE, b"x") * 1_000_000)),
    Hostile(
        "JPEG header of 65,500 x 65,500 pixels", "PictureTooLarge", lambda: dimensions(small("JPEG"), 65_500, 65_500)
    ),
    Hostile("JPEG: 7,000 x 7,000 claimed, 64 x 48 there", "picture", lambda: dimensions(small("JPEG"), 7_000, 7_000)),
    Hostile(
        "JPEG: EXIF tags that all claim the whole block", "picture", lambda: jpeg_with(segment(0xE1, exif_of_data()))
    ),
    Hostile(
        "JPEG: EXIF directory that points to itself",
        "picture",
        lambda: jpeg_with(segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\x08")),
    ),
    Hostile(
        "JPEG: ICC profile in 255 pieces of which most are missing",
        "picture",
        lambda: jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(60_000))),
    ),
    Hostile(
        "JPEG: 12 bits a sample",
        "BadImage",
        lambda: replaced(small("JPEG"), b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    ),
    Hostile("JPEG: arithmetic coding claimed", "picture", lambda: replaced(small("JPEG"), b"\xff\xc0", b"\xff\xc9")),
    Hostile(
        "MPO: second frame far behind the end",
        "picture",
        lambda: encoded(RED, "MPO", save_all=True, append_images=[RED])[:-300],
    ),
    Hostile("GIF: screen of 65,535 x 65,535 pixels", "PictureTooLarge", lambda: gif(65_535, 65_535, gif_frame(1, 1))),
    Hostile("GIF: frame far larger than its screen", "PictureTooLarge", lambda: gif(9, 9, gif_frame(60_000, 60_000))),
    Hostile("GIF: 100,000 frames", "picture", lambda: gif(1, 1, gif_frame(1, 1) * 100_000)),
    Hostile("GIF: endless comment", "BadImage", lambda: gif(9, 9, b"\x21\xfe" + b"\x01a" * 500_000)),
    Hostile("GIF: LZW code of 255 bits", "BadImage", lambda: gif(9, 9, gif_frame(9, 9, b"\xff\x02\x44\x01\x00"))),
    Hostile("BMP: 2^31 rows", "PictureTooLarge", lambda: bmp((100_000, -(2**31) + 1), 24, 0, b"")),
    Hostile(
        "BMP: run lengths that leave the picture",
        "BadImage",
        lambda: bmp((7_000, 7_000), 8, 1, b"\0\2\xff\xff" * 9 + b"\0\1"),
    ),
    Hostile("BMP: header of 4 GB", "BadImage", lambda: bmp((8, 8), 24, 0, bytes(192), header=0xFFFFFFF0)),
    Hostile("TIFF: tile of 400 megapixels under a small picture", "PictureTooLarge", lambda: tiled_tiff(20_000)),
    Hostile("TIFF: directory that is its own next", "picture", lambda: tiff(plain_tiff(), bytes(64), next_at=8)),
    Hostile("TIFF: 3,000 tags that claim the same megabyte", "picture", lambda: tiff_of_data(3_000)),
    Hostile("TIFF: 4 billion strip offsets", "BadImage", lambda: tiff(plain_tiff(t273=(4, 0xFFFFFFFF, 8)), bytes(64))),
    Hostile("TIFF: 65,535 samples a pixel", "BadImage", lambda: tiff(plain_tiff(t277=(3, 1, 65_535)), bytes(64))),
    Hostile(
        "TIFF: 64-bit samples in 16 channels",
        "BadImage",
        lambda: tiff(plain_tiff(t258=(3, 1, 64), t277=(3, 1, 16)), bytes(64)),
    ),
    Hostile("TIFF: 2^31 x 2^31 pixels", "PictureTooLarge", lambda: tiff(plain_tiff(2**31, 2**31))),
    Hostile("TIFF: unknown compression", "BadImage", lambda: tiff(plain_tiff(t259=(3, 1, 34_712)), bytes(64))),
    Hostile(
        "TIFF: LZMA bomb that ends early",
        "BadImage",
        lambda: encoded(Image.new("RGB", (1_500, 1_500)), "TIFF", compression="lzma")[:-2_000],
    ),
    Hostile("BigTIFF: offset beyond 2^63", "BadImage", lambda: b"II+\0\x08\0\0\0" + b"\xff" * 8),
    Hostile(
        "WebP: animation with a canvas of 256 megapixels",
        "PictureTooLarge",
        lambda: webp(16_000, riff(b"ANMF", bytes(16))),
    ),
    Hostile("WebP: animation without a frame", "BadImage", lambda: webp(64)),
    Hostile("WebP: length of 4 GB", "BadImage", lambda: b"RIFF\xff\xff\xff\xff" + small("WEBP")[8:40]),
    Hostile("AVIF: header of 20,000 x 20,000 pixels", "BadImage", lambda: claiming("AVIF", 20_000)),
    Hostile("AVIF: 144 megapixels behind a header of 64 x 64", "BadImage", understated),
    Hostile("HEIF: header of 20,000 x 20,000 pixels", "BadImage", lambda: claiming("HEIF", 20_000)),
    Hostile("HEIF: header smaller than its picture", "BadImage", lambda: claiming("HEIF", 16)),
    Hostile("HEIF: grid of itself", "BadImage", lambda: derived(b"grid", grid(1, 1, 64, 64), (64, 64), (1,))),
    Hostile(
        "HEIF: grid of 65,536 tiles that are not there",
        "BadImage",
        lambda: derived(b"grid", grid(256, 256, 64, 64), (64, 64), (2,) * 65_535),
    ),
    Hostile("HEIF: overlay of itself", "BadImage", lambda: derived(b"iovl", bytes(30), (64, 64), (1, 1))),
    Hostile("HEIF: picture that is itself, turned", "BadImage", lambda: derived(b"iden", b"", (64, 64), (1,))),
    Hostile(
        "HEIF: box that holds itself, of length 0",
        "BadImage",
        lambda: box(b"ftyp", b"heic\0\0\0\0heic") + b"\0\0\0\0meta" + bytes(4) + b"\0\0\0\0meta" * 500,
    ),
    Hostile(
        "EPS, which Ghostscript would run",
        "BadImage",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file",
    ),
    Hostile(
        "SVG with an external entity",
        "BadImage",
        lambda: b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    ),
    Hostile("ICO that holds a PNG", "BadImage", lambda: encoded(RED, "ICO")),
    Hostile("ICNS", "BadImage", lambda: b"icns\0\0\0\x10ic07" + bytes(8)),
    Hostile("JPEG 2000", "BadImage", lambda: encoded(RED, "JPEG2000")),
    Hostile("PPM, which Pillow knows and nobody configured", "BadImage", lambda: encoded(RED, "PPM")),
    Hostile("FLI film", "BadImage", lambda: struct.pack("<IHHHHHH", 128, 0xAF11, 1, 64, 48, 8, 3) + bytes(108)),
    Hostile("PDF that ends in a JPEG", "BadImage", lambda: b"%PDF-1.7\n" + small("JPEG")),
    Hostile("GIFAR: a GIF with a ZIP archive behind", "picture", lambda: small("GIF") + b"PK\3\4" + bytes(300)),
    Hostile(
        "JPEG with a script behind",
        "picture",
        lambda: small("JPEG") + b"<script>alert(1)</script><?php system($_GET[0]);",
    ),
)
