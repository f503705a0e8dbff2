"""What pages say of files: paths, sizes and moments, for people, and paths as URLs, for browsers.

A path is as `os.fsdecode` gives it; what cannot be shown in one (control characters, bytes that are not UTF-8, marks
that turn the direction of writing) is shown as an escape, so that no name looks like another.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote, urlsplit

JOINERS = "\u200c\u200d"  # invisible, and yet a part of Persian words and of many emoji
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def printable(text: str) -> str:
    """`text` with an escape for every character that does not show, which makes it one of UTF-8."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in JOINERS else _escape(each) for each in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def name(path: str) -> str:
    """The last part of a path, printable."""
    return printable(path.rpartition("/")[2] or path)


def folder(path: str) -> str:
    """What is before the last part of a path, printable."""
    return printable(path.rpartition("/")[0] or "/")


def file_url(path: str) -> str:
    """`file://` URL of an absolute path, in ASCII, by the very bytes of its name."""
    return "file://" + quote(raw(path))


def raw(path: str) -> bytes:
    """The bytes of a path, also of one that no file can have."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogatepass")


def web_url(source: str) -> str | None:
    """`source` where it is a web address that can be linked to safely, in ASCII."""
    try:
        parts = urlsplit(source)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    return quote(source.encode("utf-8", "surrogatepass"), safe="!#$%&'()*+,/:;=?@[]~")


def size(count: int) -> str:
    """Bytes, in the largest unit that leaves at least 1 before the point: 999 bytes, 1.5 MB."""
    value, unit = float(count), UNITS[0]
    for unit in UNITS:  # the last one holds whatever is left
        if value < 999.95 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{count:,} {unit}" if unit == UNITS[0] else f"{value:,.1f} {unit}"


def moment(mtime_ns: int) -> str:
    """A file's time in the local zone, to the minute; empty where no calendar has it."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def number(count: int) -> str:
    """With commas: 10,000."""
    return f"{count:,}"


def several(count: int, what: str, more: str = "") -> str:
    """1 copy, 2 copies: `more` is the plural where it takes more than an s."""
    return f"{count:,} {what if count == 1 else more or what + 's'}"


def facts(picture: object) -> Iterator[str]:
    """Dimensions, format, size and date of a picture, as far as they are known."""
    width, height = getattr(picture, "width", None), getattr(picture, "height", None)
    if width and height:
        yield f"{width:,} × {height:,}"
    if kind := getattr(picture, "format", None):
        yield printable(kind)
    if (count := getattr(picture, "size", None)) is not None:
        yield size(count)
    if (changed := getattr(picture, "mtime_ns", None)) is not None and (when := moment(changed)):
        yield when
