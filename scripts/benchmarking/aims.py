"""What is promised, and whether a run has kept it."""

from dataclasses import dataclass

from scripts.benchmarking.figures import Columns, Measured, Rounds

LARGE = 1_000_000  # vectors that the index's aims are about


@dataclass(frozen=True)
class Aim:
    """A figure, or its ratio to `baseline` in the same round, that is to stay above a bound, or `below` it."""

    figure: str
    bound: float
    below: bool = False
    baseline: str | None = None

    def is_reached(self, value: float) -> bool:
        """Whether the value keeps to the bound, which belongs to what is promised."""
        return value <= self.bound if self.below else value >= self.bound


@dataclass(frozen=True)
class Verdict:
    """An aim and what was measured."""

    aim: Aim
    value: float

    @property
    def reached(self) -> bool:
        return self.aim.is_reached(self.value)

    def __str__(self) -> str:
        of = f" of {self.aim.baseline}" if self.aim.baseline else ""
        word = "at most" if self.aim.below else "at least"
        judged = "reached" if self.reached else "MISSED"
        return f"{judged:8}{self.aim.figure} is {self.value:.3g}{of}, {word} {self.aim.bound}"


AIMS: dict[str, tuple[Aim, ...]] = {
    "service": (
        Aim("/search, 1 client: p50 ms", 1.2, below=True, baseline="bare one by one: ms"),
        Aim("/search, 16 clients: requests/s", 0.88, baseline="bare batched: pictures/s"),
        Aim("/add with reject, 16 clients: requests/s", 0.8, baseline="/search, 16 clients: requests/s"),
        Aim("bulk: pictures/s", 0.85, baseline="bare batched: pictures/s"),
        Aim("bare batched: pictures/s", 1.8, baseline="bare, ONNX Runtime: pictures/s"),
    ),
    "files": (
        Aim("build_index, sscd: files/s", 2.5, baseline="immaculate, sscd: files/s"),
        Aim("build_index, sscd_distilled: files/s", 3.0, baseline="immaculate, sscd_distilled: files/s"),
    ),
    "index": (
        Aim("build: s", 240, below=True),
        Aim("open: s", 2, below=True),
        Aim("memory, private: bytes a vector", 130, below=True),
        Aim("found first, turned as by edits", 0.98),
        Aim("index: p50 ms", 1.5, below=True),
        Aim("p99 while rebuilding / idle", 2, below=True),
    ),
}


def verdicts(part: str, measured: Measured) -> list[Verdict]:
    """Of the part's aims those about something that was measured."""
    values = measured.ratios if isinstance(measured, Rounds) else _at_large(measured)
    return [Verdict(aim, values[aim.figure]) for aim in AIMS[part] if aim.figure in values]


def baselines(part: str) -> dict[str, str]:
    """Of the figures with an aim, what they are measured against."""
    return {aim.figure: aim.baseline for aim in AIMS[part] if aim.baseline}


def _at_large(measured: Columns) -> dict[str, float]:
    return measured.sizes.get(LARGE, {})
