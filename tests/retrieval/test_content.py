"""Which pictures say too little to be compared by what they show."""

import numpy as np
import pytest
from PIL import Image

from retrieval.content import LEAST_CONTENT, LEAST_SIDE, cells, content, is_indeterminate
from retrieval.picture import decode
from retrieval.settings import load_settings
from tests.corpus import encoded, photo, vague_pictures


@pytest.mark.parametrize("name", vague_pictures())
def test_blank_flat_smooth_and_tiny_pictures_say_too_little(name):
    assert is_indeterminate(vague_pictures()[name])


@pytest.mark.parametrize("name", ["white", "red", "gradient", "noise"])
@pytest.mark.parametrize("quality", [30, 50, 95])
def test_artefacts_of_jpeg_are_no_content(name, quality):
    data = encoded(vague_pictures()[name], "JPEG", quality=quality)
    assert decode(data, load_settings(environ={}).input).indeterminate


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (LEAST_SIDE, LEAST_SIDE), (2000, LEAST_SIDE)])
@pytest.mark.parametrize("seed", range(5))
def test_pictures_of_something_say_enough(seed, size):
    assert not is_indeterminate(photo(seed, size))


@pytest.mark.parametrize("size", [(LEAST_SIDE - 1, 500), (500, LEAST_SIDE - 1)])
def test_the_shorter_side_counts(size):
    assert is_indeterminate(photo(1, size))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "I;16"])
def test_the_mode_of_the_file_does_not_matter(mode):
    """What is decoded is RGB, whatever was sent."""
    limits = load_settings(environ={}).input
    form = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
    for image, expected in ((photo(1), False), (Image.new("RGB", (320, 240), "#345678"), True)):
        data = encoded(_in_mode(image, mode), form)
        assert decode(data, limits).indeterminate is expected


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def test_content_is_what_a_smooth_gradient_leaves():
    values = np.full((320, 320, 3), 100, np.uint8)
    assert content(cells(Image.fromarray(values))) == pytest.approx(0, abs=1e-9)
    values[::2] += 2  # finer than it looks
    assert content(cells(Image.fromarray(values))) < 0.5
    values[:, :160] += 100
    assert content(cells(Image.fromarray(values))) > 10 * LEAST_CONTENT


def test_turning_and_mirroring_change_nothing():
    for image in (photo(3), vague_pictures()["gradient"]):
        turned = [image.transpose(each) for each in Image.Transpose]
        assert [content(cells(each)) for each in turned] == pytest.approx(
            [content(cells(image))] * len(turned), abs=0.05
        )


@pytest.mark.parametrize("colour", ["black", "white", "navy"])
def test_a_small_picture_on_a_blank_page_says_hardly_anything(colour):
    page = Image.new("RGB", (800, 600), colour)
    page.paste(photo(1, (200, 150)), (300, 250))  # 6 %
    assert is_indeterminate(page)
    page.paste(photo(1, (400, 300)), (200, 150))  # a quarter
    assert not is_indeterminate(page)
