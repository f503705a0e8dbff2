"""What holds for every extractor, by relations between vectors rather than by stored numbers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from extractor import Extractor
from tests.extractor.samples import picture

model = pytest.mark.model
EVERY = [
    ("thumbnail", "openvino"),
    ("resnet", "torch"),
    pytest.param(("sscd", "openvino"), marks=model),
    pytest.param(("sscd", "onnxruntime"), marks=model),
    pytest.param(("sscd_distilled", "openvino"), marks=model),
    pytest.param(("sscd_distilled", "onnxruntime"), marks=model),
]
SHAPES = [(1, 1), (1, 900), (900, 1), (3000, 7), (224, 224), (2000, 1500)]


@pytest.fixture(params=EVERY, ids="-".join)
def extractor(request: pytest.FixtureRequest, loaded: Callable[[str, str], Extractor]) -> Extractor:
    return loaded(*request.param)


def re_encoded(image: Image.Image, quality: int) -> Image.Image:
    data = BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data)


def test_vectors_are_float32_of_norm_one(extractor: Extractor) -> None:
    vectors = extractor.embed([picture(seed) for seed in range(3)])
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, extractor.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_batch_equals_one_by_one(extractor: Extractor) -> None:
    images = [picture(seed) for seed in range(11)]
    one_by_one = np.concatenate([extractor.embed([image]) for image in images])
    cosines = (extractor.embed(images) * one_by_one).sum(axis=1)
    assert cosines.min() > 0.9999


def test_a_re_encoded_picture_is_nearer_than_any_stranger(extractor: Extractor) -> None:
    images = [picture(seed) for seed in range(8)]
    cosines = extractor.embed([re_encoded(image, 30) for image in images]) @ extractor.embed(images).T
    assert cosines.argmax(axis=1).tolist() == list(range(8))


def test_threads_get_their_own_vectors(extractor: Extractor) -> None:
    batches = [extractor.prepare_many([picture(seed), picture(seed + 1)]) for seed in range(0, 24, 2)]
    expected = [extractor.embed_prepared(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(extractor.embed_prepared, batches))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_shape_and_mode_becomes_the_fixed_input(extractor: Extractor, shape: tuple[int, int]) -> None:
    image = picture(0, shape)
    fixed = extractor.prepare(picture(1)).shape
    for mode in ["RGB", "L", "P", "RGBA", "CMYK"]:
        prepared = extractor.prepare(image.convert(mode))
        assert (prepared.dtype.type, prepared.shape) == (np.uint8, fixed)


@pytest.mark.parametrize("shade", [0, 1, 128, 255])
def test_a_constant_picture_has_a_finite_unit_vector(extractor: Extractor, shade: int) -> None:
    vector = extractor.embed([Image.new("RGB", (50, 40), (shade, shade, shade))])[0]
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_no_pictures_give_no_vectors(extractor: Extractor) -> None:
    vectors = extractor.embed([])
    assert (vectors.dtype.type, vectors.shape) == (np.float32, (0, extractor.dim))


def test_input_of_another_type_or_number_of_axes_is_refused(extractor: Extractor) -> None:
    good = extractor.prepare(picture(1))
    for bad in (good.astype(np.float32), good[..., :2], good[None]):
        with pytest.raises(ValueError, match="expected uint8"):
            extractor.embed_prepared([good, bad])
