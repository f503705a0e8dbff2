"""What came of a run, counted and told while it goes on: a progress bar, reasons, signals heeded between two copies."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from tqdm import tqdm

from cleaning.undoing import Outcome

TOLD = 10  # refusals for one reason that are told one by one


@dataclass
class Tally:
    """What came of a run."""

    counts: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    freed: int = 0
    signal: int = 0

    @property
    def status(self) -> int:
        return 128 + self.signal if self.signal else int(bool(self.counts["refused"] or self.counts["told"]))


def tallied(outcomes: Iterator[Outcome], count: int, what: str, is_quiet: bool) -> Tally:
    """With a progress bar; a signal is heeded between two outcomes."""
    tally, reasons = Tally(), _Reasons()
    calm = 0.2 if sys.stderr.isatty() else 10
    bar = tqdm(total=count, desc=what, unit="copy", mininterval=calm, dynamic_ncols=True, disable=is_quiet)
    with _signals() as asked, bar:
        for outcome in outcomes:
            tally.counts[outcome.status] += 1
            tally.counts["told"] += bool(outcome.reason)
            tally.bytes += outcome.bytes
            tally.freed += outcome.freed
            if outcome.reason and reasons.is_told(outcome):
                tqdm.write(_printable(f"{outcome.status}: {outcome.reason}"), file=sys.stderr)
            bar.update()
            if asked:
                tally.signal = asked[0]
                break
    for line in reasons.untold():
        say(line)
    return tally


def say(line: str) -> None:
    """On stderr."""
    print(_printable(line), file=sys.stderr)


def _printable(line: str) -> str:
    """Names that are not UTF-8, or have control characters, do no harm to a terminal."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in line)


class _Reasons:
    """How often each was given, whatever the file's path."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def is_told(self, outcome: Outcome) -> bool:
        """Whether it is among the first of its kind."""
        kind = outcome.status, outcome.reason.replace(outcome.path, "FILE")
        self._counts[kind] += 1
        return self._counts[kind] <= TOLD

    def untold(self) -> list[str]:
        """A line for each kind of which not all were told."""
        kinds = self._counts.most_common()
        return [f"{status}: and {count - TOLD:,} more: {told}" for (status, told), count in kinds if count > TOLD]


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Which of SIGINT and SIGTERM came meanwhile; what is under way is not broken off."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
