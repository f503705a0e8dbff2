"""Makers of malformed files: what no encoder would write."""

import base64
import struct
import zlib

from PIL import Image

from tests.corpus import chunk, encoded, png

RED = Image.new("RGB", (64, 48), "red")
# 12,000 x 12,000 red pixels; making them takes ten seconds.
RED_AVIF = (
    b"c-muNU{FXasVqn=%S>Yc0uY^>nP!-qnV9D5Xy^nKdYzkElE?r7iWw<6MNl?FL1uCZ0~+8f$SlbPvlxL`E;A=T8N_h`@fjhajKT~IY;{1kMrL"
    b"MS8eFXukdw*;<t3IG7&_<Y<b&<X$}A`<0Mg!>1<Cn9S|qc$AQfVr-UA3`5Gcs3$OMTnb8v6~DW1eKL+3_$9*~f5a(+%xUUE(a&}3c)wg#Y(c"
    b"xFK^%uhgvu`n_<vjAPymYb4TBE-POE&o05{_fgEOj5iYMsIio_>Q-?M&AGb|Izsa3=ApfPiY>X#&5AeuTk>x)S3hZr}n<`d$S^V|4zC*c|Eh"
    b"Hr{gX^(I&<t#Tx#SE|-ID&RhDMk>g!hu)q8A`A4p0F;6-Ds>wO$sHNu3EwYPN%T&KVbU=q`L#{*q$wi7Qp4{Hqv?r}}_qvg6%lxakNm4uuB`"
    b"%6aC5rOhziy<-C%U|P)vFZ8zmK1vH_eWJbwsaZQwaaoiGDA_B^Fzk?>63jp<py#M&o5PUItmbTo_Ka&>>nb0|5K@P7e"
)


def small(name: str, **options: object) -> bytes:
    return encoded(RED, name, **options)


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def tiff(tags: dict[int, tuple[int, int, int]], body: bytes = b"", next_at: int = 0) -> bytes:
    """A little-endian TIFF: tag -> (type, count, value or offset); `body` comes behind the directory."""
    entries = b"".join(struct.pack("<HHII", tag, *value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_at) + body


def plain_tiff(width: int = 8, height: int = 8, **more: tuple[int, int, int]) -> dict[int, tuple[int, int, int]]:
    """The tags of a grey picture; `more` are named t256 and so on."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 64}
    return {tag: (4, 1, value) for tag, value in tags.items()} | {int(tag[1:]): value for tag, value in more.items()}


def tiff_of_data(entries: int) -> bytes:
    """Every tag claims the same megabyte."""
    tags = plain_tiff() | dict.fromkeys(range(40000, 40000 + entries), (7, 1 << 20, 8))
    return tiff(tags, bytes(1 << 20))


def gif(width: int, height: int, blocks: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + blocks + b";"


def gif_frame(width: int, height: int, data: bytes = b"\x02\x02\x44\x01\x00") -> bytes:
    return b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + data


def webp(canvas: int, *chunks: bytes) -> bytes:
    """An animated WebP with a canvas of so many pixels a side."""
    side = struct.pack("<I", canvas - 1)[:3]
    body = b"WEBP" + riff(b"VP8X", b"\x02\0\0\0" + side * 2) + riff(b"ANIM", bytes(6)) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def derived(kind: bytes, image: bytes, size: tuple[int, int], sources: tuple[int, ...]) -> bytes:
    """A HEIF whose only item, number 1, is derived from `sources`."""
    meta = box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", bytes(4), b"\0\1"),
        box(b"iinf", bytes(4), b"\0\1", box(b"infe", b"\2\0\0\0", b"\0\1\0\0", kind, b"\0")),
        box(b"iref", bytes(4), box(b"dimg", struct.pack(f">HH{len(sources)}H", 1, len(sources), *sources))),
        box(
            b"iprp",
            box(b"ipco", box(b"ispe", bytes(4), struct.pack(">II", *size))),
            box(b"ipma", bytes(4), b"\0\0\0\1\0\1\1\1"),
        ),
        box(b"iloc", b"\1\0\0\0\x44\0\0\1", b"\0\1\0\1\0\0\0\1", struct.pack(">II", 0, len(image))),
        box(b"idat", image),
    )
    return box(b"ftyp", b"heic\0\0\0\0heicmif1") + meta


def grid(rows: int, columns: int, width: int, height: int) -> bytes:
    return struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)


def claiming(name: str, side: int) -> bytes:
    """A small AVIF or HEIF that says it is side x side."""
    data = small(name)
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", side, side) + data[at + 8 :]


def understated() -> bytes:
    """An AVIF of 12,000 x 12,000 that says it is 64 x 64: libavif would decode it all and scale it down."""
    data = zlib.decompress(base64.b85decode(RED_AVIF))
    return replaced(data, struct.pack(">II", 12_000, 12_000), struct.pack(">II", 64, 64))


def zipped(kind: bytes, prefix: bytes, size: int) -> bytes:
    return png((1, 1), 8, 0, b"\0\0", chunk(kind, prefix + zlib.compress(bytes(size), 9)))


def jpeg_with(*segments: bytes) -> bytes:
    jpeg = small("JPEG")
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def bmp(size: tuple[int, int], depth: int, compression: int, pixels: bytes, header: int = 40) -> bytes:
    info = struct.pack("<IiiHHIIiiII", header, *size, 1, depth, compression, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + info + pixels


def exif_of_data() -> bytes:
    """Every tag claims the whole block."""
    entries = b"".join(struct.pack(">HHII", 0x9000 + each, 7, 60_000, 8) for each in range(4_000))
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 4_000) + entries


def dimensions(data: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its frame header."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]
