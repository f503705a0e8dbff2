"""Which file stays, by which rule; and what EXIF says."""

import io
from typing import Any

import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from cleaning.cache import Content
from cleaning.companions import NOTHING, Beside, Unit
from cleaning.keeping import DEFAULT, MEANINGS, RULES, Candidate, Keep
from cleaning.metadata import facts_of, moves
from cleaning.scan import Found
from tests.cleaning.drawn import drawn


def candidate(
    path: str = "/a.jpg", protected: bool = False, folder: int = 0, apart: int = 0, **facts: Any
) -> Candidate:
    usual = {"size": 10, "mtime_ns": 5, "unit": NOTHING, "width": 4, "height": 4, "format": "JPEG", "metadata": ()}
    all_ = usual | facts
    file = Found(path, all_["size"], all_["mtime_ns"], 1, 2, 1, all_["unit"])
    shown = {name: all_[name] for name in ("width", "height", "format", "metadata")}
    return Candidate(file, Content("p", indeterminate=False, **shown), folder, protected, apart)


BETTER = {
    "closest": (candidate(apart=0), candidate(apart=1)),
    "metadata": (candidate(unit=Unit((Beside("a.xmp", "sidecar"),))), candidate()),
    "largest-resolution": (candidate(width=5), candidate()),
    "best-format": (candidate(format="PNG"), candidate()),
    "biggest-file": (candidate(size=11), candidate()),
    "smallest-file": (candidate(size=9), candidate()),
    "oldest": (candidate(mtime_ns=4), candidate()),
    "newest": (candidate(mtime_ns=6), candidate()),
    "shortest-path": (candidate("/z.jpg"), candidate("/a copy.jpg")),
    "longest-path": (candidate("/z copy.jpg"), candidate("/a.jpg")),
    "first-folder": (candidate(folder=0), candidate(folder=1)),
}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_decides_alone_and_is_named(name: str) -> None:
    better, worse = BETTER[name]
    keep = Keep.parse(name)
    assert keep.best([worse, better]) is better
    assert keep.reason(better, [worse]) == name
    assert MEANINGS[name]


def test_the_first_rule_that_tells_them_apart_decides() -> None:
    large, old = candidate(width=5, mtime_ns=9), candidate(mtime_ns=1)
    assert Keep.parse("largest-resolution,oldest").best([large, old]) is large
    assert Keep.parse("oldest,largest-resolution").best([large, old]) is old
    assert Keep.parse("best-format,oldest").reason(old, [large]) == "oldest"


def test_what_is_protected_goes_before_all_rules() -> None:
    poor = candidate(protected=True)
    keep = Keep.parse(DEFAULT)
    assert keep.best([candidate(width=9), poor]) is poor
    assert keep.reason(poor, [candidate(width=9)]) == "protected"


def test_what_rules_leave_equal_is_decided_by_path() -> None:
    keep = Keep.parse("oldest")
    assert keep.best([candidate("/b"), candidate("/a")]).file.path == "/a"
    assert keep.reason(candidate("/a"), [candidate("/b")]) == "path"


@pytest.mark.parametrize("text", ["", "largest", "oldest,oldest", "oldest,,newest"])
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="rule"):
        Keep.parse(text)


def with_exif(form: str, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[Base.Make] = "Leica\0"
    exif[Base.ImageDescription] = "a lake\n"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2019:07:01 10:00:00"
    gps = exif.get_ifd(IFD.GPSInfo)
    gps[GPS.GPSLatitudeRef], gps[GPS.GPSLatitude] = "S", (59.0, 30.0, 0.0)
    gps[GPS.GPSLongitudeRef], gps[GPS.GPSLongitude] = "E", (18.0, 15.0, 36.0)
    out = io.BytesIO()
    drawn(1).save(out, form, exif=exif.tobytes(), **options)
    return out.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_what_exif_says(form: str) -> None:
    assert facts_of(with_exif(form), form) == {
        "Make": "Leica",
        "ImageDescription": "a lake",
        "DateTimeOriginal": "2019:07:01 10:00:00",
        "GPS": "-59.50000, 18.26000",
    }


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_damaged_exif_says_nothing_and_raises_nothing(form: str) -> None:
    data = with_exif(form)
    for place in range(0, len(data), 7):
        harmed = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
        assert isinstance(facts_of(harmed, form), dict)
        assert isinstance(facts_of(data[:place], form), dict)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_what_has_several_frames_moves(form: str) -> None:
    one, several = io.BytesIO(), io.BytesIO()
    drawn(1).save(one, form)
    drawn(1).save(several, form, save_all=True, append_images=[drawn(2)])
    assert not moves(one.getvalue(), form)
    assert moves(several.getvalue(), form)
