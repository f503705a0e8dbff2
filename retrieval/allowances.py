"""Rate limits: how much each caller has left, in a table of fixed size that all workers of a service share.

Each caller has a bucket of `quota` that fills up again within PERIOD_S seconds, kept as one number: the moment at which
it will be full (the "theoretical arrival time" of the generic cell rate algorithm).
"""

import hashlib
import math
import mmap
import os
import struct
import threading
from dataclasses import dataclass
from time import monotonic

PERIOD_S = 60
SETS = 8192
WAYS = 8
_SLOT = struct.Struct("=Qd")  # digest of whose it is, moment at which the bucket is full


@dataclass(frozen=True)
class Allowance:
    """Of `quota` in PERIOD_S seconds, `remaining` are left; all of it in `reset_s`. Refused: come back in `retry_s`."""

    quota: int
    remaining: int
    reset_s: float
    retry_s: float

    @property
    def granted(self) -> bool:
        """Whether what was asked for was left."""
        return self.retry_s == 0


class Allowances:
    """65,536 buckets in one MiB. Of too many callers, those lose theirs, and start anew, whose are fullest.

    Made before workers are forked, it is theirs together; the clock that it reads is that of the machine. Between
    processes there is no lock: two requests of one caller in the same microsecond may count as one, and no process
    that is killed can stop another.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SETS * WAYS * _SLOT.size)
        self._salt = os.urandom(16)  # so that nobody can find addresses that share a set
        self._lock = threading.Lock()

    def take(self, whose: str, quota: int, cost: int = 1) -> Allowance:
        """Take `cost`, at most all of the quota, from a bucket; if that much is not left, nothing is taken."""
        return self._ask(whose, quota, min(cost, quota), keep=True)

    def peek(self, whose: str, quota: int) -> Allowance:
        """What taking one would give."""
        return self._ask(whose, quota, 1, keep=False)

    def _ask(self, whose: str, quota: int, cost: int, keep: bool) -> Allowance:
        digest = int.from_bytes(hashlib.blake2b(whose.encode(), digest_size=8, key=self._salt).digest(), "big")
        with self._lock:
            now = monotonic()
            offset, full_at = self._slot(digest)
            before = max(full_at, now)
            after = before + cost * PERIOD_S / quota
            wait = after - now - PERIOD_S
            if wait > 1e-9:  # which adding up may be off by
                return _allowance(quota, before - now, wait)
            if keep:
                _SLOT.pack_into(self._memory, offset, digest, after)
        return _allowance(quota, after - now, 0)

    def _slot(self, digest: int) -> tuple[int, float]:
        """Where the bucket is or may be put, and when it is full."""
        start = digest % SETS * WAYS * _SLOT.size
        fullest, fullest_at = start, math.inf
        for offset in range(start, start + WAYS * _SLOT.size, _SLOT.size):
            owner, full_at = _SLOT.unpack_from(self._memory, offset)
            if owner == digest:
                return offset, full_at
            if full_at < fullest_at:
                fullest, fullest_at = offset, full_at
        return fullest, 0.0


def _allowance(quota: int, empty_s: float, retry_s: float) -> Allowance:
    """`empty_s`: how many seconds of filling are missing."""
    left = math.floor((PERIOD_S - empty_s) * quota / PERIOD_S + 1e-6)
    return Allowance(quota, max(left, 0), empty_s, retry_s)
