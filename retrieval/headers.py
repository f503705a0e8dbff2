"""What of a file's structure is counted before any reader sees it: what costs time or memory out of all proportion."""

import re

import numpy as np

from retrieval.errors import BadImage

# Every scan of a JPEG passes over the whole picture (45 ms for 50 megapixels), and an empty one takes a dozen bytes.
# Encoders make about ten.
MAX_SCANS = 100
# Pillow keeps every segment and chunk, 150 bytes for one of 4, and takes 3 microseconds for it. A large colour profile
# or XMP block has some hundred.
MAX_SEGMENTS = 2_000
MAX_CHUNKS = 50_000  # of a PNG: a long animation has thousands
MAX_BLOCKS = 5_000  # of a GIF before its first frame, 255 bytes each: every one copies the comment that they make up
MAX_FILL = 200_000  # bytes between segments that say nothing; a JPEG has none, or some dozens
JPEG, PNG, GIF = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"
EXTENSION = 0x21
SCAN, END, FILL = b"\xff\xda", b"\xff\xd9", 0xFF
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # of a segment that has a length; END alone has none
ADVICE = "save it again with a common program"


def check_header(data: bytes) -> None:
    """Raises BadImage where a JPEG, PNG or GIF has more parts than any picture needs."""
    if data.startswith(JPEG):
        _check_jpeg(data)
    elif data.startswith(PNG) and _chunks(data) > MAX_CHUNKS:
        raise BadImage(f"The PNG file has more than {MAX_CHUNKS:,} chunks; {ADVICE}.")
    elif data.startswith(GIF) and _blocks(data) > MAX_BLOCKS:
        raise BadImage(f"The GIF file has more than {MAX_BLOCKS:,} blocks before its first frame; {ADVICE}.")


def _check_jpeg(jpeg: bytes) -> None:
    """Of the first picture in the file, not of a thumbnail within or a film behind it."""
    values = np.frombuffer(jpeg, np.uint8)  # bytes.count takes five times as long
    after = values[1:][values[:-1] == FILL]
    if np.count_nonzero(after == FILL) > MAX_FILL:
        raise BadImage(f"The JPEG file has more than {MAX_FILL:,} fill bytes; {ADVICE}.")
    segments = scans = at = 0
    # Then there is no need to walk through the picture itself.
    all_scans = np.count_nonzero(after == SCAN[1]) <= MAX_SCANS
    while (marker := MARKER.search(jpeg, at)) and marker[0] != END:
        scans += marker[0] == SCAN
        segments += not scans
        if scans and all_scans:
            return
        if scans > MAX_SCANS:
            raise BadImage(f"The JPEG file has more than {MAX_SCANS} scans; {ADVICE}.")
        if segments > MAX_SEGMENTS:
            raise BadImage(f"The JPEG file has more than {MAX_SEGMENTS:,} segments before its picture; {ADVICE}.")
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2])


def _chunks(png: bytes) -> int:
    """Stops after MAX_CHUNKS."""
    chunks, at = 0, len(PNG)
    while chunks <= MAX_CHUNKS and at < len(png):
        chunks += 1
        at += 12 + int.from_bytes(png[at : at + 4])
    return chunks


def _blocks(gif: bytes) -> int:
    """Of extensions before the first frame; stops after MAX_BLOCKS."""
    blocks, at = 0, 13
    if len(gif) > at and gif[10] & 0x80:
        at += 3 << (gif[10] & 7) + 1  # the palette
    while blocks <= MAX_BLOCKS and at < len(gif) and gif[at] == EXTENSION:
        at += 2
        while blocks <= MAX_BLOCKS and at < len(gif) and gif[at]:
            blocks += 1
            at += 1 + gif[at]
        at += 1
        blocks += 1
    return blocks


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height that a WebP file announces, for which its reader makes room as it opens it; 0 of other files."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return (0, 0)
    if data[12:16] == b"VP8X":
        return (1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if data[12:16] == b"VP8L":
        sides = int.from_bytes(data[21:25], "little")
        return (1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF))
    sides = int.from_bytes(data[26:30], "little")
    return (sides & 0x3FFF, sides >> 16 & 0x3FFF)
