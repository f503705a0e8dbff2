"""An engine that runs pictures side by side gets each as it comes; others get those that come together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from PIL import Image

from extractor.engines import CROWDED_S, OpenVino
from extractor.models import MODELS
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


class Held:
    """A request that waits until it is let go, and counts."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.begun, self.let_go = Event(), Event()
        self.count = 0

    def infer(self) -> None:
        self.count += 1
        self.begun.set()
        assert self.let_go.wait(30)
        self._request.infer()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it, not for ever."""
    ends = monotonic() + 30
    while not is_so():
        assert monotonic() < ends
        sleep(0.001)


@pytest.mark.model
def test_all_threads_work_on_one_picture_only_while_no_other_call_is_under_way() -> None:
    data, _ = MODELS["sscd_distilled"].read(ROOT / ".models")
    engine = OpenVino(data, 64, 2)
    engine._at_once = held = Held(engine._at_once)
    one = np.zeros((1, 64, 64, 3), np.uint8)
    lanes = [engine._idle.get() for _ in range(engine.lanes)]
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(engine, one)
        assert held.begun.wait(30)
        long = pool.submit(engine, np.repeat(one, 4, axis=0))
        until(lambda: engine._calls == 2)
        held.let_go.set()
        vector = first.result(30)
        sleep(1.5 * CROWDED_S)
        other = pool.submit(engine, one)
        until(lambda: engine._calls == 2)
        for lane in lanes:
            engine._idle.put(lane)
        assert np.abs(other.result(30) - vector).max() == np.abs(long.result(30) - vector).max() == 0
    assert np.abs(engine(one) - vector).max() == 0  # alone, a moment after it had company
    assert held.count == 1
    sleep(1.5 * CROWDED_S)
    assert np.abs(engine(one) - vector).max() == 0
    assert held.count == 2
