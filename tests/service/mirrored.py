"""A second extractor that needs no model, and `python -m tests.service.mirrored`: build_index.py with it, to be killed.

MIRRORED_PAUSE_S is waited for each batch that is embedded; MIRRORED_DIE_AT is where the process kills itself: "swap",
with all done but the commit, or "sweep", just after it.
"""

import os
import signal
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

import index_store
from extractor import ExtractorSettings
from extractor.interface import Vectors
from extractor.thumbnail import Thumbnail
from index_store import Reembedding
from retrieval import engine
from scripts import build_index


class Mirrored(Thumbnail):
    """The thumbnail's numbers in the reverse order: as good, and comparable to none of the thumbnail's own."""

    made_of = replace(Thumbnail.made_of, model="mirrored")

    def embed_prepared(self, pictures: Any) -> Vectors:
        time.sleep(float(os.environ.get("MIRRORED_PAUSE_S", "0")))
        return np.ascontiguousarray(super().embed_prepared(pictures)[:, ::-1])


def load_mirrored(_: ExtractorSettings) -> Mirrored:
    return Mirrored()


def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    engine.load_extractor = load_mirrored
    if (place := os.environ.get("MIRRORED_DIE_AT")) == "swap":
        swap = Reembedding._swap
        Reembedding._swap = lambda self, connection: _die(swap(self, connection))  # type: ignore[method-assign]
    elif place == "sweep":
        index_store.sweep = _die
    return build_index.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
