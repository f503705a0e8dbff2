"""What a soak found: a table, the aims, and all of it as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from scripts.soaking.figures import Ratio, Slope, compare, slope
from scripts.soaking.record import Rebuild, Record, Request
from scripts.soaking.watch import Sample

MAX_RATIO = 2.0  # of the p99 during rebuilds to the one between them
# MB a minute.
MAX_GROWTH = 1.0
MAX_COUNT_GROWTH = (
    1.0  # threads or descriptors a minute: pools grow by some; one lost with every rebuild would be three
)
LEAST_MINUTES = 4.0  # in less, growth cannot be told from warming up
GENERATIONS = 2  # the one in force, and the one before for who is about to open it
WATCHED = ("rss", "anonymous", "threads", "descriptors")


@dataclass(frozen=True)
class Aim:
    """reached: None where the run was too short to say."""

    what: str
    reached: bool | None


@dataclass(frozen=True)
class Soaked:
    """Everything of a run; times are seconds of the monotonic clock, disk is MB by file or folder at two moments."""

    record: Record
    samples: list[Sample]
    warm_at: float
    ended_at: float
    disk_before: dict[str, float]
    disk_after: dict[str, float]
    generations: int
    options: dict[str, Any]
    ratio: Ratio | None = field(init=False)
    slopes: dict[str, Slope] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", compare(self.requests, self.rebuilds))
        object.__setattr__(self, "slopes", self._slopes())

    @property
    def requests(self) -> list[Request]:
        """Those after warm-up, of the mixed load alone."""
        return [each for each in self.record.requests if each.started >= self.warm_at and each.kind != "job"]

    @property
    def rebuilds(self) -> list[Rebuild]:
        """Those that were under way after warm-up."""
        return [each for each in self.record.rebuilds if each.ended >= self.warm_at]

    @property
    def warm(self) -> list[Sample]:
        """Samples after warm-up."""
        return [each for each in self.samples if each.at >= self.warm_at]

    @property
    def minutes(self) -> float:
        """After warm-up."""
        return (self.ended_at - self.warm_at) / 60

    def _slopes(self) -> dict[str, Slope]:
        minutes = [each.at / 60 for each in self.warm]
        return {name: slope(minutes, [getattr(each, name) for each in self.warm]) for name in WATCHED}

    def aims(self) -> list[Aim]:
        """What must hold."""
        long_enough = self.minutes >= LEAST_MINUTES
        ratio = self.ratio.ratio if self.ratio else float("nan")
        grown = {name: each.median for name, each in self.slopes.items()}
        counts = max(grown["threads"], grown["descriptors"])
        return [
            Aim(f"errors: {self.record.errors} in {len(self.record.requests)} requests", self.record.errors == 0),
            Aim(f"p99 during rebuilds: {ratio:.2f} of idle, at most {MAX_RATIO}", ratio <= MAX_RATIO),
            Aim(
                f"memory: {grown['rss']:+.2f} MB a minute, at most {MAX_GROWTH}",
                grown["rss"] <= MAX_GROWTH if long_enough else None,
            ),
            Aim(
                f"threads, descriptors: {counts:+.2f} a minute, at most {MAX_COUNT_GROWTH}",
                counts <= MAX_COUNT_GROWTH if long_enough else None,
            ),
            Aim(f"generations on disk: {self.generations}, at most {GENERATIONS}", self.generations <= GENERATIONS),
        ]

    def by_kind(self) -> dict[str, Ratio]:
        """The same comparison for each kind of request that there was both inside and outside of rebuilds."""
        kinds = sorted({each.kind for each in self.requests})
        found = {kind: compare([each for each in self.requests if each.kind == kind], self.rebuilds) for kind in kinds}
        return {kind: ratio for kind, ratio in found.items() if ratio}

    def load(self) -> tuple[float, float, float]:
        """Least, median and greatest load average."""
        low, median, high = np.percentile([each.load for each in self.warm], (0, 50, 100))
        return float(low), float(median), float(high)

    def as_json(self) -> dict[str, Any]:
        """Everything but the single requests."""
        return {
            "options": self.options,
            "minutes after warm-up": self.minutes,
            "load average": self.load(),
            "errors": {"count": self.record.errors, "first": self.record.first_errors},
            "statuses": self.record.statuses(),
            "latency": asdict(self.ratio) if self.ratio else None,
            "latency by kind": {kind: asdict(ratio) for kind, ratio in self.by_kind().items()},
            "growth a minute": {name: asdict(each) for name, each in self.slopes.items()},
            "disk MB": {"before": self.disk_before, "after": self.disk_after, "generations": self.generations},
            "rebuilds": [{"seconds": each.ended - each.started, **each.result} for each in self.record.rebuilds],
            "samples": [asdict(each) for each in self.samples],
            "aims": [asdict(each) for each in self.aims()],
        }


def table(soaked: Soaked) -> str:
    """For people."""
    lines = [f"\n{'ms':22}{'idle':>8}{'p50':>8}{'p99':>8}{'rebuild':>10}{'p50':>8}{'p99':>8}{'p99 ratio':>11}"]
    rows = {**soaked.by_kind(), **({"all": soaked.ratio} if soaked.ratio else {})}
    lines += [_latency_line(name, ratio) for name, ratio in rows.items()]
    lines += ["", f"{'':22}{'at first':>10}{'at last':>10}{'a minute':>10}   middle 90 % of pairs"]
    lines += [_growth_line(soaked, name) for name in WATCHED]
    lines += ["", f"{'MB on disk':22}{'before':>10}{'after':>10}"]
    for name in sorted(soaked.disk_before.keys() | soaked.disk_after.keys()):
        lines.append(f"{name:22}{soaked.disk_before.get(name, 0):10.1f}{soaked.disk_after.get(name, 0):10.1f}")
    lines += ["", _rebuild_line(soaked.rebuilds), "load average: {:.1f} to {:.1f} to {:.1f}".format(*soaked.load())]
    lines += soaked.record.first_errors[:10]
    words = {True: "reached", False: "MISSED", None: "short"}
    return "\n".join([*lines, "", *(f"{words[aim.reached]:8}{aim.what}" for aim in soaked.aims())])


def _latency_line(name: str, it: Ratio) -> str:
    idle = f"{it.idle:8}{it.idle_p50:8.0f}{it.idle_p99:8.0f}"
    busy = f"{it.busy:10}{it.busy_p50:8.0f}{it.busy_p99:8.0f}"
    return f"{name:22}{idle}{busy}{it.ratio:11.2f}  ({it.low:.2f} to {it.high:.2f})"


def _growth_line(soaked: Soaked, name: str) -> str:
    values = [getattr(each, name) for each in soaked.warm]
    tenth = max(1, len(values) // 10)
    first, last = np.median(values[:tenth]), np.median(values[-tenth:])
    it = soaked.slopes[name]
    unit = " MB" if name in ("rss", "anonymous") else ""
    return f"{name + unit:22}{first:10.1f}{last:10.1f}{it.median:+10.2f}   {it.low:+.2f} to {it.high:+.2f}"


def _rebuild_line(rebuilds: Sequence[Rebuild]) -> str:
    if not rebuilds:
        return "no rebuild"
    seconds = [each.ended - each.started for each in rebuilds]
    last = rebuilds[-1].result
    return (
        f"{len(rebuilds)} rebuilds, {min(seconds):.1f} to {np.median(seconds):.1f} to {max(seconds):.1f} s; "
        f"the last: {last.get('count')} pictures, {last.get('kind')}"
    )
