"""Progress on stderr: rate and time left, second by second for a person, every ten seconds in a log file."""

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class Progress:
    """Bars, one after the other; none where `quiet`."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet

    def over(self, items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
        """Passes the items on, a picture each."""
        with self._bar(total, what) as bar:
            for item in items:
                yield item
                bar.update()

    def steps(self, items: Iterable[tuple[int, Item]], total: int, what: str) -> Iterator[tuple[int, Item]]:
        """The same for items that say how many pictures are done with them."""
        with self._bar(total, what) as bar:
            for done, item in items:
                yield done, item
                bar.update(done - bar.n)

    def counted(self, items: Iterable[Item], count: Callable[[], Iterable[object]], what: str) -> Iterator[Item]:
        """The same where how many there are is counted meanwhile: the first of millions need not wait for it."""
        with self._bar(None, what) as bar:
            if not self._quiet:
                Thread(target=_count, args=(count, weakref.ref(bar)), daemon=True).start()
            for item in items:
                yield item
                bar.update()

    def _bar(self, total: int | None, what: str) -> "tqdm[Any]":
        calm = 0.2 if sys.stderr.isatty() else 10
        quiet = self._quiet or total == 0
        return tqdm(
            total=total, desc=what, unit="picture", smoothing=0.05, mininterval=calm, dynamic_ncols=True, disable=quiet
        )


def _count(count: Callable[[], Iterable[object]], bar: "weakref.ref[tqdm[Any]]") -> None:
    total = 0
    for _ in count():
        total += 1
        if total % 1000 == 0 and bar() is None:
            return  # nobody waits for it any more
    if (still_there := bar()) is not None:
        still_there.total = total
