"""What a picture file says besides its pixels: when, where and with what it was taken; and whether it moves."""

import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

MOST = 200  # characters of a value
BLOB = 1 << 20
HEADER = b"Exif\0\0"
ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # how TIFF's header begins, and what it says of numbers
NO_OFFSET = bytes(4)  # between the beginning of an item and TIFF's header, in AVIF
MAIN = ("ImageDescription", "Make", "Model", "Artist", "Copyright")
TAKEN = ("DateTimeOriginal", "LensModel")


def facts_of(data: bytes, form: str) -> dict[str, str]:
    """EXIF's date, place, camera, description and rights, by their names there; nothing of what is damaged.

    `form` is Pillow's name of the format.
    """
    blob = _blob(data, form)
    if not blob:
        return {}
    try:
        return _read(blob)
    except Exception:  # noqa: BLE001  # Pillow raises whatever its parsing ran into
        return {}


def moves(data: bytes, form: str) -> bool:
    """Whether there are frames or pages behind the first, which is all that is compared."""
    tests: dict[str, Callable[[bytes], bool]] = {
        "GIF": lambda data: sum(1 for _ in islice(_gif_frames(data), 2)) > 1,
        "PNG": lambda data: b"acTL" in data[: 1 << 16],
        "WEBP": lambda data: b"ANIM" in data[:64],
        "TIFF": _has_pages,
    }
    return form in tests and tests[form](data)


def _blob(data: bytes, form: str) -> bytes:
    """The part of a file that is EXIF, beginning with TIFF's header."""
    if form == "TIFF":
        return data
    if form in ("PNG", "WEBP"):
        return _chunk(data, form)
    places = [data.find(before + order) + len(before) for before in (HEADER, NO_OFFSET) for order in ORDERS]
    found = next((place for place in places if data[place : place + 4] in ORDERS), None)
    return b"" if found is None else data[found : found + BLOB]


def _chunk(data: bytes, form: str) -> bytes:
    name, before, order = (b"eXIf", 4, ">I") if form == "PNG" else (b"EXIF", -4, "<I")
    place = data.find(name)
    length = data[place - 4 : place] if before > 0 else data[place + 4 : place + 8]
    if place < 4 or len(length) < 4:
        return b""
    start = place + (4 if before > 0 else 8)
    return data[start : start + min(struct.unpack(order, length)[0], BLOB)].removeprefix(HEADER)


def _read(blob: bytes) -> dict[str, str]:
    exif = Image.Exif()
    exif.load(blob)
    taken = exif.get_ifd(IFD.Exif)
    found = {name: _text(exif.get(Base[name])) for name in MAIN}
    found |= {name: _text(taken.get(Base[name])) for name in TAKEN}
    found["GPS"] = _place(exif.get_ifd(IFD.GPSInfo))
    return {name: value for name, value in found.items() if value}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return "".join(each for each in value if each.isprintable()).strip()[:MOST]


def _place(gps: dict[int, Any]) -> str:
    """Degrees north and east, such as "59.32930, 18.06860"."""
    try:
        north = _degrees(gps[GPS.GPSLatitude]) * (-1 if gps.get(GPS.GPSLatitudeRef) == "S" else 1)
        east = _degrees(gps[GPS.GPSLongitude]) * (-1 if gps.get(GPS.GPSLongitudeRef) == "W" else 1)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return ""
    return f"{north:.5f}, {east:.5f}"


def _degrees(parts: Any) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    return degrees + minutes / 60 + seconds / 3600


def _has_pages(data: bytes) -> bool:
    """Whether a TIFF's first directory names a next one."""
    order = ORDERS.get(data[:4])
    if order is None:
        return False
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        (following,) = struct.unpack_from(f"{order}I", data, start + 2 + 12 * count)
    except struct.error:
        return False
    return bool(following)


def _gif_frames(data: bytes) -> Iterator[int]:
    """Where each frame begins; the last that can be followed if the file is damaged."""
    place = 13 + _palette(data, 10)
    while data[place : place + 1] in (b"!", b","):
        if data[place : place + 1] == b",":
            yield place
            place += 11 + _palette(data, place + 9)
        else:
            place += 2
        while length := (data[place] if place < len(data) else 0):
            place += 1 + length
        place += 1


def _palette(data: bytes, place: int) -> int:
    """Bytes of the palette that the flags at `place` announce."""
    flags = data[place] if place < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
