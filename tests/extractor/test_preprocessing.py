"""The half crop: what stays of a picture and where it goes."""

import numpy as np
import pytest
from PIL import Image

from extractor.preprocessing import FILTER, half_crop
from tests.extractor.samples import picture


def ramp(width: int, height: int) -> Image.Image:
    """Black at the left, white at the right."""
    row = np.linspace(0, 255, width).round().astype(np.uint8)
    return Image.fromarray(np.repeat(np.tile(row, (height, 1))[:, :, None], 3, axis=2))


def test_a_square_keeps_everything() -> None:
    square = picture(0, (120, 120))
    np.testing.assert_array_equal(half_crop(square, 32), np.asarray(square.resize((32, 32), FILTER)))


@pytest.mark.parametrize("factor", [1.5, 4, 16])
def test_of_a_longer_side_the_middle_stays_by_the_root_of_the_aspect(factor: float) -> None:
    across = half_crop(ramp(round(100 * factor), 100), 64).astype(float)
    kept = (across[0, -1, 0] - across[0, 0, 0]) / 255
    assert kept == pytest.approx(factor**-0.5, abs=0.03)
    assert across.mean() == pytest.approx(127.5, abs=2)


def test_height_is_treated_as_width_is() -> None:
    wide = picture(0, (200, 90))
    tall = wide.transpose(Image.Transpose.TRANSPOSE)
    np.testing.assert_allclose(half_crop(tall, 48), half_crop(wide, 48).swapaxes(0, 1), atol=1)


def test_a_large_picture_gives_nearly_what_its_small_copy_gives() -> None:
    large = picture(0, (2400, 1600))
    small = large.resize((600, 400), Image.Resampling.BOX)
    difference = half_crop(large, 64).astype(float) - half_crop(small, 64)
    assert np.abs(difference).mean() < 2
