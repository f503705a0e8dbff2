"""What of a picture a thorough search looks at."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.ImageStat import Stat

from evaluation.edits import pixels
from extractor.crops import LEAST, MOST, SHORTER, parts_of, without_details, without_flat_lines
from tests.corpus import photo
from tests.extractor.samples import picture

BUSY = photo(1, (200, 160))


def values(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("border", [(0, 30, 0, 0), (25, 0, 25, 0), (40, 40, 40, 40), (0, 0, 9, 70)])
@pytest.mark.parametrize("colour", ["white", "black", "#7f3020"])
def test_borders_of_one_colour_are_taken_off(border, colour):
    bare = without_flat_lines(ImageOps.expand(BUSY, border, colour))
    assert bare is not None
    assert (values(bare) == values(BUSY)).all()


@pytest.mark.parametrize("lengthwise", [True, False])
def test_stripes_are_taken_out(lengthwise):
    striped = values(BUSY).astype(np.uint8)
    lines = striped.swapaxes(0, 1) if lengthwise else striped
    hidden = np.arange(len(lines)) % 20 < 7
    lines[hidden] = (10, 200, 30)
    bare = without_flat_lines(Image.fromarray(striped))
    left = values(BUSY)[:, ~hidden] if lengthwise else values(BUSY)[~hidden]
    assert bare is not None
    assert (values(bare) == left).all()


def test_a_border_that_was_saved_as_jpeg_is_of_one_colour_still():
    framed = ImageOps.expand(BUSY, 40, "#7f3020")
    bare = without_flat_lines(pixels.re_encoded(framed, "JPEG", 30))
    assert bare is not None
    assert np.allclose(bare.size, BUSY.size, atol=17)  # a block of JPEG's may reach over each edge


@pytest.mark.parametrize("image", [BUSY, Image.new("RGB", (90, 80), "red"), Image.new("RGB", (1, 1))])
def test_where_nothing_is_flat_or_all_of_it_nothing_is_taken_out(image):
    assert without_flat_lines(image) is None


def test_without_details_small_blocks_do_not_show():
    blocks = BUSY.resize((50, 40), Image.Resampling.BOX).resize(BUSY.size, Image.Resampling.NEAREST)
    assert np.abs(values(without_details(blocks)) - values(without_details(BUSY))).mean() < 2


def test_a_picture_without_borders_gives_its_quarters_and_thirds():
    image = picture(1, (240, 180))
    sizes = [part.size for part in parts_of(image)]
    assert sizes[1:] == 4 * [(120, 90)] + 5 * [(80, 60)]
    assert sizes.count((120, 90)) == 4
    whole = np.asarray(image)
    assert (np.asarray(parts_of(image)[1]) == whole[:90, :120]).all()


def test_parts_are_those_of_the_picture_within_its_border():
    """So a border does not move the tiles of a collage away from the quarters."""
    image = picture(1, (240, 180))
    framed = parts_of(ImageOps.expand(image, (30, 50, 10, 0), "white"))
    assert framed[1].tobytes() == image.tobytes()
    bare = parts_of(image)
    assert {part.tobytes() for part in bare[1:]} <= {part.tobytes() for part in framed}


def test_the_same_picture_gives_the_same_parts_and_stays_as_it_is():
    before = BUSY.tobytes()
    first, second = ([part.tobytes() for part in parts_of(BUSY)] for _ in range(2))
    assert first == second
    assert BUSY.tobytes() == before


@pytest.mark.parametrize("size", [(60, 60), (1, 900), (40, 3), (2500, 1700)])
def test_there_are_never_many_parts_nor_empty_or_large_ones(size):
    image = photo(2).resize(size)
    parts = parts_of(image)
    assert 0 < len(parts) <= MOST
    assert min(min(part.size) for part in parts) >= 1
    assert max(min(part.size) for part in parts) < 2 * SHORTER
    assert max(part.width * part.height for part in parts) <= image.width * image.height


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (40, 3), (2500, 1700)])
@pytest.mark.parametrize("colour", ["black", "white", "#7f3020"])
def test_a_plain_surface_has_no_parts(size, colour):
    assert parts_of(Image.new("RGB", size, colour)) == []


def test_a_plain_part_of_a_picture_is_none():
    """Else whoever has a white corner would be a copy of a white page."""
    half_empty = Image.new("RGB", (400, 300), "white")
    half_empty.paste(picture(1, (200, 150)), (0, 0))
    half_empty.paste(picture(2, (40, 150)), (360, 150))
    assert min(max(Stat(part).stddev) for part in parts_of(half_empty)) >= LEAST
