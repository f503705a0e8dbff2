"""Every edit, at every strength, on pictures of every shape."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.Image import Resampling

from evaluation.edits import CASES, EDITS, REQUIRED, STRENGTHS
from evaluation.tables import of_edits
from tests.corpus import encoded, photo
from tests.service.server import ROOT

# Tiny, narrow, large; each of them is both what is edited and what is pasted.
SIZES = [(1, 1), (2, 3), (8, 8), (1, 400), (400, 1), (7, 600), (500, 400)]


PHOTO = photo(5, (160, 120))


def make(case, image, seed=0, other=None):
    return case(image, np.random.default_rng(seed), other or PHOTO)


def test_there_are_at_least_20_edits_and_each_case_has_a_name_of_its_own():
    assert len(EDITS) >= 20
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_edit_changes_the_picture_and_leaves_the_one_given_as_it_was(case):
    image, other = photo(1), photo(2)
    before, other_before = image.tobytes(), other.tobytes()
    copy = make(case, image, other=other)
    assert copy.mode == "RGB"
    assert (copy.size, copy.tobytes()) != (image.size, before)
    assert (image.tobytes(), other.tobytes()) == (before, other_before)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_seed_gives_the_same_pixels(case):
    first, second = (make(case, photo(1), seed=3) for _ in range(2))
    assert (first.size, first.tobytes()) == (second.size, second.tobytes())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pictures_of_any_shape_can_be_edited(size):
    small = photo(6).resize(size)
    for case in CASES:
        for image, other in [(small, PHOTO), (PHOTO, small)]:
            copy = make(case, image, other=other)
            assert copy.mode == "RGB", case
            assert min(copy.size) >= 1, case


def test_a_stronger_edit_changes_more():
    """On average over pictures, where the copy has the picture's shape."""
    photos = [photo(seed, (160, 120)) for seed in range(3)]
    for name in ["JPEG", "WebP", "blur", "noise", "pixelate", "palette", "brightness", "contrast", "stripes", "blend"]:
        change = [np.mean([distance(EDITS[name], image, level) for image in photos]) for level in STRENGTHS]
        assert change == sorted(change), name


def distance(edit, image, strength):
    copy = edit(image, np.random.default_rng(7), PHOTO, strength)
    return np.abs(np.asarray(copy, float) - np.asarray(image, float)).mean()


@pytest.mark.parametrize("name", ["scale", "aspect", "crop"])
def test_a_stronger_edit_leaves_less(name):
    copies = [EDITS[name](photo(1), np.random.default_rng(7), photo(99), level) for level in STRENGTHS]
    areas = [copy.width * copy.height for copy in copies]
    assert areas == sorted(areas, reverse=True)
    assert len(set(areas)) == 3


def test_rotating_and_cutting_leaves_no_empty_corner():
    white = Image.new("RGB", (300, 170), "white")
    for strength in STRENGTHS:
        for seed in range(5):
            copy = EDITS["rotate and cut"](white, np.random.default_rng(seed), white, strength)
            assert np.asarray(copy).min() > 200


def test_edits_that_use_another_picture_do_so():
    red, blue = Image.new("RGB", (200, 150), "red"), Image.new("RGB", (200, 150), "blue")
    for name in ["on picture", "picture on it", "collage", "blend"]:
        pixels = np.asarray(EDITS[name](red, np.random.default_rng(1), blue, "medium"), int)
        assert (pixels[..., 0] > 100).any(), name
        assert (pixels[..., 2] > 70).any(), name


@pytest.mark.parametrize("size", [(320, 240), (97, 301), (8, 8)])
def test_the_required_edits_are_what_they_have_always_been(size):
    image = photo(3, size)
    width, height = size
    left, top = width * (1 - 0.7) / 2, height * (1 - 0.7) / 2
    expected = {
        "JPEG q40": Image.open(BytesIO(encoded(image, "JPEG", quality=40))).convert("RGB"),
        "half size": image.resize((max(8, round(width / 2)), max(8, round(height / 2))), Resampling.BICUBIC),
        "crop 70 %": image.crop((round(left), round(top), round(width - left), round(height - top))),
        "mirrored": ImageOps.mirror(image),
        "10 degrees": image.rotate(10, Resampling.BICUBIC, expand=True),
    }
    assert list(REQUIRED) == list(expected)
    for name, edit in REQUIRED.items():
        assert (edit(image).size, edit(image).tobytes()) == (expected[name].size, expected[name].tobytes()), name


def test_the_documented_table_is_the_suite():
    assert of_edits().markdown() in Path(ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
