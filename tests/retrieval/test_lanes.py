"""An engine that runs pictures side by side gets each as it comes; others get those that come together."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from PIL import Image

from index_store import Catalog
from retrieval.engine import Engine
from retrieval.observing import Watch
from tests.conftest import MakeSettings
from tests.extractor.samples import ROOT

MANY = 12


class Batches(Watch):
    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batched(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        self.sizes.append(pictures)


@pytest.mark.model
@pytest.mark.parametrize(("engine", "are_gathered"), [("openvino", False), ("onnxruntime", True)])
def test_pictures_that_come_together_are_embedded(settings: MakeSettings, engine: str, *, are_gathered: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (MANY, 64, 64, 3), np.uint8)
    images = [Image.fromarray(each) for each in pixels]
    chosen = {"name": "sscd_distilled", "engine": engine, "size": 64, "batch_wait_ms": 1000, "threads": 2}
    made, batches, together = settings(extractor=chosen | {"model_dir": ROOT / ".models"}), Batches(), Barrier(MANY)
    made.data_dir.mkdir()

    def embedded(image: Image.Image) -> np.ndarray:
        with service.batcher.expect() as announced:
            together.wait(30)
            return announced.embed(image)

    with Engine.open(made, Catalog(made.catalog_url), batches) as service, ThreadPoolExecutor(MANY) as pool:
        found = np.stack(list(pool.map(embedded, images)))
        assert np.abs(found - service.extractor.embed(images)).max() < 1e-5
        assert np.abs(found[0] - service.batcher.embed(images[0])).max() < 1e-5
    assert sum(batches.sizes) == MANY + 1
    assert (max(batches.sizes) > 1) is are_gathered
