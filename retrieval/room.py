"""How much may be in memory at once, whoever asks for it."""

import ctypes
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

LARGE_BYTES = 4 << 20
M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def give_back_large_blocks() -> None:
    """What a large picture took goes back to the system at once, in this process.

    glibc would keep up to 64 MB for each thread that ever decoded one. Without glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


class Room:
    """Room for so many pixels. Who finds too little left waits for his turn; anything alone fits.

    Hold one share at a time: two threads that each hold one and wait for another would wait for ever.
    """

    def __init__(self, pixels: int) -> None:
        self._most = self._left = pixels
        self._waiting: deque[object] = deque()
        self._changed = Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits for room, in order of arrival, and gives it back on leaving."""
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
            self._waiting.append(turn)
            self._changed.wait_for(lambda: self._waiting[0] is turn and self._left >= share)
            self._waiting.popleft()
            self._left -= share
            self._changed.notify_all()
