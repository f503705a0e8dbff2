import io
import resource
import struct
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from retrieval.errors import BadImage, InputError, PictureTooLarge
from retrieval.picture import decode
from retrieval.settings import load_settings
from tests.corpus import FORMATS, LOSSLESS, bad_pictures, chunk, encoded, exif, huge_png, many_scans, photo, png

LIMITS = load_settings(environ={"-": ""}).input
SMALL = photo(2, (64, 48))
TURNED = {  # how a picture must be stored so that the orientation makes it upright again
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# What Pillow can store of each mode; the picture must come back as the mode itself shows it.
MODES = [
    ("L", "PNG"),
    ("1", "PNG"),
    ("P", "PNG"),
    ("P", "GIF"),
    ("P", "BMP"),
    ("CMYK", "TIFF"),
    ("CMYK", "JPEG"),
    ("YCbCr", "TIFF"),
    ("LAB", "TIFF"),
    ("RGBX", "TIFF"),
]

BROKEN_EXIF = {
    "no header": b"\xff" * 40,
    "nothing": b"",
    "beyond the end": b"II*\0\xff\xff\xff\xff",
    "endless": b"II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0\xff\xff\xff\xff\x12\x01",
    "orientation 9": exif(9)[6:],
    "orientation in words": exif(6)[6:].replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x02"),
    "orientation as a fraction": exif(6)[6:].replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x05"),
}


def with_exif(name, block):
    """A file of that format with a broken EXIF block; writers refuse most, so a good one is overwritten."""
    if name == "PNG":
        data = encoded(SMALL, name)
        return data[:33] + chunk(b"eXIf", block) + data[33:]
    good = Image.Exif()
    good[ExifTags.Base.Software] = "x" * 40
    data = encoded(SMALL, name, exif=good.tobytes(), **FORMATS[name])
    whole = good.tobytes()[6:]
    assert whole in data
    return data.replace(whole, block.ljust(len(whole), b"\0"))


def changed(**values):
    return LIMITS.model_copy(update=values)


def difference(one, other):
    """Mean absolute difference of two pictures, in grey levels."""
    assert one.size == other.size
    return float(np.abs(np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)).mean())


def colours(picture):
    return [picture.image.getpixel((x, 0)) for x in range(picture.width)]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_out_as_the_same_rgb_picture(name):
    original = photo(1)
    data = encoded(original, name, **FORMATS[name])
    picture = decode(data, LIMITS)
    assert (picture.format, picture.width, picture.height, picture.size) == (name, 320, 240, len(data))
    assert picture.image.mode == "RGB"
    assert picture.sha256 == sha256(data).hexdigest()
    assert difference(picture.image, original) < (0.001 if name in LOSSLESS else 12)
    assert difference(picture.image, photo(2)) > 25


def test_lossless_files_of_one_picture_share_the_digest_of_pixels_only():
    pictures = [decode(encoded(SMALL, name, **options), LIMITS) for name, options in LOSSLESS.items()]
    expected = sha256(b"64x48:" + SMALL.tobytes()).hexdigest()
    assert {picture.pixels_sha256 for picture in pictures} == {expected}
    assert len({picture.sha256 for picture in pictures}) == len(LOSSLESS)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (300, 700), (65_535, 3)])
def test_digest_of_pixels_covers_every_row_and_the_shape(size):
    image = photo(3, size)
    picture = decode(encoded(image, "PNG"), LIMITS)
    assert picture.pixels_sha256 == sha256(b"%dx%d:" % size + image.tobytes()).hexdigest()
    turned = image.transpose(Image.Transpose.ROTATE_90)
    assert size == (1, 1) or decode(encoded(turned, "PNG"), LIMITS).pixels_sha256 != picture.pixels_sha256


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_pictures_are_upright(name, orientation):
    method = TURNED[orientation]
    options = FORMATS[name] | ({"quality": -1, "chroma": 444} if name == "HEIF" else {})
    stored = SMALL if method is None else SMALL.transpose(method)
    picture = decode(encoded(stored, name, exif=exif(orientation), **options), LIMITS)
    assert (picture.width, picture.height) == SMALL.size
    assert difference(picture.image, SMALL) < 10
    assert difference(ImageOps.exif_transpose(picture.image), SMALL) < 10


