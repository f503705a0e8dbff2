"""Thumbnails of good, odd and hostile files."""

import hashlib
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from reports.thumbnails import SIDE, CallSource, FileSource, NoPicture, Source, first_of, thumbnail
from tests.corpus import FORMATS, bad_pictures, encoded, exif, photo
from tests.hostile import FILES, Hostile
from tests.reports.plans import LIMITS


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    assert image.format == "JPEG"
    return image.convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean of all channels, 0 to 255."""
    return float(np.asarray(ImageChops.difference(one, other.resize(one.size))).mean())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_small_picture(name: str) -> None:
    image = photo(1, (640, 480))
    made = opened(thumbnail(encoded(image, name, **FORMATS[name]), LIMITS))
    assert made.size == (SIDE, SIDE * 3 // 4)
    assert difference(made, image) < (12 if name == "GIF" else 6)


def test_a_jpeg_that_is_decoded_at_a_fraction_looks_the_same() -> None:
    large = photo(2, (1600, 1200))
    made = opened(thumbnail(encoded(large, "JPEG", quality=92), LIMITS))
    assert difference(made, opened(thumbnail(encoded(large, "PNG"), LIMITS))) < 3


def test_it_is_turned_as_its_exif_says() -> None:
    lying = photo(3, (320, 240))
    made = opened(thumbnail(encoded(lying, "JPEG", exif=exif(6)), LIMITS))
    assert made.width < made.height
    assert difference(made, lying.transpose(Image.Transpose.ROTATE_270)) < 6


def test_what_is_transparent_is_white() -> None:
    made = opened(thumbnail(encoded(Image.new("RGBA", (50, 50), (200, 0, 0, 0)), "PNG"), LIMITS))
    assert min(low for low, _ in made.getextrema()) > 250


def test_a_small_picture_is_not_enlarged_and_a_strip_keeps_a_row() -> None:
    assert opened(thumbnail(encoded(photo(1, (40, 30)), "PNG"), LIMITS)).size == (40, 30)
    assert opened(thumbnail(encoded(Image.new("RGB", (5000, 2)), "PNG"), LIMITS)).size == (SIDE, 1)


@pytest.mark.parametrize("name", bad_pictures())
def test_a_broken_file_gives_a_reason(name: str) -> None:
    with pytest.raises(NoPicture, match=r"\.$"):
        first_of((CallSource(lambda: bad_pictures()[name]),), LIMITS)


@pytest.mark.slow
@pytest.mark.parametrize("hostile", FILES, ids=[each.attack for each in FILES])
def test_a_hostile_file_gives_a_thumbnail_or_a_reason(hostile: Hostile) -> None:
    source = CallSource(hostile.make)
    if hostile.answer == "picture":
        assert opened(first_of((source,), LIMITS))
    else:
        with pytest.raises(NoPicture):
            first_of((source,), LIMITS)


def file_source(path: Path, data: bytes) -> FileSource:
    path.write_bytes(data)
    return FileSource(str(path), hashlib.sha256(data).hexdigest())


def test_a_file_that_has_changed_since_is_not_shown(tmp_path: Path) -> None:
    source = file_source(tmp_path / "a.png", encoded(photo(1), "PNG"))
    assert first_of((source,), LIMITS)
    (tmp_path / "a.png").write_bytes(encoded(photo(2), "PNG"))
    with pytest.raises(NoPicture, match="changed"):
        first_of((source,), LIMITS)


def test_where_one_file_is_gone_another_will_do(tmp_path: Path) -> None:
    gone = FileSource(str(tmp_path / "gone.png"))
    there = file_source(tmp_path / "there.png", encoded(photo(1), "PNG"))
    assert first_of((gone, there), LIMITS) == first_of((there,), LIMITS)


def absent(folder: Path) -> dict[str, Source]:
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    return {
        "No such file": FileSource(str(folder / "gone")),
        "no longer a file": FileSource(str(folder / "pipe")),
        "symbolic links": FileSource(str(folder / "loop")),
        "Is a directory|no longer a file": FileSource(str(folder / "folder")),
        "File name too long": FileSource(str(folder / ("x" * 300))),
        "No file can have this name": FileSource("/\ud800"),
        "No picture of it is kept": CallSource(lambda: None),
        "cannot be read": CallSource(unreachable),
    }


def unreachable() -> bytes:
    raise ConnectionRefusedError(111, "Connection refused")


def test_whatever_cannot_be_read_gives_a_reason(tmp_path: Path) -> None:
    for reason, source in absent(tmp_path).items():
        with pytest.raises(NoPicture, match=reason):
            first_of((source,), LIMITS)
    with pytest.raises(NoPicture, match="known"):
        first_of((), LIMITS)


def test_a_file_of_too_many_bytes_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte with nothing in it
    with pytest.raises(NoPicture, match="more than"):
        first_of((FileSource(str(tmp_path / "huge")),), LIMITS)
