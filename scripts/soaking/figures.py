"""From what was noted to figures: slopes that outliers do not tilt, and percentiles inside and outside of windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scripts.soaking.record import Rebuild, Request

Floats = NDArray[np.float64]
SWAP_S = 1.0  # after a rebuild's end, in which serving processes take the new generation up
RESAMPLES = 1000


@dataclass(frozen=True)
class Slope:
    """Units a minute: the median over pairs of samples, and the range of the middle 90 % of the pairs."""

    median: float
    low: float
    high: float


def slope(minutes: ArrayLike, values: ArrayLike) -> Slope:
    """Theil-Sen's, over the pairs that are at least a third of the time apart. Raises ValueError below three samples.

    Nearer pairs tell of noise more than of growth: memory goes up and down with every rebuild.
    """
    x, y = np.asarray(minutes, np.float64), np.asarray(values, np.float64)
    if len(x) < 3:
        raise ValueError("a slope takes three samples")
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    far = apart >= (x[-1] - x[0]) / 3
    slopes = (y[second[far]] - y[first[far]]) / apart[far]
    low, median, high = np.percentile(slopes, (5, 50, 95))
    return Slope(float(median), float(low), float(high))


@dataclass(frozen=True)
class Ratio:
    """p50 and p99, ms, of requests that began while no rebuild ran (idle) and while one ran (busy).

    ratio: of the p99s; low, high: the middle 90 % of it as whole cycles of one rebuild and one pause are drawn anew.
    """

    idle: int
    busy: int
    idle_p50: float
    busy_p50: float
    idle_p99: float
    busy_p99: float
    ratio: float
    low: float
    high: float


def during(started: Floats, rebuilds: Sequence[Rebuild]) -> NDArray[np.bool_]:
    """Which of the moments are within a rebuild, or SWAP_S after it."""
    inside = np.zeros(len(started), dtype=bool)
    for each in rebuilds:
        inside |= (started >= each.started) & (started <= each.ended + SWAP_S)
    return inside


def compare(requests: Sequence[Request], rebuilds: Sequence[Rebuild]) -> Ratio | None:
    """Rebuilds against pauses, which take turns; None where there was nothing of either."""
    started, ms = np.array([(each.started, each.ms) for each in requests], np.float64).reshape(-1, 2).T
    busy = during(started, rebuilds)
    if not busy.any() or busy.all():
        return None
    cycle = np.searchsorted(np.array([each.started for each in rebuilds]), started)
    (idle_p50, idle_p99), (busy_p50, busy_p99) = (np.percentile(ms[which], (50, 99)) for which in (~busy, busy))
    low, high = np.percentile(_resampled(ms, busy, cycle), (5, 95))
    counts = int((~busy).sum()), int(busy.sum())
    latencies = float(idle_p50), float(busy_p50), float(idle_p99), float(busy_p99)
    return Ratio(*counts, *latencies, float(busy_p99 / idle_p99), float(low), float(high))


def _resampled(ms: Floats, busy: NDArray[np.bool_], cycle: NDArray[np.int64]) -> list[float]:
    chance = np.random.default_rng(0)
    numbers = np.unique(cycle)
    parts = {which: [ms[(cycle == each) & (busy == which)] for each in numbers] for which in (False, True)}
    ratios = []
    for _ in range(RESAMPLES):
        drawn = chance.integers(len(numbers), size=len(numbers))
        idle, inside = (np.concatenate([parts[which][each] for each in drawn]) for which in (False, True))
        if len(idle) and len(inside):
            ratios.append(float(np.percentile(inside, 99) / np.percentile(idle, 99)))
    return ratios
