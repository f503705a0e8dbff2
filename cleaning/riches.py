"""What a picture file holds beyond what is compared: more bits, transparency, a film behind it, a colour profile.

Pictures are compared in 8 bits, on white, by their first frame, and without their profiles (retrieval/pixels.py).
"""

import hashlib
import re
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

HEAD = 1 << 20  # bytes in which the facts about a HEIF or AVIF file, and a profile, are looked for
LEAST_BEHIND = 8 << 10  # bytes; less than that behind a JPEG is a maker's note
BITS, SAMPLES = 258, 338  # TIFF tags: bits of each channel, and what further channels mean
ALPHAS = (1, 2)  # of SAMPLES: associated and unassociated
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # what ends a JPEG's compressed data
CHANNELS = re.compile(rb"pixi\0{4}([\x01-\x04])(.{4})", re.DOTALL)
ALPHA_ITEMS = (b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
SIGNATURE, SIGNATURE_AT = b"acsp", 36  # in an ICC profile
MOST_PROFILE = 4 << 20


@dataclass(frozen=True, slots=True)
class Riches:
    """bits: of the channel that has most. alpha: whether something may be transparent.

    behind: SHA-256, in hex, of what stands behind the picture, such as a motion photo's film; empty without it.
    profile: name of its ICC profile; empty without one, and for sRGB.
    """

    bits: int = 8
    alpha: bool = False
    behind: str = ""
    profile: str = ""


PLAIN = Riches()


def riches_of(data: bytes, form: str) -> Riches:
    """Of a file that could be decoded; `form` is Pillow's name of the format."""
    tags = _tags(data) if form == "TIFF" else {}
    behind = _behind(data, form)
    return Riches(
        bits=_bits(data, form, tags),
        alpha=_alpha(data, form, tags),
        behind=hashlib.sha256(behind).hexdigest() if behind else "",
        profile=_profile(data, form),
    )


def _tags(data: bytes) -> dict[int, tuple[int, ...]]:
    try:
        exif = Image.Exif()
        exif.load(data)
        found = {tag: exif.get(tag) for tag in (BITS, SAMPLES)}
    except Exception:  # noqa: BLE001  # Pillow raises whatever its parsing ran into
        return {}
    values = {tag: value if isinstance(value, tuple) else (value,) for tag, value in found.items()}
    return {tag: tuple(each for each in value if isinstance(each, int)) for tag, value in values.items()}


def _bits(data: bytes, form: str, tags: dict[int, tuple[int, ...]]) -> int:
    if form == "PNG":
        return max(8, data[24])
    if form in ("HEIF", "AVIF"):
        found = [bits for match in CHANNELS.finditer(data[:HEAD]) for bits in match[2][: match[1][0]]]
        return max((bits for bits in found if bits in (10, 12, 16)), default=8)
    return max(8, *tags.get(BITS, ()), 0)


def _alpha(data: bytes, form: str, tags: dict[int, tuple[int, ...]]) -> bool:
    """By the pixels where that is safe in this process, by the header elsewhere."""
    if form in ("PNG", "GIF"):
        return _shows_through(data, form)
    if form == "WEBP":
        return (data[12:16] == b"VP8X" and bool(data[20] & 0x10)) or (data[12:16] == b"VP8L" and bool(data[24] & 0x10))
    if form in ("HEIF", "AVIF"):
        return any(name in data[:HEAD] for name in ALPHA_ITEMS)
    return any(each in ALPHAS for each in tags.get(SAMPLES, ()))


def _shows_through(data: bytes, form: str) -> bool:
    if form == "PNG" and data[25] not in (4, 6) and b"tRNS" not in data[:HEAD]:
        return False
    try:
        with Image.open(BytesIO(data), formats=[form]) as image:
            if not image.has_transparency_data:
                return False
            return any(image.convert("RGBA").getchannel("A").histogram()[:255])
    except Exception:  # noqa: BLE001  # as above; what is not known is not given up
        return True


def _behind(data: bytes, form: str) -> bytes:
    if form == "JPEG":
        rest = data[_jpeg_end(data) :]
        return rest if len(rest.strip(b"\0")) >= LEAST_BEHIND else b""
    return _film_box(data) if form == "HEIF" else b""


def _jpeg_end(data: bytes) -> int:
    """Behind the first picture in the file; the file's end where it is cut short."""
    place = 2
    while found := MARKER.search(data, place):
        if data[found.start() + 1] == 0xD9:
            return found.end()
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return len(data)


def _film_box(data: bytes) -> bytes:
    """What the box of motion photos in HEIC files holds."""
    place = 0
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        if name == b"mpvd":
            return data[place + 8 : place + size if size > 8 else len(data)]
        if size == 1 and place + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, place + 8)
        if size < 8:
            break
        place += size
    return b""


def _profile(data: bytes, form: str) -> str:
    part = _png_profile(data) if form == "PNG" else data if form == "TIFF" else data[:HEAD]
    start = part.find(SIGNATURE) - SIGNATURE_AT
    if start < 0:
        return ""
    profile = part[start : start + min(int.from_bytes(part[start : start + 4], "big"), MOST_PROFILE)]
    name = _described(profile) or "unnamed"
    return "" if "srgb" in name.lower() else name


def _png_profile(data: bytes) -> bytes:
    place = data[:HEAD].find(b"iCCP")
    if place < 4:
        return b""
    chunk = data[place + 4 : place + 4 + int.from_bytes(data[place - 4 : place], "big")]
    try:
        return zlib.decompressobj().decompress(chunk[chunk.find(b"\0") + 2 :], MOST_PROFILE)
    except zlib.error:
        return b""


def _described(profile: bytes) -> str:
    """The profile's name, of versions 2 (ASCII) and 4 (UTF-16)."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        entries = (struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(min(count, 100)))
        start, size = next((start, size) for name, start, size in entries if name == b"desc")
        tag = profile[start : start + min(size, 4096)]
        if tag[:4] == b"desc":
            text = tag[12 : 12 + struct.unpack_from(">I", tag, 8)[0]].decode("ascii", "replace")
        else:
            length, place = struct.unpack_from(">II", tag, 20)
            text = tag[place : place + length].decode("utf-16-be", "replace")
    except (struct.error, StopIteration):
        return ""
    return "".join(each for each in text if each.isprintable()).strip()[:200]
