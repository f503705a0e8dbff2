"""Figures by name, and what is made of those of several rounds."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np

Figures = dict[str, float]
Result = TypeVar("Result")


class BenchmarkError(Exception):
    """What keeps a part from being measured, in words for who started it."""


@dataclass(frozen=True)
class Rounds:
    """A part that is measured in rounds; every figure, and every ratio, is a median over them.

    baselines: of a figure, the one that it is a ratio to. once: what was measured before the rounds.
    """

    rounds: list[Figures]
    baselines: Mapping[str, str]
    once: Figures = field(default_factory=dict)

    @property
    def figures(self) -> Figures:
        """Those measured once first."""
        return self.once | {name: statistics.median(each[name] for each in self.rounds) for name in self.rounds[0]}

    @property
    def ratios(self) -> Figures:
        """Each figure to its baseline in the same round, where it has one."""
        found: dict[str, list[float]] = defaultdict(list)
        for figures in self.rounds:
            for name, value in figures.items():
                if self.baselines.get(name) in figures:
                    found[name].append(value / figures[self.baselines[name]])
        return {name: statistics.median(values) for name, values in found.items()}


@dataclass(frozen=True)
class Columns:
    """The index at several sizes, and each peer at those that it was measured at."""

    sizes: dict[int, Figures]
    peers: dict[str, dict[int, Figures]]


Measured = Rounds | Columns


def percentiles(name: str, ms: list[float]) -> Figures:
    """Of latencies."""
    p50, p99 = np.percentile(ms, (50, 99))
    return {f"{name}: p50 ms": float(p50), f"{name}: p99 ms": float(p99)}


def timed(call: Callable[[], Result]) -> tuple[float, Result]:
    """Milliseconds, and what came of it."""
    started = perf_counter()
    result = call()
    return 1e3 * (perf_counter() - started), result


def private_bytes() -> int:
    """Memory of this process that no file and no other process has."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))
