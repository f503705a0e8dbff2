"""What runs an ONNX model: one adapter an engine, all of one shape.

An engine is made of an ONNX file's bytes, the size of its input in pixels (-1: any), a number of threads (0: all cores)
and whether its vectors are portable, or come from the fastest arithmetic that the processor has. Its library is
imported only when it is chosen: each takes a good part of a second and much memory.
"""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Lock
from time import monotonic
from typing import Any, Protocol

import numpy as np

from extractor.interface import Pixels, Vectors

CROWDED_S = 0.2  # for so long after two calls met, one that is alone for the moment is taken for one of many
ANY_SIZE = 224  # of a first picture, where the size is not fixed


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Imports inside do not find `openvino_telemetry`, which reports each import of OpenVINO to Google Analytics.

    OpenVINO then takes its own stub. Its documented switch is a file in the home folder, which is not ours to write.
    """
    absent = "openvino_telemetry" not in sys.modules
    if absent:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # documented: makes the import fail
    try:
        yield
    finally:
        if absent:
            del sys.modules["openvino_telemetry"]


class Engine(Protocol):
    """Runs a model; safe to call from several threads.

    lanes:      see Extractor.
    arithmetic: of what the model leaves in floating point: f32, or bf16 or f16 where the processor is faster with it.
    """

    lanes: int
    arithmetic: str

    def __call__(self, batch: Pixels) -> Vectors:
        """uint8 (N, size, size, 3) -> float32 (N, D)."""


class OpenVino:
    """OpenVINO on the CPU, the model compiled twice.

    A lone picture runs on all threads at once, for its latency. Several run side by side, each on a thread of its own:
    that way no thread waits for the others at every layer, which costs a fifth while other threads decode pictures.
    """

    def __init__(self, model: bytes, size: int, threads: int, portable: bool = True):
        with _without_telemetry():
            import openvino  # noqa: PLC0415
        self._tensor = partial(openvino.Tensor, shared_memory=True)
        core = openvino.Core()
        graph = core.read_model(model)
        graph.reshape([1, size, size, 3])
        threads = threads or os.cpu_count() or 1
        self.lanes = threads + 1  # one is ready to take over a core from another that waits for its turn in Python
        options = self._options(threads, portable)
        self._at_once = core.compile_model(graph, "CPU", options | {"NUM_STREAMS": 1}).create_infer_request()
        side_by_side = core.compile_model(graph, "CPU", options | {"NUM_STREAMS": threads})
        self.arithmetic: str = side_by_side.get_property("INFERENCE_PRECISION_HINT").to_string()
        requests = [side_by_side.create_infer_request() for _ in range(self.lanes)]
        # In this one thread: when two threads make the first calls of all at once, OpenVINO's bindings can deadlock
        # between the GIL and a static that each waits to see initialised. It also spares the first requests the wait.
        blank = np.zeros((1, *(size if size > 0 else ANY_SIZE,) * 2, 3), np.uint8)
        for request in (self._at_once, *requests):
            self._inferred(request, blank)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for request in requests:
            self._idle.put(request)
        self._pool = ThreadPoolExecutor(self.lanes, thread_name_prefix="openvino")
        self._counting = Lock()
        self._calls = 0  # under way
        self._crowded_until = 0.0

    @staticmethod
    def _options(threads: int, portable: bool) -> dict[str, object]:
        # Pinned threads of two worker processes would sit on the same cores.
        options: dict[str, object] = {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        # The default, bf16 where the processor has it, gives other vectors there and no gain for the int8 model.
        return options | ({"INFERENCE_PRECISION_HINT": "f32"} if portable else {})

    def __call__(self, batch: Pixels) -> Vectors:
        with self._counting:
            self._calls += 1
            if self._calls > 1:
                self._crowded_until = monotonic() + CROWDED_S
            alone = monotonic() >= self._crowded_until
        try:
            if len(batch) > 1:
                return np.concatenate(list(self._pool.map(self._beside_others, batch)))
            return self._inferred(self._at_once, batch) if alone else self._beside_others(batch[0])
        finally:
            with self._counting:
                self._calls -= 1

    def _beside_others(self, pixels: Pixels) -> Vectors:
        request = self._idle.get()
        try:
            return self._inferred(request, pixels[None])
        finally:
            self._idle.put(request)

    def _inferred(self, request: Any, batch: Pixels) -> Vectors:
        # What is given to `infer` itself passes through checks in Python that take a tenth of a millisecond.
        request.set_input_tensor(self._tensor(batch))
        request.infer()
        return np.array(request.get_output_tensor(0).data)  # a copy: the next call overwrites it


class OnnxRuntime:
    """ONNX Runtime on the CPU, for machines that OpenVINO does not serve well."""

    lanes = 0
    arithmetic = "f32"

    def __init__(self, model: bytes, size: int, threads: int, portable: bool = True):  # noqa: ARG002  # any size, f32
        import onnxruntime  # noqa: PLC0415

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its threads would wait for more work in a busy loop, on cores that decode the next pictures.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: Pixels) -> Vectors:
        return np.asarray(self._session.run(None, {self._input: batch})[0])


ENGINES: dict[str, Callable[[bytes, int, int, bool], Engine]] = {"openvino": OpenVino, "onnxruntime": OnnxRuntime}