@pytest.mark.parametrize(("mode", "name"), MODES)
def test_every_mode_becomes_the_rgb_it_shows(mode, name):
    stored = SMALL.convert(mode)
    picture = decode(encoded(stored, name), LIMITS)
    assert difference(picture.image, stored) < (6 if name == "JPEG" else 1)


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_red_stays_red(name):
    picture = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), name), LIMITS)
    assert min(colours(picture)) >= (250, 0, 0)
    assert max(max(colour[1:]) for colour in colours(picture)) < 6


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF I", "TIFF F", "TIFF F to 65535"])
def test_sixteen_bit_ramp_keeps_its_shape(kind):
    ramp = np.tile(np.linspace(0, 65535, 256).round(), (4, 1))
    values = {
        "TIFF I": ramp.astype(np.int32),
        "TIFF F": (ramp / 65535).astype(np.float32),
        "TIFF F to 65535": ramp.astype(np.float32),
    }.get(kind, ramp.astype(np.uint16))
    picture = decode(encoded(Image.fromarray(values), kind.split()[0]), LIMITS)
    assert np.abs(np.asarray(picture.image)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_big_endian_sixteen_bits_read_the_same():
    tags = {256: 2, 257: 1, 258: 16, 259: 1, 262: 1, 273: 122, 277: 1, 278: 1, 279: 4}
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + bytes(4) + struct.pack(">HH", 0x8000, 0xFF00)
    assert colours(decode(data, LIMITS)) == [(128,) * 3, (255,) * 3]


@pytest.mark.parametrize(("brightest", "expected"), [(1.0, 255), (200, 200), (1000, 3), (65535, 255), (200_000, 255)])
def test_the_range_of_32_bit_files_is_guessed_from_what_they_hold(brightest, expected):
    values = np.array([[0, brightest]], np.float32 if brightest == 1 else np.int32)
    assert colours(decode(encoded(Image.fromarray(values), "TIFF"), LIMITS)) == [(0,) * 3, (expected,) * 3]


def test_floats_that_are_no_numbers_are_black():
    values = np.array([[np.nan, np.inf, -np.inf, -5, 1]], np.float32)
    assert colours(decode(encoded(Image.fromarray(values), "TIFF"), LIMITS)) == [(0, 0, 0)] * 4 + [(255, 255, 255)]


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_alpha_is_composited_on_white(name):
    image = Image.new("RGBA", (32, 32), (255, 0, 0, 128))
    image.paste((0, 0, 255, 0), (16, 0, 32, 32))
    options = FORMATS[name] | ({"quality": -1, "chroma": 444} if name == "HEIF" else {})
    pixels = decode(encoded(image, name, **options), LIMITS).image
    assert np.abs(np.subtract(pixels.getpixel((8, 16)), (255, 127, 127))).max() <= 2
    assert np.abs(np.subtract(pixels.getpixel((24, 16)), (255, 255, 255))).max() <= 2


@pytest.mark.parametrize(
    ("depth", "colour", "row", "transparent", "expected"),
    [
        (8, 0, b"\1\2", b"\0\1", [(255,) * 3, (2,) * 3]),
        (16, 0, b"\1\1\2\2", b"\1\1", [(255,) * 3, (2,) * 3]),
        (8, 2, b"\1\2\3\4\5\6", b"\0\1\0\2\0\3", [(255,) * 3, (4, 5, 6)]),
        (8, 3, b"\0\1", b"\x80", [(255, 127, 127), (0, 0, 255)]),
        (8, 4, b"\0\x80\0\xff", None, [(127,) * 3, (0,) * 3]),
        (16, 6, b"\xff\0\0\0\0\0\0\0" + b"\0\0\x88\x88\0\0\xff\xff", None, [(255,) * 3, (0, 0x88, 0)]),
    ],
    ids=["grey", "grey of 16 bits", "rgb", "palette", "grey and alpha", "rgba of 16 bits"],
)
def test_transparency_of_every_png_type_is_white(depth, colour, row, transparent, expected):
    extra = chunk(b"PLTE", b"\xff\0\0\0\0\xff") if colour == 3 else b""
    extra += b"" if transparent is None else chunk(b"tRNS", transparent)
    assert colours(decode(png((2, 1), depth, colour, b"\0" + row, extra), LIMITS)) == expected


@pytest.mark.parametrize(("name", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})])
def test_the_first_frame_counts(name, options):
    first, second = Image.new("RGB", (20, 20), (200, 0, 0)), Image.new("RGB", (20, 20), (0, 0, 200))
    data = encoded(first, name, save_all=True, append_images=[second], **options)
    assert set(colours(decode(data, LIMITS))) == {(200, 0, 0)}


