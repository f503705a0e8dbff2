"""Bytes of a picture file -> Picture: upright 8-bit RGB, with digests of the file and of its pixels.

Transparency is composited on white; of several frames or pages the first counts (of a HEIF file, the primary one).
Colour profiles are not applied, so files that differ in nothing else have the same pixels.
"""

import hashlib
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image, ImageFile, TiffImagePlugin, WebPImagePlugin

from retrieval.content import is_indeterminate
from retrieval.errors import BadImage, PictureTooLarge
from retrieval.settings import InputSettings

# Importing a plug-in registers it; preinit does so for JPEG, PNG, GIF and BMP. AVIF goes before HEIF because only
# Pillow's AVIF reader tells the two apart in a file that starts with the brand they share.
PLUGINS = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)
Image.preinit()
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
ORDER = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")

MAGIC = 16  # bytes by which Pillow tells formats apart
# Ours is the only limit: it is judged before decoding too, and Pillow's own would overrule an operator's larger one.
Image.MAX_IMAGE_PIXELS = None

FOREIGN = {
    b"%PDF": "A PDF document",
    b"PK\x03\x04": "A ZIP archive",
    b"<": "An SVG, HTML or XML document",
    b"8BPS": "A Photoshop file",
    b"\x00\x00\x00\x0cJXL ": "A JPEG XL file",
    b"\xff\x0a": "A JPEG XL file",
    b"\x00\x00\x00\x0cjP": "A JPEG 2000 file",
    b"\x00\x00\x01\x00": "An icon file",
}
ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Every scan of a JPEG passes over the whole picture (45 ms for 50 megapixels), and an empty one takes a dozen bytes.
# Encoders make about ten.
MAX_SCANS = 100
SCAN, END = b"\xff\xda", b"\xff\xd9"
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # of a segment that has a length; END alone has none
TILE = (322, 323)  # TIFF tags: width and height of a tile
STRIP_PIXELS = 1 << 16  # stays in the processor's cache while it is hashed
QUIET = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif)\."), 0)


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture and what is remembered of its file."""

    image: Image.Image  # mode RGB, EXIF orientation applied
    sha256: str  # of the bytes as given
    width: int
    height: int
    format: str  # one of ORDER
    size: int  # bytes as given

    @cached_property
    def pixels_sha256(self) -> str:
        """Of "WIDTHxHEIGHT:" and the RGB bytes, row by row: the same for any lossless file of these pixels.

        Made when asked for, since it takes a millisecond for every megabyte of pixels.
        """
        return _pixels_sha256(self.image)

    @cached_property
    def indeterminate(self) -> bool:
        """Whether there is too little in it for its vector to say anything."""
        return is_indeterminate(self.image)


def decode(data: bytes, limits: InputSettings) -> Picture:
    """The picture in `data`, a whole file. Raises BadImage, and PictureTooLarge before anything large is allocated."""
    if not data:
        raise BadImage("The picture is empty (0 bytes); send the whole file.")
    if len(data) > limits.max_bytes:
        raise PictureTooLarge(f"The picture has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted.")
    _hush_pillow()
    opened = _open(data, limits)
    image = _load(opened)
    _check_pixels(image.size, limits.max_pixels)  # pillow_heif lets it differ from the header's
    name = "JPEG" if opened.format == "MPO" else str(opened.format)  # MPO: a phone's JPEG with more behind it
    return Picture(
        image=image,
        sha256=hashlib.sha256(data).hexdigest(),
        width=image.width,
        height=image.height,
        format=name,
        size=len(data),
    )


def _hush_pillow() -> None:
    """Keep Pillow's remarks on odd metadata out of the log, and from being errors where warnings are.

    A lasting filter, as catch_warnings would race with other threads; set here, as pytest resets filters for each test.
    """
    if QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=QUIET[3].pattern)


def _open(data: bytes, limits: InputSettings) -> ImageFile.ImageFile:
    """The file with its header read and found within the limits."""
    try:
        opened = Image.open(BytesIO(data), formats=[name for name in ORDER if name in limits.formats])
        tile = _tile(opened)
    except Exception as error:  # as in _load
        raise _refusal(data, limits.formats) from error
    _check_pixels(opened.size, limits.max_pixels)
    _check_pixels(tile, limits.max_pixels)
    if opened.format in ("JPEG", "MPO") and data.count(SCAN) > MAX_SCANS and _scans(data) > MAX_SCANS:
        raise BadImage(f"The JPEG file has more than {MAX_SCANS} scans; save it again with a common program.")
    return opened


def _scans(jpeg: bytes) -> int:
    """Scans of the first picture in the file, not of a thumbnail within or a film behind it; stops after MAX_SCANS."""
    scans = at = 0
    while scans <= MAX_SCANS and (marker := MARKER.search(jpeg, at)) and marker[0] != END:
        scans += marker[0] == SCAN
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2])
    return scans


def _refusal(data: bytes, formats: tuple[str, ...]) -> BadImage:
    """Says why the file could not be opened."""
    accepted = "send one of " + ", ".join(formats)
    found = next((name for name in ORDER if _begins_like(name, data[:MAGIC])), None)
    if found in formats:
        return BadImage(f"The {found} file is damaged or cut short; send the complete file.")
    if found:
        return BadImage(f"{found} pictures are not accepted here; {accepted}.")
    other = next((what for prefix, what in FOREIGN.items() if data.lstrip().startswith(prefix)), "This")
    return BadImage(f"{other} is not a picture in an accepted format; {accepted}.")


def begins_like_one_of(formats: Iterable[str], start: bytes) -> bool:
    """Whether a file that begins with `start`, at least its first MAGIC bytes, may be in one of `formats`."""
    return any(_begins_like(name, start) for name in formats)


def _begins_like(name: str, prefix: bytes) -> bool:
    accept: Any = Image.OPEN[name][1]
    return bool(accept(prefix))


def _check_pixels(size: tuple[int, int], limit: int) -> None:
    width, height = size
    if width * height > limit:
        raise PictureTooLarge(f"The picture is {width} x {height} pixels; at most {limit:,} in all are accepted.")


def _tile(opened: ImageFile.ImageFile) -> tuple[int, int]:
    """Size of a TIFF file's tiles: one is decoded as a whole, however small the picture cut from it."""
    tags: Any = getattr(opened, "tag_v2", {})
    width, height = (tags.get(tag, 0) for tag in TILE)
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)


