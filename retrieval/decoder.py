"""The child process that decodes what only the end of a process can stop: `python -m retrieval.decoder FD`.

Over a socket it gets a file and its bounds, tells the header, and sends the pixels when asked for them. It may take
so much memory and processor time and write no file; what makes it crash or hang harms no other request.
"""

import json
import math
import os
import resource
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from retrieval.decoding import Bounds, OpenFile
from retrieval.errors import InputError
from retrieval.headers import webp_size

LOAD = b"load"
STRIP_BYTES = 1 << 20
# Of private memory. The worst kinds measured, WebP with transparency and TIFF of floats, take 22 bytes a pixel.
BASE_BYTES, PIXEL_BYTES = 256 << 20, 32


def main(descriptor: int) -> None:
    """Serves until the other end of the socket is closed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    silence()
    with Connection(descriptor) as parent:
        opened: OpenFile | None = None
        held = 0
        while True:
            try:
                order = parent.recv_bytes()
                if order != LOAD:
                    held = _held_bytes()
                    opened = _open(parent, Bounds(**json.loads(order)), held)
                elif opened:
                    _load(parent, opened, held)
                    opened = None
            except InputError as error:
                opened = None
                _tell(parent, error=type(error).__name__, detail=str(error))
            except (EOFError, OSError):
                return


def silence() -> None:
    """Standard error goes nowhere: libtiff has a line for every damaged row, which would fill any log."""
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), sys.stderr.fileno())


def _open(parent: Connection, bounds: Bounds, held: int) -> OpenFile:
    data = parent.recv_bytes()
    width, height = webp_size(data)
    _limit_time(bounds)
    _limit_memory(held, min(width * height, bounds.max_pixels))
    opened = OpenFile(data, bounds)
    _tell(parent, format=opened.format, size=opened.size, held=held)
    return opened


def _load(parent: Connection, opened: OpenFile, held: int) -> None:
    width, height = opened.size
    # By the header: some files hold more pixels than it says, and libavif would decode all of them, to scale them down.
    _limit_memory(held, width * height)
    image = opened.load()
    _tell(parent, size=image.size)
    for strip in strips(image.size):
        parent.send_bytes(image.crop(strip).tobytes())


def strips(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """The boxes that a picture in RGB is sent in, from top to bottom; each of at least one row."""
    width, height = size
    rows = max(1, STRIP_BYTES // (3 * width))
    return [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]


def _limit_memory(held: int, pixels: int) -> None:
    """Besides what libraries have kept of the pictures before: no picture pays for another."""
    most = held + BASE_BYTES + PIXEL_BYTES * pixels
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))


def _held_bytes() -> int:
    """What counts for RLIMIT_DATA."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmData:")[2].split()[0])


def _limit_time(bounds: Bounds) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Opening and decoding, on all cores; the parent ends us before, unless it is gone itself.
    seconds = used.ru_utime + used.ru_stime + 2 * bounds.seconds * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds) + 1, resource.RLIM_INFINITY))


def _tell(parent: Connection, **facts: Any) -> None:
    parent.send_bytes(json.dumps(facts).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