def test_a_phones_multi_picture_jpeg_is_a_jpeg():
    data = encoded(SMALL, "MPO", save_all=True, append_images=[photo(9, (64, 48))])
    picture = decode(data, changed(formats=("JPEG",)))
    assert picture.format == "JPEG"
    assert difference(picture.image, SMALL) < 12


@pytest.mark.parametrize("defect", bad_pictures())
def test_bad_pictures_are_refused_with_advice(defect):
    with pytest.raises((BadImage, PictureTooLarge), match=r"; .+") as caught:
        decode(bad_pictures()[defect], LIMITS)
    assert "0x" not in str(caught.value)


@pytest.mark.parametrize(
    ("defect", "words"),
    [("empty", "empty"), ("pdf", "PDF"), ("svg", "SVG"), ("text", "JPEG, PNG"), ("truncated png", "cut short")],
)
def test_a_refusal_says_what_was_sent(defect, words):
    with pytest.raises(BadImage, match=words):
        decode(bad_pictures()[defect], LIMITS)


@pytest.mark.parametrize("name", FORMATS)
def test_only_the_formats_of_the_settings_are_read(name):
    others = tuple(other for other in FORMATS if other != name)
    with pytest.raises(BadImage, match=f"{name} pictures are not accepted here"):
        decode(encoded(SMALL, name), changed(formats=others))


def test_avif_with_the_general_brand_is_read_whatever_the_order_of_formats():
    data = bytearray(encoded(SMALL, "AVIF"))
    data[8:12] = b"mif1"
    assert decode(bytes(data), changed(formats=("HEIF", "AVIF"))).format == "AVIF"


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_refused_wherever_it_is_cut(name):
    data = encoded(SMALL, name, **FORMATS[name])
    whole = decode(data, LIMITS).pixels_sha256
    for length in {*range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 25, len(data))}:
        try:
            cut = decode(data[:length], LIMITS)
        except BadImage:
            continue
        assert len(data) - length < 25  # the end mark or a checksum may be missing, but no pixel
        assert cut.pixels_sha256 == whole


def test_a_file_of_the_largest_size_passes_and_one_byte_more_does_not():
    data = encoded(SMALL, "PNG")
    assert decode(data, changed(max_bytes=len(data)))
    with pytest.raises(PictureTooLarge, match=f"{len(data) - 1:,}"):
        decode(data, changed(max_bytes=len(data) - 1))


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_of_the_most_pixels_passes_and_one_more_does_not(name):
    data = encoded(SMALL, name)
    assert decode(data, changed(max_pixels=64 * 48))
    with pytest.raises(PictureTooLarge, match="64 x 48"):
        decode(data, changed(max_pixels=64 * 48 - 1))


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
@pytest.mark.parametrize("size", [(1, 65_535), (65_535, 1)])
def test_a_strip_may_be_as_long_as_in_a_jpeg_and_no_longer(name, size):
    assert decode(encoded(Image.new("RGB", size), name), LIMITS).height == size[1]
    longer = tuple(side + (side > 1) for side in size)
    with pytest.raises(PictureTooLarge, match="at most 65,535 a side"):
        decode(encoded(Image.new("RGB", longer), name), LIMITS)


