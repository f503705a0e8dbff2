"""The pipeline without HTTP and index, in this process: decode, prepare, embed."""

import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import islice
from time import perf_counter

from PIL import Image

from extractor import Extractor, ExtractorSettings, Pixels, Vectors, load_extractor
from extractor.models import MODELS
from scripts.benchmarking.figures import Figures, timed

WARM_UP = 16
SOME = 8  # pictures at a time, where each core works for itself


def bare(extractor: Extractor, data: list[bytes], batch_size: int) -> Figures:
    """As the service does it, one by one and batched."""
    some = data[: max(WARM_UP, len(data) // 4)]
    times = [timed(partial(_embedded, extractor, each))[0] for each in some]
    return {
        "bare one by one: ms": statistics.median(times),
        "bare batched: pictures/s": rate(extractor, data, batch_size),
    }


class Usual:
    """What one would write around ONNX Runtime and Pillow, with the same model and preprocessing.

    Two ways, since which is faster depends on the processor: each core for itself with pictures of its own, and all of
    them on one batch, beside decoding. The figure is the better one's.
    """

    def __init__(self, settings: ExtractorSettings) -> None:
        there = settings.model_copy(update={"engine": "onnxruntime"})
        self._batch_size = settings.batch_size
        self.extractors = load_extractor(there), load_extractor(there.model_copy(update={"threads": 1}))

    @classmethod
    def of(cls, settings: ExtractorSettings) -> "Usual | None":
        """None where the model is one that ONNX Runtime does not run."""
        return cls(settings) if settings.name in (*MODELS, "onnx") else None

    def measured(self, data: list[bytes]) -> Figures:
        """The figure, over the pictures."""
        all_cores, one_core = self.extractors
        batched = rate(all_cores, data, self._batch_size)
        return {"bare, ONNX Runtime: pictures/s": max(batched, _rate_by_core(one_core, data))}


def _rate_by_core(extractor: Extractor, data: list[bytes]) -> float:
    def embed(some: Sequence[bytes]) -> None:
        extractor.embed_prepared([prepared(extractor, each) for each in some])

    started = perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(embed, (data[start : start + SOME] for start in range(0, len(data), SOME))):
            pass
    return len(data) / (perf_counter() - started)


def rate(extractor: Extractor, data: list[bytes], batch_size: int) -> float:
    """Pictures a second, embedded in batches beside decoding on all cores."""
    started = perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        inputs = pool.map(lambda each: prepared(extractor, each), data)
        while batch := list(islice(inputs, batch_size)):
            extractor.embed_prepared(batch)
    return len(data) / (perf_counter() - started)


def _embedded(extractor: Extractor, data: bytes) -> Vectors:
    return extractor.embed_prepared([prepared(extractor, data)])


def prepared(extractor: Extractor, data: bytes) -> Pixels:
    """Decoded by Pillow at full scale, as the service does it."""
    return extractor.prepare(Image.open(BytesIO(data)).convert("RGB"))
