"""Upright rectangles in pictures."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from extractor.rectangles import LARGEST, NARROWEST, rectangles
from tests.corpus import photo
from tests.extractor.samples import picture

NEAR = 0.02  # of the picture's sides


def pasted(ground: Image.Image, top: Image.Image, left: int, upper: int) -> tuple[Image.Image, list[float]]:
    """A picture on a picture, and the box where it lies."""
    both = ground.copy()
    both.paste(top, (left, upper))
    (width, height) = ground.size
    return both, [left / width, upper / height, (left + top.width) / width, (upper + top.height) / height]


def is_among(box: list[float], found: list[tuple[float, ...]]) -> bool:
    return any(np.allclose(box, other, atol=NEAR) for other in found)


@pytest.mark.parametrize("size", [(320, 240), (900, 1300)])
def test_nearly_every_picture_on_a_picture_is_found(size):
    """Where the two happen to have the same colour there is no step."""
    width, height = size
    found = 0
    for seed in range(20):
        top = photo(seed, (int(width * 0.4), int(height * 0.35)))
        place = int(width * 0.03 * seed), int(height * (0.6 - 0.03 * seed))
        both, box = pasted(photo(100 + seed, size), top, *place)
        found += is_among(box, rectangles(both, 4))
    assert found >= 18


@pytest.mark.parametrize("edge", [(0.0, 0.0), (0.6, 0.0), (0.0, 0.5)])
def test_a_rectangle_may_lie_on_the_border(edge):
    both, box = pasted(photo(1, (400, 300)), photo(2, (160, 150)), int(edge[0] * 400), int(edge[1] * 300))
    assert is_among(box, rectangles(both, 4))


def test_what_a_bar_leaves_is_found():
    framed = Image.new("RGB", (300, 260), "white")
    framed.paste(picture(3, (300, 200)), (0, 60))
    assert is_among([0, 60 / 260, 1, 1], rectangles(framed, 4))


@pytest.mark.parametrize("seed", range(4))
def test_there_is_none_in_a_picture_of_soft_patches(seed):
    assert rectangles(picture(seed, (400, 300)), 4) == []


def test_columns_and_rows_are_treated_alike():
    both, _ = pasted(picture(5, (256, 200)), picture(6, (100, 90)), 70, 50)
    upright, turned = rectangles(both, 1), rectangles(both.transpose(Image.Transpose.TRANSPOSE), 1)
    ((left, top, right, bottom),) = upright
    assert turned == [(top, left, bottom, right)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("most", [0, 1, 3])
def test_boxes_are_few_and_within_the_picture_and_not_the_whole_of_it(seed, most):
    busy = ImageOps.expand(photo(seed), 20, "red")
    found = rectangles(busy, most)
    assert len(found) <= most
    for left, top, right, bottom in found:
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert min(right - left, bottom - top) >= NARROWEST - NEAR
        assert (right - left) * (bottom - top) <= LARGEST


@pytest.mark.parametrize("size", [(1, 1), (2, 700), (3000, 5), (17, 17)])
@pytest.mark.parametrize("content", ["flat", "busy"])
def test_pictures_of_any_shape(size, content):
    image = Image.new("RGB", size, "blue") if content == "flat" else photo(1).resize(size)
    assert len(rectangles(image, 4)) <= 4