@pytest.mark.parametrize("defect", ["huge png", "huge gif frame", "huge tiff tile"])
def test_a_bomb_costs_neither_time_nor_memory(defect):
    data = bad_pictures()[defect]
    assert len(data) < 20_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(PictureTooLarge, match="pixels"):
        decode(data, LIMITS)
    assert time.process_time() - started < 0.2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 5_000  # kB


def test_an_operator_may_allow_more_pixels_than_pillow_would():
    data = huge_png(20_000)  # more than twice Pillow's own limit, which would have it warn or refuse
    with pytest.raises(PictureTooLarge, match="20000 x 20000"):
        decode(data, LIMITS)
    assert Image.MAX_IMAGE_PIXELS is None


def test_scans_are_counted_in_the_first_picture_only():
    with pytest.raises(BadImage, match="scans"):
        decode(many_scans(101), LIMITS)
    assert decode(many_scans(99) + b"\xff\xda" * 500, LIMITS).width == 320  # a film behind the picture


@pytest.mark.parametrize("block", BROKEN_EXIF)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_broken_exif_costs_no_picture(name, block):
    if name == "AVIF" and block in ("no header", "nothing"):
        pytest.skip("libavif itself takes a block without a header for a damaged file")
    picture = decode(with_exif(name, BROKEN_EXIF[block]), LIMITS)
    assert (picture.width, picture.height) == SMALL.size


def test_remarks_of_pillow_surface_neither_as_warnings_nor_as_errors():
    noisy = [with_exif("JPEG", BROKEN_EXIF["beyond the end"]), png((1, 1), 8, 0, b"\0\0", chunk(b"acTL", bytes(8)))]
    for data in noisy:
        with pytest.warns(UserWarning):  # or this test would show nothing
            Image.open(io.BytesIO(data)).getexif()
    for action in ("always", "error"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(action)
            assert [decode(data, LIMITS).width for data in noisy] == [64, 1]
        assert not caught


def test_threads_do_not_disturb_each_other():
    files = [encoded(photo(seed, (64, 48)), name, **FORMATS[name]) for seed in range(4) for name in FORMATS]
    files += [data for data in bad_pictures().values() if len(data) < 30_000]

    def digest(data):
        try:
            return decode(data, LIMITS).pixels_sha256
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(digest, files * 4)) == [digest(data) for data in files] * 4


MUTABLE = [encoded(SMALL, name, **options) for name, options in FORMATS.items()]
MUTABLE += [encoded(SMALL, "TIFF", compression="tiff_lzw"), encoded(SMALL, "JPEG", progressive=True, exif=exif(6))]
MUTABLE += [encoded(SMALL.convert("P"), "PNG", transparency=b"\0\x80"), encoded(SMALL.convert("CMYK"), "JPEG")]


@settings(max_examples=600, derandomize=True, deadline=None, database=None)
@given(st.sampled_from(MUTABLE), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=6))
def test_mutated_files_give_a_picture_or_a_domain_error(data, changes):
    mutant = bytearray(data)
    for place, patch in changes:
        at = int(place**3 * len(mutant))  # the header matters most
        mutant[at : at + len(patch)] = patch
    try:
        picture = decode(bytes(mutant), changed(max_pixels=1_000_000))
    except (BadImage, PictureTooLarge):
        return
    assert picture.image.mode == "RGB"
    assert picture.image.size == (picture.width, picture.height)
