"""What the bare pipeline is compared with embeds the same pictures with the same model."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from extractor import Pixels, Thumbnail, Vectors, load_extractor
from retrieval.settings import load_settings
from scripts.benchmarking.bare import WARM_UP, Usual, bare
from tests.corpus import encoded, photo

PHOTOS = [encoded(photo(number), "JPEG") for number in range(20)]


@pytest.mark.model
def test_the_usual_way_gives_the_same_vectors() -> None:
    settings = load_settings().extractor.model_copy(update={"name": "sscd_distilled", "size": 160})
    usual = Usual.of(settings)
    assert usual is not None
    assert usual.measured(PHOTOS)["bare, ONNX Runtime: pictures/s"] > 0
    images = [Image.open(BytesIO(data)) for data in PHOTOS[:4]]
    ours = load_extractor(settings).embed(images)
    for extractor in usual.extractors:
        assert np.vecdot(extractor.embed(images), ours).min() > 0.999


def test_there_is_none_for_what_onnx_runtime_does_not_run() -> None:
    assert Usual.of(load_settings(extractor={"name": "thumbnail"}).extractor) is None


def test_the_bare_pipeline_embeds_every_picture_once_one_by_one_and_in_batches() -> None:
    extractor = Counting()
    figures = bare(extractor, PHOTOS, batch_size=8)
    assert extractor.batches == [1] * WARM_UP + [8, 8, 4]
    assert min(figures.values()) > 0


class Counting(Thumbnail):
    """Remembers how many pictures it was given at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed_prepared(self, pictures: Sequence[Pixels]) -> Vectors:
        self.batches.append(len(pictures))
        return super().embed_prepared(pictures)