def _load(opened: ImageFile.ImageFile) -> Image.Image:
    try:
        opened.load()
        image = _upright(_rgb(opened), _orientation(opened))
    # Pillow's decoders raise whatever their parsing ran into: OSError, SyntaxError, struct.error, zlib.error,
    # IndexError, OverflowError, MemoryError, ... All mean the same here, and no error of ours comes from this block.
    except Exception as error:
        raise BadImage(f"The {opened.format} file is damaged or cut short; send the complete file.") from error
    image.info = {}  # or a later reader of the EXIF would turn the picture once more
    return image


def _orientation(opened: ImageFile.ImageFile) -> int:
    """EXIF orientation, 1 where it is missing or cannot be read."""
    try:
        return int(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - broken metadata, in as many ways, must not cost a good picture
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    method = ORIENTATIONS.get(orientation)
    return image if method is None else image.transpose(method)


def _rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; itself, not a copy, where it is that already."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits -> L. Pillow's own conversion clips: everything from 256 up would be white."""
    values = np.asarray(image)
    if values.dtype.kind == "u":  # modes I;16, of either byte order
        grey = (values >> 8).astype(np.uint8)
        grey[values == image.info.get("transparency", -1)] = 255
    else:
        values = np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0).clip(min=0)
        grey = (values * (255 / _white(float(values.max())))).astype(np.uint8)
    return Image.fromarray(grey)


def _white(brightest: float) -> float:
    """What means white in a 32-bit file, which does not say: the end of the narrowest usual range that holds it all."""
    return next((white for white in (1.0, 255.0, 65535.0) if brightest <= white), brightest)


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)).convert("RGBA")
    canvas = Image.new("RGB", layer.size, "white")
    canvas.paste(layer, mask=layer.getchannel("A"))
    return canvas


def _pixels_sha256(image: Image.Image) -> str:
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    rows = max(1, STRIP_PIXELS // max(1, image.width))
    for top in range(0, image.height, rows):
        digest.update(image.crop((0, top, image.width, min(top + rows, image.height))).tobytes())
    return digest.hexdigest()
