"""How much may be in memory at once, whoever asks for it."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from retrieval.turns import Turns, asking

LARGE_BYTES = 4 << 20
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def give_back_large_blocks() -> None:
    """What a large picture took goes back to the system at once, in this process.

    glibc would keep up to 64 MB for each thread that ever decoded one. Without glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def give_back_free_pages() -> None:
    """What lies free between blocks in use goes back to the system.

    glibc keeps it, for every arena that its threads have, and has more of it with every hour. Takes some milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Room:
    """Room for so many pixels, or for so much of anything. Who finds too little left waits; anything alone fits.

    Those who wait are let in by turns of the callers, `asking`, so that nobody fills it for long.

    Hold one share at a time: two threads that each hold one and wait for another would wait for ever.
    """

    def __init__(self, pixels: int) -> None:
        self._most = self._left = pixels
        self._waiting: Turns[object] = Turns()
        self._changed = Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits for room, and gives it back on leaving."""
        share = min(pixels, self._most)
        self._enter(share)
        try:
            yield
        finally:
            with self._changed:
                self._left += share
                self._changed.notify_all()

    def _enter(self, share: int) -> None:
        turn = object()
        with self._changed:
            self._waiting.add(asking.get(), turn)
            self._changed.wait_for(lambda: self._waiting.first is turn and self._left >= share)
            self._waiting.take()
            self._left -= share
            self._changed.notify_all()
