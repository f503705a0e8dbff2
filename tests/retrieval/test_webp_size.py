"""What a WebP file announces is known before its reader, which believes it, sees the file."""

from io import BytesIO

import pytest
from PIL import Image

from retrieval.decoding import Bounds, OpenFile
from retrieval.errors import PictureTooLarge
from retrieval.headers import webp_size
from tests.corpus import encoded, photo
from tests.malformed import webp

SIZES = [(1, 1), (1, 300), (301, 7), (640, 480)]


def animated(size: tuple[int, int]) -> bytes:
    frames = [Image.new("RGB", size, colour) for colour in ("red", "green")]
    file = BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_it_is_what_the_reader_finds(size: tuple[int, int]) -> None:
    picture = photo(1, size)
    clear = picture.convert("RGBA")
    clear.putalpha(100)
    for data in (
        encoded(picture, "WEBP"),
        encoded(picture, "WEBP", lossless=True),
        encoded(clear, "WEBP"),
        encoded(clear, "WEBP", lossless=True),
        encoded(picture, "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0"),
        animated(size),
    ):
        assert webp_size(data) == Image.open(BytesIO(data)).size == size


@pytest.mark.parametrize("data", [b"", b"RIFF", b"\xff\xd8\xff" + bytes(40), encoded(photo(1), "PNG")])
def test_other_files_announce_nothing(data: bytes) -> None:
    assert webp_size(data) == (0, 0)


@pytest.mark.parametrize("kind", [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"\0\0\0\0"])
@pytest.mark.parametrize("length", range(12, 34))
def test_half_a_header_is_no_reason_to_fail(kind: bytes, length: int) -> None:
    data = (b"RIFF" + bytes(4) + b"WEBP" + kind + b"\xff" * 20)[:length]
    assert min(webp_size(data)) >= 0


def test_what_announces_too_much_is_told_so_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(PictureTooLarge, match="16384 x 16384"):
        OpenFile(webp(16384), Bounds(("WEBP",), 50_000_000, 10))
