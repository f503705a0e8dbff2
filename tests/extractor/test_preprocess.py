"""Preprocessing: what stays of a picture and where it goes; torchvision's transforms are the oracle where they can."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from extractor.interface import Pixels
from extractor.preprocess import ASPECTS, MEAN_COLOUR, Preprocess
from extractor.settings import PreprocessSettings
from tests.extractor.samples import BASE, picture

BILINEAR = Image.Resampling.BILINEAR
TORCH_BILINEAR = v2.InterpolationMode.BILINEAR


def made(size: int, **changes: Any) -> Preprocess:
    return Preprocess.of(size, PreprocessSettings(**BASE["preprocess"] | changes))


def prepared(image: Image.Image, size: int, **changes: Any) -> Pixels:
    return made(size, **changes).prepare(image)


def viewed(image: Image.Image, size: int, **changes: Any) -> list[Pixels]:
    """All views of one picture, each (H, W, 3)."""
    preprocess = made(size, **changes)
    return [view[0] for view in preprocess.views(preprocess.prepare(image)[None])]


def ramp(width: int, height: int) -> Image.Image:
    """Black at the left, white at the right."""
    row = np.linspace(0, 255, width).round().astype(np.uint8)
    return Image.fromarray(np.repeat(np.tile(row, (height, 1))[:, :, None], 3, axis=2))


@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_square_keeps_everything(aspect: str) -> None:
    square = picture(0, (120, 120))
    np.testing.assert_array_equal(prepared(square, 64, aspect=aspect), np.asarray(square.resize((64, 64), BILINEAR)))


@pytest.mark.parametrize("factor", [1.5, 4, 16])
def test_half_crop_keeps_the_middle_by_the_root_of_the_aspect(factor: float) -> None:
    across = prepared(ramp(round(100 * factor), 100), 64).astype(float)
    kept = (across[0, -1, 0] - across[0, 0, 0]) / 255
    assert kept == pytest.approx(factor**-0.5, abs=0.03)
    assert across.mean() == pytest.approx(127.5, abs=2)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_height_is_treated_as_width_is(aspect: str) -> None:
    wide = picture(0, (200, 90))
    tall = wide.transpose(Image.Transpose.TRANSPOSE)
    upright = prepared(wide, 64, aspect=aspect).swapaxes(0, 1)
    np.testing.assert_allclose(prepared(tall, 64, aspect=aspect), upright, atol=1)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_large_picture_gives_nearly_what_its_small_copy_gives(aspect: str) -> None:
    large = picture(0, (2400, 1600))
    small = large.resize((600, 400), Image.Resampling.BOX)
    difference = prepared(large, 64, aspect=aspect).astype(float) - prepared(small, 64, aspect=aspect)
    assert np.abs(difference).mean() < 2


def test_squash_is_torchvisions_resize() -> None:
    image = picture(0, (120, 90))
    expected = v2.functional.resize(image, [64, 64], TORCH_BILINEAR)
    np.testing.assert_array_equal(prepared(image, 64, aspect="squash"), np.asarray(expected))


@pytest.mark.parametrize("size", [(144, 90), (90, 144)], ids=str)  # whole numbers when scaled, too
def test_centre_crop_with_zoom_is_torchvisions_shorter_edge_and_centre_crop(size: tuple[int, int]) -> None:
    image = picture(0, size)
    shorter = v2.functional.resize(image, [80], TORCH_BILINEAR)
    expected = np.asarray(v2.functional.center_crop(shorter, [64]), float)
    (found,) = viewed(image, 64, aspect="centre_crop", zoom=1.25)
    np.testing.assert_allclose(found, expected, atol=1)


def test_pad_shows_the_whole_picture_amid_the_mean_colour() -> None:
    square = prepared(Image.new("RGB", (200, 100), "red"), 64, aspect="pad")
    assert (square[:16] == MEAN_COLOUR).all()
    assert (square[48:] == MEAN_COLOUR).all()
    assert (square[16:48] == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 200), (64, 96)), ((200, 300), (96, 64)), ((4000, 10), (64, 192)), ((70, 69), (64, 64))],
    ids=str,
)
def test_shorter_edge_keeps_the_aspect_in_multiples_of_32(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert prepared(picture(0, size), 64, aspect="shorter_edge").shape == (*expected, 3)
    assert made(64, aspect="shorter_edge").input_size == -1
    assert made(64, aspect="shorter_edge", zoom=1.2).input_size == 64


def test_two_flip_is_the_picture_and_its_mirror_image() -> None:
    plain, mirrored = viewed(picture(0), 64, views="two_flip")
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])
    np.testing.assert_array_equal(plain, prepared(picture(0), 64))


@pytest.mark.parametrize("aspect", ASPECTS)
def test_ten_crop_is_torchvisions(aspect: str) -> None:
    preprocess = made(64, aspect=aspect, zoom=1.3, views="ten_crop")
    scaled = preprocess.prepare(picture(0, (150, 90)))
    expected = v2.functional.ten_crop(torch.tensor(scaled).permute(2, 0, 1), [64, 64])
    found = preprocess.views(scaled[None])
    assert len(found) == preprocess.count == 10
    for view, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(view[0], other.permute(1, 2, 0).numpy())


def test_ten_crops_of_a_square_need_room() -> None:
    with pytest.raises(ValueError, match="set zoom above 1"):
        made(64, views="ten_crop")


def test_every_choice_has_a_name_of_its_own() -> None:
    changes: list[dict[str, Any]] = [{"aspect": aspect} for aspect in ASPECTS]
    changes += [{"filter": name} for name in ("box", "bicubic", "lanczos")]
    changes += [{"zoom": 1.2}, {"views": "two_flip"}, {"zoom": 1.2, "views": "ten_crop"}]
    assert len({made(64, **change).name for change in changes}) == len(changes)
    assert made(288).name == "288x288-halfcrop-bilinear-gap2"
